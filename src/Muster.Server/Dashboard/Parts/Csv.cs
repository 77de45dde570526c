using System.Globalization;
using System.Text;
using Microsoft.Net.Http.Headers;

namespace Muster.Server.Dashboard.Parts;

/// <summary>A file for spreadsheets, sent as it is written. Every CSV file of the pages is written here.</summary>
internal sealed class Csv
{
    private readonly HttpResponse response;

    private Csv(HttpResponse response) => this.response = response;

    /// <summary>Sends the headers, the byte order mark by which spreadsheets recognize UTF-8, and the record of titles.</summary>
    public static async Task<Csv> BeginAsync(HttpResponse response, string fileName, params string[] titles)
    {
        response.ContentType = "text/csv; charset=utf-8";
        response.Headers.ContentDisposition = new ContentDispositionHeaderValue("attachment") { FileName = fileName }.ToString();
        response.Headers.CacheControl = "no-store";
        response.Headers.XContentTypeOptions = "nosniff";
        await response.WriteAsync('\uFEFF' + Record(titles), response.HttpContext.RequestAborted);
        return new(response);
    }

    public Task WriteAsync(IEnumerable<IEnumerable<string>> records)
    {
        var text = new StringBuilder();
        foreach (var record in records)
            text.Append(Record(record));
        return response.WriteAsync(text.ToString(), response.HttpContext.RequestAborted);
    }

    /// <summary>A record of RFC 4180, with its end.</summary>
    internal static string Record(IEnumerable<string> values) => string.Join(',', values.Select(Value)) + "\r\n";

    private static string Value(string value)
    {
        if (IsFormula(value))
            value = "'" + value;
        return value.AsSpan().IndexOfAny(",\"\r\n") < 0 ? value : $"\"{value.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    /// <summary>
    /// Whether a spreadsheet may take the value for a formula: names are chosen by whoever registers devices. Some programs skip
    /// blanks and invisible characters in front, and take full-width signs for the usual ones.
    /// </summary>
    private static bool IsFormula(string value)
    {
        if (value is ['\t' or '\r' or '\n', ..])
            return true;
        foreach (var c in value)
        {
            if (char.IsWhiteSpace(c) || char.IsControl(c) || char.GetUnicodeCategory(c) is UnicodeCategory.Format)
                continue;
            return c is '=' or '+' or '-' or '@' or '\uFF1D' or '\uFF0B' or '\uFF0D' or '\uFF20' or '\u2212' or '\uFE62' or '\uFE63' or '\uFE66' or '\uFE6B';
        }

        return false;
    }
}
