using Muster.Core.Text;

namespace Muster.Tests.Text;

public sealed class NameRuleTests
{
    [Theory]
    [InlineData("   ")]
    [InlineData("\t")]
    [InlineData("\u00a0\u3000")]
    [InlineData("\u200b")]
    [InlineData("\u2028")]
    [InlineData("a\u2028b")]
    [InlineData("a\nb")]
    [InlineData("a\u200bb")]
    [InlineData("\ufeffkitchen")]
    [InlineData("kitchen\u202etxt")]
    [InlineData("soft\u00adhyphen")]
    [InlineData("\u3164")]
    [InlineData("\u2800\u2800")]
    [InlineData("\u200d")]
    [InlineData("\u0301")]
    [InlineData("a\0")]
    [InlineData("a\u0085b")]
    public void What_nobody_can_see_or_read_in_one_line_is_no_name(string text) => Assert.NotNull(NameRule.Problem(text));

    [Fact]
    public void Half_a_surrogate_pair_is_no_name() => Assert.NotNull(NameRule.Problem($"a{'\ud83d'}"));

    [Theory]
    [InlineData("kitchen")]
    [InlineData(" two words ")]
    [InlineData("Kühlhaus №7")]
    [InlineData("冷蔵庫")]
    [InlineData("می‌خواهم")]
    [InlineData("👩‍🚀")]
    [InlineData("🏴󠁧󠁢󠁳󠁣󠁴󠁿")]
    [InlineData("e\u0301")]
    [InlineData("-")]
    public void Names_of_every_language_are_names(string text) => Assert.Null(NameRule.Problem(text));
}
