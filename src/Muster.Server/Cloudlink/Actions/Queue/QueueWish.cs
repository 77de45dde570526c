using System.Globalization;
using System.Text.Json;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>The caller's wish that a call waits for devices that are away.</summary>
/// <param name="ExpiresIn">Null: the server's usual.</param>
/// <param name="Key">The request's <c>Idempotency-Key</c>.</param>
internal sealed record QueueWish(TimeSpan? ExpiresIn, string? Key)
{
    private const string Queue = "muster_queue";
    private const string Expiry = "muster_expires_in";
    private const int LongestExpiry = 30 * 24 * 3600;
    private const int LongestKey = 200;

    /// <summary>Each in the query string, or in the body beside the filter.</summary>
    /// <param name="wish">Null when the call is not to wait.</param>
    /// <param name="refusal">Why not, in words; null when there are none.</param>
    public static bool TryRead(HttpRequest request, JsonElement body, out QueueWish? wish, out string? refusal)
    {
        (wish, refusal) = (null, null);
        var key = request.Headers["Idempotency-Key"] is [{ Length: > 0 } given, ..] ? given : null;
        if (Text(request, body, Queue) is not (null or "true" or "false"))
            refusal = $"{Queue} must be true or false";
        else if (Text(request, body, Queue) is not "true")
            return true;
        else if (!TryExpiry(Text(request, body, Expiry), out var expiry))
            refusal = $"{Expiry} must be a number of seconds from 1 to {LongestExpiry}";
        else if (key is not null && (key.Length > LongestKey || key.Any(char.IsControl)))
            refusal = $"Idempotency-Key has at most {LongestKey} characters";
        else
            wish = new(expiry, key);
        return refusal is null;
    }

    private static bool TryExpiry(string? text, out TimeSpan? expiry)
    {
        expiry = null;
        if (text is null)
            return true;
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) || seconds is < 1 or > LongestExpiry)
            return false;
        expiry = TimeSpan.FromSeconds(seconds);
        return true;
    }

    private static string? Text(HttpRequest request, JsonElement body, string name)
    {
        if (request.Query.TryGetValue(name, out var query))
            return query.ToString();
        return body.TryGetProperty(name, out var value) && value.ValueKind is not JsonValueKind.Null
            ? value.ValueKind is JsonValueKind.String ? value.GetString() : value.GetRawText()
            : null;
    }
}
