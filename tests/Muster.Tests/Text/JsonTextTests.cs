using System.Text;
using System.Text.Json;
using CsCheck;
using Muster.Core.Text;

namespace Muster.Tests.Text;

public sealed class JsonTextTests
{
    [Theory]
    [InlineData("""{"name":"\ud83d"}""", "\"name\" holds")]
    [InlineData("""{"name":"\ude80 late"}""", "\"name\" holds")]
    [InlineData("""{"a":1,"deep":{"x":["\u0000"]}}""", "\"deep\" holds")]
    [InlineData("""{"\udead":1}""", "The body holds")]
    [InlineData("""{"a":1,"a":2}""", "\"a\" is given twice.")]
    [InlineData("""{"a":1,"\u0061":2}""", "\"a\" is given twice.")]
    [InlineData("""{"a":""", JsonText.Malformed)]
    [InlineData("", JsonText.Malformed)]
    [InlineData("{\"a\":1}x", JsonText.Malformed)]
    public void What_is_wrong_is_said_with_the_field(string json, string beginning) =>
        Assert.StartsWith(beginning, JsonText.Problem(Encoding.UTF8.GetBytes(json)), StringComparison.Ordinal);

    [Theory]
    [InlineData("""{"a":"\ud83d\ude80","b":{"a":1},"c":[null,true,1e9]}""")]
    [InlineData("[1,2]")]
    [InlineData("\"text\"")]
    public void Nothing_is_wrong_with_good_documents(string json) => Assert.Null(JsonText.Problem(Encoding.UTF8.GetBytes(json)));

    [Fact]
    public void Bytes_that_are_no_utf8_are_named() =>
        Assert.StartsWith("\"note\" holds", JsonText.Problem([.. "{\"note\":\"a"u8, 0xC3, 0x28, .. "\"}"u8]), StringComparison.Ordinal);

    /// <summary>Whatever passes can be read and kept, whatever does not pass says so, and a mended document passes.</summary>
    [Fact]
    public void Whatever_passes_can_be_read()
    {
        byte[][] pieces = [[.. "\\ud83d"u8], [.. "\\ude80"u8], [.. "\\u0041"u8], [.. "a"u8], [.. "\\\\"u8], [.. "\\n"u8], [.. "é"u8], [0xC3], [0xED, 0xA0, 0x80], [0xFF], [.. "\\\""u8], [.. "ud83d"u8]];
        Gen.Int[0, pieces.Length - 1].Array[0, 8].Sample(chosen =>
        {
            byte[] json = [.. "{\"k\":[\""u8, .. chosen.SelectMany(i => pieces[i]), .. "\"]}"u8];
            if (JsonText.Problem(json) is null)
            {
                using var good = JsonDocument.Parse(json);
                Assert.True(WireText.IsStorable(good.RootElement.GetProperty("k")[0].GetString()));
            }

            Assert.Null(JsonText.Problem(JsonText.Mend(new(json))));
        });
    }

    [Fact]
    public void Half_an_emoji_is_mended_and_a_whole_one_stays()
    {
        using var mended = JsonDocument.Parse(JsonText.Mend(new("""["cut \ud83d","\ude80","\ud83d\ude80","\\ud83d"]"""u8.ToArray())));
        Assert.Equal(["cut \ufffd", "\ufffd", "🚀", "\\ud83d"], mended.RootElement.EnumerateArray().Select(e => e.GetString()));
    }
}
