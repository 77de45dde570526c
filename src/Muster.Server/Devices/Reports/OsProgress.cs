using System.Buffers;
using System.Text.Json;
using Muster.Server.Presence;

namespace Muster.Server.Devices.Reports;

/// <summary>
/// What the OS's own tools say of an installation or an update: <c>PATCH /v6/device(uuid='…')</c> with provisioning_progress,
/// provisioning_state and status, form-encoded, by the device's key or a provisioning key (docs/device-protocol.md,
/// "OS installs and updates"). The resource endpoint hands the fields over; here they become a report.
/// </summary>
public sealed class OsProgress(FleetPresence presence)
{
    private static readonly string[] Numbers =
    [
        "provisioning_progress", "download_progress", "api_port", "memory_usage", "memory_total", "storage_usage", "storage_total", "cpu_usage", "cpu_temp",
    ];

    /// <summary>What is wrong with the fields, whichever device they are of: the sentence for a 400; null when nothing is.</summary>
    public static string? Problem(IReadOnlyDictionary<string, JsonElement> fields)
    {
        var parsed = StateReportParser.ParseV3(Body("any", fields));
        return parsed.Verdict == ReportVerdict.Ok ? null : parsed.Problem;
    }

    /// <summary>Durable, and visible in the next read, when the task completes.</summary>
    /// <param name="fields">Reported fields by their wire names. A form's values are texts: numbers in them are taken as numbers, "" as null.</param>
    /// <param name="isContact">Whether the device itself made the request, with whichever key.</param>
    /// <returns>Null, or the sentence for a 400; nothing was written then.</returns>
    /// <exception cref="Storage.DatabaseAwayException">Answer 503.</exception>
    /// <exception cref="PresenceBusyException">Answer 503.</exception>
    public async Task<string?> ReportAsync(string uuid, IReadOnlyDictionary<string, JsonElement> fields, bool isContact, CancellationToken cancellation)
    {
        if (!presence.TryFind(uuid, out var slot))
            return "The device is not on record.";
        var parsed = StateReportParser.ParseV3(Body(uuid, fields));
        if (parsed.Verdict != ReportVerdict.Ok)
            return parsed.Problem;
        await presence.ReportAsync(slot, parsed.Fields, cancellation, isContact);
        return null;
    }

    private static ReadOnlySpan<byte> Body(string uuid, IReadOnlyDictionary<string, JsonElement> fields)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteStartObject(uuid);
        foreach (var (name, value) in fields)
        {
            json.WritePropertyName(name);
            if (value.ValueKind != JsonValueKind.String || !Numbers.Contains(name, StringComparer.Ordinal))
                value.WriteTo(json);
            else if (int.TryParse(value.GetString(), System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out var number))
                json.WriteNumberValue(number);
            else if (value.ValueEquals(""u8))
                json.WriteNullValue();
            else
                value.WriteTo(json);
        }

        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan;
    }
}
