using CsCheck;
using Muster.Server.Dashboard.Parts;

namespace Muster.Tests.Dashboard;

/// <summary>Files for spreadsheets: names are chosen by whoever registers devices.</summary>
public sealed class CsvTests
{
    [Theory]
    [InlineData("=cmd()", "'=cmd()")]
    [InlineData("+1", "'+1")]
    [InlineData("-1", "'-1")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData("\t=1", "'\t=1")]
    [InlineData("\r=1", "\"'\r=1\"")]
    [InlineData("\n=1", "\"'\n=1\"")]
    [InlineData("\uFF1Dcmd()", "'\uFF1Dcmd()")]
    [InlineData("\uFF0B1", "'\uFF0B1")]
    [InlineData("\uFF0D1", "'\uFF0D1")]
    [InlineData("\uFF20SUM", "'\uFF20SUM")]
    [InlineData(" =1", "' =1")]
    [InlineData("\u3000\uFF1D1", "'\u3000\uFF1D1")]
    [InlineData("\u200B=1", "'\u200B=1")]
    [InlineData("=1,\"a\"", "\"'=1,\"\"a\"\"\"")]
    [InlineData("kiosk, \"north\"", "\"kiosk, \"\"north\"\"\"")]
    [InlineData("a=b", "a=b")]
    [InlineData("", "")]
    public void What_a_spreadsheet_would_take_for_a_formula_is_marked_as_text(string value, string written) =>
        Assert.Equal(written + ",x\r\n", Csv.Record([value, "x"]));

    [Fact]
    public void No_cell_begins_with_a_sign_of_formulas() => Gen.String.Sample(value =>
    {
        var cell = Csv.Record([value])[..^2];
        if (cell.StartsWith('"'))
            cell = cell[1..^1];
        Assert.False(cell.TrimStart() is ['=' or '+' or '-' or '@' or '\uFF1D' or '\uFF0B' or '\uFF0D' or '\uFF20', ..], value);
    });

    /// <summary>Files that are written elsewhere would have to be looked after elsewhere.</summary>
    [Fact]
    public void Every_file_is_written_by_the_one_writer()
    {
        var sources = Directory.GetFiles(TestFiles.At("../src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal));
        var writers = sources.Where(file => File.ReadAllText(file).Contains("\"text/csv", StringComparison.Ordinal)).Select(Path.GetFileName);
        Assert.Equal(["Csv.cs"], writers);
    }
}
