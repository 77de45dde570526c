using System.Text.Json;
using Muster.Core.Status;

namespace Muster.Server.Devices.Reports;

/// <summary>Reads single values of a report. Each says false for a type or value that must not be there.</summary>
internal static class FieldReader
{
    /// <summary>A text that may be null. A NUL character is refused: PostgreSQL cannot store it.</summary>
    public static bool TryText(ref Utf8JsonReader reader, out string? text)
    {
        text = null;
        if (reader.TokenType == JsonTokenType.Null)
            return true;
        if (reader.TokenType != JsonTokenType.String)
            return false;
        text = reader.GetString()!;
        return !text.Contains('\0', StringComparison.Ordinal);
    }

    /// <summary>A whole number within bounds, or null. JSON has one kind of number, so 10.0 is whole.</summary>
    public static bool TryInteger(ref Utf8JsonReader reader, int least, int most, out int? value)
    {
        value = null;
        if (reader.TokenType == JsonTokenType.Null)
            return true;
        if (reader.TokenType != JsonTokenType.Number || !reader.TryGetDouble(out var number) || !(number >= least && number <= most) || Math.Floor(number) != number)
            return false;
        value = (int)number;
        return true;
    }

    /// <summary>Hundredths of something to do.</summary>
    public static bool TryProgress(ref Utf8JsonReader reader, out int? value) => TryInteger(ref reader, 0, 100, out value);

    /// <summary>As <see cref="TryInteger"/>, but what is too large counts as the largest.</summary>
    public static bool TryMetric(ref Utf8JsonReader reader, int least, int most, out int? value)
    {
        if (reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out var number) && number > most)
        {
            value = most;
            return true;
        }

        return TryInteger(ref reader, least, most, out value);
    }

    /// <summary>An id: a positive whole number, or (v2) a text that holds one.</summary>
    public static bool TryId(ref Utf8JsonReader reader, out long id)
    {
        id = 0;
        return reader.TokenType switch
        {
            JsonTokenType.Number => reader.TryGetInt64(out id) && id > 0,
            JsonTokenType.String => reader.ValueSpan.Length < 20 && long.TryParse(reader.GetString(), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out id) && id > 0,
            _ => false,
        };
    }

    public static bool TryFlag(ref Utf8JsonReader reader, out bool value)
    {
        value = reader.TokenType == JsonTokenType.True;
        return reader.TokenType is JsonTokenType.True or JsonTokenType.False or JsonTokenType.Null;
    }

    /// <summary>Null for a word that is no update status.</summary>
    public static UpdateStatus? ReadUpdateStatus(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.String ? StatusWords.Update(reader.GetString()) : null;
}
