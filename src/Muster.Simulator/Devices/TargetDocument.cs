using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace Muster.Simulator.Devices;

/// <param name="Signature">Everything that makes the container what it is; a change means a new container.</param>
/// <param name="Contract">Raw JSON, or null.</param>
public sealed record TargetService(string Name, string Image, string Signature, string? Contract)
{
    public long? ServiceId { get; init; }

    public long? ImageId { get; init; }
}

/// <summary>The fleet's app in a target state. Only the first release counts, as on a real device.</summary>
public sealed record TargetApp(string Uuid, string? Commit, ImmutableArray<TargetService> Services);

/// <summary>What the cloud wants of the device: body of <c>GET /device/v3/{uuid}/state</c>.</summary>
public sealed record TargetDocument(TargetApp? App, ImmutableDictionary<string, string> Config)
{
    /// <summary>Milliseconds; null when the configuration does not name a usable one.</summary>
    public long? PollInterval => long.TryParse(Setting("SUPERVISOR_POLL_INTERVAL"), CultureInfo.InvariantCulture, out var interval) && interval > 0 ? interval : null;

    public bool TunnelEnabled => Setting("SUPERVISOR_VPN_CONTROL") is not ("false" or "0" or "off");

    public bool InstantUpdates => Setting("SUPERVISOR_INSTANT_UPDATE_TRIGGER") is not ("false" or "0" or "off");

    public bool Metrics => Setting("SUPERVISOR_HARDWARE_METRICS") is not ("false" or "0" or "off");

    // On the device, BALENA_ wins over RESIN_.
    private string? Setting(string name) => Config.GetValueOrDefault($"BALENA_{name}") ?? Config.GetValueOrDefault($"RESIN_{name}");

    /// <summary>Null for a document that a device refuses as a whole (its own uuid is missing, or it is no such document).</summary>
    public static TargetDocument? Parse(string uuid, string body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            var own = document.RootElement.GetProperty(uuid);
            var config = own.GetProperty("config").EnumerateObject().ToImmutableDictionary(v => v.Name, v => v.Value.GetString() ?? "", StringComparer.Ordinal);
            TargetApp? app = null;
            foreach (var candidate in own.GetProperty("apps").EnumerateObject())
            {
                if (candidate.Value.TryGetProperty("is_host", out var host) && host.ValueKind == JsonValueKind.True)
                    continue;
                app ??= ReadApp(candidate);
            }

            return new(app, config);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }

    private static TargetApp ReadApp(JsonProperty app)
    {
        if (!app.Value.TryGetProperty("releases", out var releases))
            return new(app.Name, null, []);
        foreach (var release in releases.EnumerateObject())
        {
            var services = release.Value.GetProperty("services").EnumerateObject().Select(s => new TargetService(
                s.Name,
                s.Value.GetProperty("image").GetString() ?? "",
                string.Join('\n', Raw(s.Value, "image"), Raw(s.Value, "environment"), Raw(s.Value, "labels"), Raw(s.Value, "composition")),
                s.Value.TryGetProperty("contract", out var contract) && contract.ValueKind == JsonValueKind.Object ? contract.GetRawText() : null)
            { ServiceId = Number(s.Value, "id"), ImageId = Number(s.Value, "image_id") });
            return new(app.Name, release.Name, [.. services]);
        }

        return new(app.Name, null, []);
    }

    private static long? Number(JsonElement element, string property) =>
        element.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number : null;

    private static string? Raw(JsonElement element, string property) => element.TryGetProperty(property, out var value) ? value.GetRawText() : null;
}
