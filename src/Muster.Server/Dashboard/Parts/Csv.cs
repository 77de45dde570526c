namespace Muster.Server.Dashboard.Parts;

/// <summary>Files for spreadsheets.</summary>
internal static class Csv
{
    /// <summary>A record of RFC 4180, with its end.</summary>
    public static string Record(params IEnumerable<string> values) => string.Join(',', values.Select(Value)) + "\r\n";

    /// <summary>A value that a spreadsheet would take for a formula is marked as text: names are written by whoever registers devices.</summary>
    private static string Value(string value)
    {
        if (value is ['=' or '+' or '-' or '@' or '\t' or '\r', ..])
            value = "'" + value;
        return value.AsSpan().IndexOfAny(",\"\r\n") < 0 ? value : $"\"{value.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }
}
