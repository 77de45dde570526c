using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Muster.Core.Text;

/// <summary>
/// The texts inside a JSON document. Parsers take half of a surrogate pair (<c>"\ud83d"</c>, a cut emoji) and bytes that are
/// no UTF-8, and throw when such a text is read; so it is looked for before.
/// </summary>
public static class JsonText
{
    /// <summary>What clients are told of a body that is no JSON at all.</summary>
    public const string Malformed = "The body is not valid JSON.";

    private const int LongestQuoted = 64;

    /// <summary>
    /// What is wrong with a document, in a sentence that names the field of the root object: malformed, a text that cannot be
    /// kept (<see cref="WireText"/>), a field given twice. Null when nothing is.
    /// </summary>
    public static string? Problem(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        HashSet<string> fields = new(StringComparer.Ordinal);
        var field = "";
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName))
                    continue;
                if (!IsStorable(ref reader))
                    return field.Length == 0 ? "The body holds a text that is not valid Unicode, or a NUL character." : NotText(field);
                if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1)
                    continue;
                field = reader.GetString()!;
                if (!fields.Add(field))
                    return $"\"{Quoted(field)}\" is given twice.";
            }
        }
        catch (JsonException)
        {
            return Malformed;
        }

        return null;
    }

    /// <summary>The sentence for a field whose text cannot be kept.</summary>
    public static string NotText(string field) => $"\"{Quoted(field)}\" holds a text that is not valid Unicode, or a NUL character.";

    /// <summary>The same document with U+FFFD for every half of a surrogate pair and for bytes that are no UTF-8.</summary>
    public static byte[] Mend(in ReadOnlySequence<byte> json)
    {
        var text = Encoding.UTF8.GetString(json);
        var mended = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            mended.Append(text[i]);
            if (text[i] != '\\' || i + 1 == text.Length)
                continue;
            mended.Append(text[++i]);
            if (text[i] != 'u' || Unit(text, i + 1) is not { } unit)
                continue;
            if (char.IsHighSurrogate(unit) && i + 6 < text.Length && text[i + 5] == '\\' && text[i + 6] == 'u' && Unit(text, i + 7) is { } low && char.IsLowSurrogate(low))
            {
                mended.Append(text, i + 1, 10);
                i += 10;
                continue;
            }

            mended.Append(char.IsSurrogate(unit) ? "fffd" : text.AsSpan(i + 1, 4));
            i += 4;
        }

        return Encoding.UTF8.GetBytes(mended.ToString());
    }

    private static char? Unit(string text, int at) =>
        at + 4 <= text.Length && ushort.TryParse(text.AsSpan(at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var unit) ? (char)unit : null;

    private static bool IsStorable(ref Utf8JsonReader reader)
    {
        if (!reader.ValueIsEscaped)
            return Utf8.IsValid(reader.ValueSpan);
        try
        {
            return WireText.IsStorable(reader.GetString());
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static string Quoted(string field) =>
        field.Length <= LongestQuoted ? field : $"{field[..(char.IsHighSurrogate(field[LongestQuoted - 1]) ? LongestQuoted - 1 : LongestQuoted)]}…";
}
