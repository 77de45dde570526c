using System.Buffers;
using System.Text.Json;

namespace Muster.Server.Devices.Logs;

/// <summary>One line of a device's log. Instants in Unix milliseconds.</summary>
/// <param name="At">By the device's clock.</param>
/// <param name="ReceivedAt">By ours.</param>
/// <param name="ServiceId">Null for the supervisor's own lines.</param>
internal sealed record LogLine(long At, long ReceivedAt, long? ServiceId, bool IsSystem, bool IsStdErr, string Message)
{
    /// <summary>What a supervisor sends at most in one line.</summary>
    private const int MaxMessage = 10_000;

    /// <summary>Null when it is no line: no object, or without a message and an instant.</summary>
    public static LogLine? Parse(JsonElement json, long receivedAt)
    {
        if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("message", out var message) || message.ValueKind != JsonValueKind.String)
            return null;
        if (!json.TryGetProperty("timestamp", out var timestamp) || timestamp.ValueKind != JsonValueKind.Number || !timestamp.TryGetDouble(out var at) || at is < 0 or > 253_402_300_799_999)
            return null;
        long? serviceId = json.TryGetProperty("serviceId", out var service) && service.ValueKind == JsonValueKind.Number && service.TryGetInt64(out var id) ? id : null;
        var text = message.GetString()!;
        if (text.Contains('\0', StringComparison.Ordinal))
            text = text.Replace("\0", "", StringComparison.Ordinal);
        return new((long)at, receivedAt, serviceId, IsTrue(json, "isSystem"), IsTrue(json, "isStdErr"), Reports.FieldLimits.Cut(text, MaxMessage));
    }

    /// <summary>A line of a dependent device; those are passed over (recordings, device-logs).</summary>
    public static bool IsOfDependent(JsonElement json) => json.ValueKind == JsonValueKind.Object && json.TryGetProperty("uuid", out _);

    /// <summary>As people and SDKs read it.</summary>
    public void WriteTo(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteNumber("createdAt"u8, ReceivedAt);
        json.WriteNumber("timestamp"u8, At);
        json.WriteBoolean("isSystem"u8, IsSystem);
        json.WriteBoolean("isStdErr"u8, IsStdErr);
        if (ServiceId is { } id)
            json.WriteNumber("serviceId"u8, id);
        json.WriteString("message"u8, Message);
        json.WriteEndObject();
    }

    /// <summary>As one line of NDJSON.</summary>
    public ReadOnlyMemory<byte> ToNdjson()
    {
        var buffer = new ArrayBufferWriter<byte>(128 + Message.Length);
        using (var json = new Utf8JsonWriter(buffer, LogJson.Writing))
            WriteTo(json);
        buffer.Write("\n"u8);
        return buffer.WrittenMemory;
    }

    private static bool IsTrue(JsonElement json, string name) => json.TryGetProperty(name, out var flag) && flag.ValueKind == JsonValueKind.True;
}

/// <summary>How logs are written as JSON: people's own words stay readable.</summary>
internal static class LogJson
{
    public static readonly JsonWriterOptions Writing = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
