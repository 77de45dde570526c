using System.Text.Json;
using Muster.Core.Access;
using Muster.Core.Health;
using Muster.Server.Devices.Logs;
using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Insight;

/// <summary>Answer of <c>GET /muster/v1/devices/{uuid}/health</c>.</summary>
/// <param name="Level">The worst of the checks: ok, warn, fail, unknown.</param>
public sealed record DeviceHealthReport(string Uuid, string Level, IReadOnlyList<DeviceHealthCheck> Checks, DateTimeOffset Now);

/// <summary>One check; <paramref name="Advice"/> is null when there is nothing to do.</summary>
public sealed record DeviceHealthCheck(string Name, string Level, string Sentence, string? Advice);

/// <summary>The checks of a device's health over what is on record here; the device itself is not asked.</summary>
internal sealed class DeviceHealth(FleetPresence presence, Sight sight, ResourceAccess resources, TransitionHistory history, UpdateTroubles troubles, DeviceClock clock, TimeProvider time)
{
    private const long Hour = 3_600_000;

    /// <summary>Enough to tell a flickering status from a quiet one.</summary>
    private const int MostTransitions = 1_000;

    /// <summary>Null when there is no such device, or it is not the caller's to see.</summary>
    public async Task<DeviceHealthReport?> ReadAsync(Caller caller, string uuid, CancellationToken cancellation = default)
    {
        if (!presence.TryFind(uuid, out var slot)
            || presence.Evidence(slot) is not { } evidence
            || !await sight.CanSeeAsync(caller, evidence.FleetId, evidence.DeviceId, cancellation))
            return null;
        var now = time.GetUtcNow();
        var at = now.ToUnixTimeMilliseconds();
        var rows = await resources.ReadAsync(
            caller,
            $"device({evidence.DeviceId})?$select=memory_usage,memory_total,storage_usage,storage_total,cpu_temp,is_undervolted,supervisor_version,os_version",
            cancellation);
        if (rows is not [var row])
            return null;
        var transitions = await history.OfDeviceAsync(evidence.DeviceId, at - Hour, at + 1, default, MostTransitions, cancellation);
        var checks = HealthRule.Of(new()
        {
            Now = at,
            Facts = evidence.Facts,
            LastPollAt = evidence.LastPollAt,
            CloudlinkSince = evidence.CloudlinkSince,
            UpdateStatus = evidence.UpdateStatus,
            UpdateStatusSince = evidence.UpdateStatusSince,
            UpdateMovedAt = evidence.UpdateMovedAt,
            UpdateSign = await troubles.SignAsync(evidence, cancellation),
            RunningReleaseId = evidence.RunningReleaseId,
            Twin = evidence.Twin,
            ClockAhead = await clock.AheadAsync(evidence.DeviceId, at - Hour, cancellation),
            LastLogAt = await clock.LastLineAsync(evidence.DeviceId, cancellation),
            MemoryUsed = Number(row, "memory_usage"),
            MemoryTotal = Number(row, "memory_total"),
            StorageUsed = Number(row, "storage_usage"),
            StorageTotal = Number(row, "storage_total"),
            Temperature = Number(row, "cpu_temp"),
            IsUndervolted = row.GetProperty("is_undervolted").ValueKind is JsonValueKind.True,
            ChangesWithinHour = transitions.Count(t => t.Fact == "overall_status"),
            SupervisorVersion = row.GetProperty("supervisor_version").GetString(),
            OsVersion = row.GetProperty("os_version").GetString(),
        });
        return new(evidence.Uuid, HealthRule.Overall(checks).Word(), [.. checks.Select(c => new DeviceHealthCheck(c.Name, c.Level.Word(), c.Sentence, c.Advice))], now);
    }

    private static long? Number(JsonElement row, string field) => row.GetProperty(field) is { ValueKind: JsonValueKind.Number } value ? value.GetInt64() : null;
}
