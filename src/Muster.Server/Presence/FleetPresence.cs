using Muster.Core.Status;

namespace Muster.Server.Presence;

/// <summary>
/// The face of presence on this node: devices, people's writes and tunnels tell it facts; its partitions are the only
/// writers of links, reported state and status (DESIGN.md, promise 4).
/// </summary>
public sealed class FleetPresence
{
    /// <summary>Finds a device and checks its key, without the database. Constant-time in the key.</summary>
    public DeviceAuth Authenticate(ReadOnlySpan<char> uuid, ReadOnlySpan<char> key, out DeviceSlot slot) => throw new NotImplementedException();

    /// <summary>Finds a device by uuid; false when it is not on record.</summary>
    public bool TryFind(ReadOnlySpan<char> uuid, out DeviceSlot slot) => throw new NotImplementedException();

    public long DeviceId(DeviceSlot slot) => throw new NotImplementedException();

    public long FleetId(DeviceSlot slot) => throw new NotImplementedException();

    public bool IsFrozen(DeviceSlot slot) => throw new NotImplementedException();

    /// <summary>
    /// A poll of the target state with the device's own key. One memory write when the heartbeat is online already;
    /// else the task completes when the next read shows it online (or after a short wait while the database is away).
    /// </summary>
    public ValueTask PolledAsync(DeviceSlot slot) => throw new NotImplementedException();

    /// <summary>Any other contact. Completes at once unless it activates an inactive device.</summary>
    public ValueTask ContactAsync(DeviceSlot slot, ContactKind kind) => throw new NotImplementedException();

    /// <summary>A state report: durable, and visible in the next read, when the task completes. Counts as contact.</summary>
    /// <exception cref="Storage.DatabaseAwayException">Nothing was acknowledged; answer 503.</exception>
    /// <exception cref="PresenceBusyException">Too many reports are waiting; answer 503.</exception>
    /// <param name="isContact">False when a person's key sent the report in the device's place: then it is no sign of life.</param>
    public Task ReportAsync(DeviceSlot slot, StateReport report, CancellationToken cancellation, bool isContact = true) => throw new NotImplementedException();

    /// <summary>The version (ETag text) of the target state last composed for the device and API version (2 or 3), or null when it must be composed anew.</summary>
    public string? TargetVersion(DeviceSlot slot, int api) => throw new NotImplementedException();

    /// <summary>Ticket to hand back to <see cref="SetTargetVersion"/>: taken before composing, it is stale when an input changed meanwhile.</summary>
    public int TargetTicket(DeviceSlot slot) => throw new NotImplementedException();

    /// <summary>Remembers what was composed, unless an input changed since the ticket was taken.</summary>
    public void SetTargetVersion(DeviceSlot slot, int api, string version, int ticket) => throw new NotImplementedException();

    /// <summary>Moves whenever <see cref="ChangedAsync"/> named the fleet: what was read of its rows before is stale after.</summary>
    public int FleetTicket(long fleetId) => throw new NotImplementedException();

    /// <summary>
    /// Told after a committed write of something the status or the target state reads. When the task completes,
    /// the next read shows the consequences. A lost telling heals at the next start.
    /// </summary>
    public Task ChangedAsync(InputChange change, CancellationToken cancellation = default) => throw new NotImplementedException();

    /// <summary>A device got a further key, or lost its keys; re-reads them.</summary>
    public Task KeysChangedAsync(long deviceId) => throw new NotImplementedException();

    /// <summary>Cloudlink session events of one service instance. Unknown uuids are passed over.</summary>
    /// <param name="epoch">The instance's epoch; an event of an older session never overrides a newer one.</param>
    public Task CloudlinkAsync(long serviceInstanceId, IReadOnlyCollection<string> uuids, bool connected, long epoch, CancellationToken cancellation) => throw new NotImplementedException();

    /// <summary>A service instance is alive. After 60 s without this its sessions end.</summary>
    public Task ServiceInstanceAliveAsync(long serviceInstanceId) => throw new NotImplementedException();

    /// <summary>What the device's status rests on; null when it was removed.</summary>
    public DeviceEvidence? Evidence(DeviceSlot slot) => throw new NotImplementedException();
}

/// <summary>A bound was reached; nothing was taken. To a caller over HTTP this is 503.</summary>
public sealed class PresenceBusyException(string message) : Exception(message);
