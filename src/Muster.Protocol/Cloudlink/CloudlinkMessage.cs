using System.Text.Json;
using System.Text.Json.Serialization;

namespace Muster.Protocol.Cloudlink;

/// <summary>
/// A control message of the WebSocket cloudlink: one text message each way (docs/cloudlink.md). Binary messages carry the streams.
/// </summary>
public sealed record CloudlinkMessage
{
    /// <summary>Longest message, bytes.</summary>
    public const int MaxBytes = 4096;

    /// <summary>Server: the log-in is accepted.</summary>
    public const string Welcome = "welcome";

    /// <summary>Either: are you there? Answered with <see cref="Pong"/>.</summary>
    public const string Ping = "ping";

    public const string Pong = "pong";

    /// <summary>Either: the session ends, now and in order.</summary>
    public const string Goodbye = "goodbye";

    /// <summary>Types that the receiver does not know are passed over.</summary>
    [JsonPropertyName("type")] public required string Type { get; init; }

    /// <summary>Of a welcome: which session this is. The same as before when it was resumed.</summary>
    [JsonPropertyName("session")] public string? Session { get; init; }

    /// <summary>Of a welcome: shown at the next log-in, once, it continues the session. A secret.</summary>
    [JsonPropertyName("resume")] public string? Resume { get; init; }

    /// <summary>Of a welcome: after so many seconds in which nothing was heard, either side asks.</summary>
    [JsonPropertyName("ping")] public double? PingSeconds { get; init; }

    /// <summary>Of a welcome: after so many seconds in which nothing was heard, either side takes the other for gone.</summary>
    [JsonPropertyName("keepalive")] public double? KeepaliveSeconds { get; init; }

    /// <summary>Of a goodbye: a word that says why.</summary>
    [JsonPropertyName("reason")] public string? Reason { get; init; }

    /// <summary>Of a server's goodbye: come back at a random instant within so many seconds.</summary>
    [JsonPropertyName("within")] public double? WithinSeconds { get; init; }

    /// <summary>Reads one message; false when it is none.</summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8, out CloudlinkMessage message)
    {
        message = null!;
        if (utf8.Length > MaxBytes)
            return false;
        try
        {
            message = JsonSerializer.Deserialize(utf8, CloudlinkJson.Default.CloudlinkMessage)!;
            return message is { Type.Length: > 0 } && IsSpan(message.PingSeconds) && IsSpan(message.KeepaliveSeconds) && IsSpan(message.WithinSeconds)
                && (message.Type != Welcome || message is { Session.Length: > 0, PingSeconds: > 0, KeepaliveSeconds: > 0 });
        }
        catch (JsonException)
        {
            return false;
        }
    }

    public byte[] ToUtf8() => JsonSerializer.SerializeToUtf8Bytes(this, CloudlinkJson.Default.CloudlinkMessage);

    /// <summary>Absent, or a length of time up to a day.</summary>
    private static bool IsSpan(double? seconds) => seconds is null or (>= 0 and <= 86_400);
}

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CloudlinkMessage))]
internal sealed partial class CloudlinkJson : JsonSerializerContext;
