using System.Globalization;

namespace Muster.Server.Resources;

/// <summary>Instants as clients send them: ISO 8601, taken as UTC when no offset is named.</summary>
internal static class WireInstant
{
    /// <summary>Unix ms; false when the text is no date.</summary>
    public static bool TryParse(string text, out long at)
    {
        var parsed = DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var value);
        at = parsed ? value.ToUnixTimeMilliseconds() : 0;
        return parsed && text.Length >= 8 && char.IsAsciiDigit(text[0]);
    }
}
