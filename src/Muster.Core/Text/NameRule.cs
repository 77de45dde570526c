using System.Globalization;
using System.Text;

namespace Muster.Core.Text;

/// <summary>
/// What any name must be like, whatever it names: somebody has to see it, read it in one line and tell it from others.
/// </summary>
public static class NameRule
{
    /// <summary>Why a text is no name, as what follows "The name"; null when it can be one. Its length is the caller's to judge.</summary>
    public static string? Problem(string name)
    {
        if (!WireText.IsStorable(name))
            return "must be valid Unicode without NUL characters";
        var isSeen = false;
        foreach (var rune in name.EnumerateRunes())
        {
            if (IsForbidden(rune))
                return "must not hold control characters, line breaks or invisible characters";
            isSeen |= !IsBlank(rune);
        }

        return isSeen ? null : "must hold a character that can be seen";
    }

    // Joiners (U+200C, U+200D) and tags (U+E0020 to U+E007F) are parts of words and of emoji.
    private static bool IsForbidden(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => true,
        UnicodeCategory.Format => rune.Value is not (0x200C or 0x200D or (>= 0xE0020 and <= 0xE007F)),
        UnicodeCategory.OtherNotAssigned => rune.Value is >= 0xE0000 and <= 0xE0FFF or >= 0xFFF0 and <= 0xFFFF,
        _ => false,
    };

    // Hangul fillers and the empty Braille pattern count as letters and signs, and show nothing. A mark alone has nothing to stand on.
    private static bool IsBlank(Rune rune) =>
        Rune.IsWhiteSpace(rune)
        || rune.Value is 0x115F or 0x1160 or 0x3164 or 0xFFA0 or 0x2800 or 0x034F or 0x17B4 or 0x17B5
        || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Format or UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark;
}
