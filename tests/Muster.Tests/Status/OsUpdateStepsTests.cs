using Muster.Core.Status;

namespace Muster.Tests.Status;

public sealed class OsUpdateStepsTests
{
    /// <summary>The words of the OS' own tools, in the order in which they come (docs/device-protocol.md, "OS installs and updates").</summary>
    [Theory]
    [InlineData("Preparing OS update", 25, 0)]
    [InlineData("Downloading OS update", 35, 1)]
    [InlineData("Running OS update", 50, 1)]
    [InlineData("Running supervisor update", 95, 2)]
    [InlineData("Reboot waiting on application lock", 100, 3)]
    [InlineData("Update successful, rebooting", 100, 4)]
    [InlineData("Reboot in progress", 100, 4)]
    public void A_word_of_the_updater_tells_the_step(string said, int percent, int step)
    {
        var update = OsUpdateSteps.Of(said, percent)!;
        Assert.Equal("OS update", update.Title);
        Assert.Equal((said, percent), (update.Said, update.Percent));
        Assert.All(update.Steps.Index(), s => Assert.Equal(s.Index < step ? StepState.Done : s.Index == step ? StepState.Current : StepState.Ahead, s.Item.State));
    }

    [Theory]
    [InlineData("Starting flashing balenaOS on internal media", 0)]
    [InlineData("Flashing balenaOS on internal media", 1)]
    [InlineData("Post-Provisioning", 2)]
    public void An_installation_has_steps_of_its_own(string said, int step)
    {
        var install = OsUpdateSteps.Of(said, 10)!;
        Assert.Equal("Installation", install.Title);
        Assert.Equal(StepState.Current, install.Steps[step].State);
    }

    [Fact]
    public void A_failed_update_stands_at_what_failed_and_is_not_under_way()
    {
        var update = OsUpdateSteps.Of("OS update failed", 100)!;
        Assert.Contains(update.Steps, s => s.State is StepState.Failed);
        Assert.DoesNotContain(update.Steps, s => s.State is StepState.Current);
    }

    [Fact]
    public void Words_that_nobody_knows_are_shown_as_they_are() =>
        Assert.Equal([new OsStep("Rotating disk keys", StepState.Current)], OsUpdateSteps.Of("Rotating disk keys", null)!.Steps);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(" ")]
    public void Without_words_there_is_no_update(string? said) => Assert.Null(OsUpdateSteps.Of(said, null));
}
