using System.Buffers;

namespace Muster.Core.Text;

/// <summary>
/// Which texts can be kept: whole Unicode characters without NUL. Half of a surrogate pair has no UTF-8, and PostgreSQL
/// stores no NUL.
/// </summary>
public static class WireText
{
    private static readonly SearchValues<char> Suspects = SearchValues.Create([.. Enumerable.Range(0xD800, 0x800).Select(c => (char)c), '\0']);

    public static bool IsStorable(ReadOnlySpan<char> text)
    {
        while (text.IndexOfAny(Suspects) is >= 0 and var at)
        {
            if (!char.IsHighSurrogate(text[at]) || at + 1 == text.Length || !char.IsLowSurrogate(text[at + 1]))
                return false;
            text = text[(at + 2)..];
        }

        return true;
    }
}
