using System.Globalization;
using System.Xml;

namespace Muster.Core.Query;

/// <summary>Dates and durations as clients write them in queries.</summary>
public static class QueryTime
{
    /// <summary>An ISO 8601 date, with or without time and offset (UTC when absent); null when the text is none.</summary>
    public static Instant? Instant(string text) =>
        text.Length >= 10 && text[4] == '-' && text[7] == '-'
        && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)
            ? new Instant(time.ToUnixTimeMilliseconds())
            : null;

    /// <summary>An ISO 8601 duration such as <c>PT1H</c>, or a time of day such as <c>13:20:00</c>; null when the text is neither, or too long to count in ms.</summary>
    public static Duration? Duration(string text)
    {
        if (TimeOnly.TryParseExact(text, ["HH:mm", "HH:mm:ss", "HH:mm:ss.FFFFFFF"], CultureInfo.InvariantCulture, DateTimeStyles.None, out var time))
            return new Duration((long)time.ToTimeSpan().TotalMilliseconds);
        try
        {
            return new Duration((long)XmlConvert.ToTimeSpan(text).TotalMilliseconds);
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            return null;
        }
    }
}
