using System.Globalization;
using System.Text;

namespace Muster.Core.Query;

internal enum TokenKind : byte { End, Name, Literal, Open, Close, Comma, Semicolon, Slash, Equals, Colon, Star }

/// <param name="Text">The name as written, for <see cref="TokenKind.Name"/>.</param>
/// <param name="Value">The constant, for <see cref="TokenKind.Literal"/>.</param>
internal readonly record struct Token(TokenKind Kind, int Position, string Text = "", object? Value = null);

/// <summary>Cuts decoded text of the dialect into tokens, one at a time.</summary>
internal sealed class Tokens(string text)
{
    private int at;

    /// <exception cref="QuerySyntaxException">A character or constant that the dialect does not know.</exception>
    public Token Next()
    {
        while (at < text.Length && text[at] is ' ' or '\t' or '+')
            at++;
        if (at >= text.Length)
            return new Token(TokenKind.End, text.Length);
        var start = at;
        var c = text[at];
        switch (c)
        {
            case '(': at++; return new Token(TokenKind.Open, start);
            case ')': at++; return new Token(TokenKind.Close, start);
            case ',': at++; return new Token(TokenKind.Comma, start);
            case ';' or '&': at++; return new Token(TokenKind.Semicolon, start);
            case '/': at++; return new Token(TokenKind.Slash, start);
            case '=': at++; return new Token(TokenKind.Equals, start);
            case ':': at++; return new Token(TokenKind.Colon, start);
            case '*': at++; return new Token(TokenKind.Star, start);
            case '\'': return new Token(TokenKind.Literal, start, Value: Quoted());
            case '-' or (>= '0' and <= '9'): return new Token(TokenKind.Literal, start, Value: Number());
        }

        if (!char.IsAsciiLetter(c) && c is not ('_' or '$' or '@'))
            throw new QuerySyntaxException($"Unexpected character '{c}'.", start);
        at++;
        while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] == '_'))
            at++;
        var name = text[start..at];
        if (at < text.Length && text[at] == '\'' && name is "datetime" or "datetimeoffset" or "date" or "duration" or "time")
        {
            var quoted = Quoted();
            return new Token(TokenKind.Literal, start, Value: name is "duration" or "time" ? DurationOf(quoted, start) : InstantOf(quoted, start));
        }

        return name switch
        {
            "null" => new Token(TokenKind.Literal, start),
            "true" => new Token(TokenKind.Literal, start, Value: true),
            "false" => new Token(TokenKind.Literal, start, Value: false),
            _ => new Token(TokenKind.Name, start, name),
        };
    }

    /// <summary>Text from a quote to its end; a doubled quote is one.</summary>
    private string Quoted()
    {
        var start = at++;
        var value = new StringBuilder();
        for (; at < text.Length; at++)
        {
            if (text[at] != '\'')
            {
                value.Append(text[at]);
            }
            else if (at + 1 < text.Length && text[at + 1] == '\'')
            {
                value.Append('\'');
                at++;
            }
            else
            {
                at++;
                return value.ToString();
            }
        }

        throw new QuerySyntaxException("A quote is not closed.", start);
    }

    private object Number()
    {
        var start = at++;
        // A bare date of OData v4 starts like a number: 2026-11-22T21:05:07.442Z.
        if (StartsDate(text.AsSpan(start)))
        {
            // A "+" belongs to it as the sign of an offset, and is a space elsewhere.
            while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] is '-' or ':' or '.' || (text[at] == '+' && at + 1 < text.Length && char.IsAsciiDigit(text[at + 1]))))
                at++;
            return InstantOf(text[start..at], start);
        }

        while (at < text.Length && (char.IsAsciiDigit(text[at]) || text[at] is '.' or 'e' or 'E' || (text[at] is '-' or '+' && text[at - 1] is 'e' or 'E')))
            at++;
        var number = text.AsSpan(start, at - start);
        if (long.TryParse(number, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
            return whole;
        if (double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) && double.IsFinite(real))
            return real;
        throw new QuerySyntaxException($"'{number}' is not a number.", start);
    }

    /// <summary>Digits where a date has them: <c>(0.0,-5,-12)</c> has dashes at the same places.</summary>
    private static bool StartsDate(ReadOnlySpan<char> text) =>
        text.Length >= 10 && text[4] == '-' && text[7] == '-'
        && !text[..4].ContainsAnyExceptInRange('0', '9') && !text[5..7].ContainsAnyExceptInRange('0', '9') && !text[8..10].ContainsAnyExceptInRange('0', '9');

    private static Instant InstantOf(string value, int position) =>
        QueryTime.Instant(value) ?? throw new QuerySyntaxException($"'{value}' is not a date.", position);

    private static Duration DurationOf(string value, int position) =>
        QueryTime.Duration(value) ?? throw new QuerySyntaxException($"'{value}' is not a duration.", position);
}
