namespace Muster.Server.Presence;

/// <summary>Where a device stands in memory: its partition and its row there. Cheap to copy; valid until the device is removed.</summary>
public readonly record struct DeviceSlot(int Partition, int Row, uint Generation);

/// <summary>What kind of contact a device made. Only <see cref="Poll"/> makes the heartbeat online (docs/design.md, promise 5).</summary>
public enum ContactKind : byte { Poll, Report, Log, Tags, RegistryToken, Tunnel, Other }

/// <summary>How a device's credentials were judged.</summary>
public enum DeviceAuth : byte
{
    Ok,
    /// <summary>The uuid is not on record and never was.</summary>
    Unknown,
    /// <summary>The uuid belonged to a device that was deleted.</summary>
    Deleted,
    /// <summary>The device exists; the key is not one of its own.</summary>
    WrongKey,
    /// <summary>The key is right, the device is frozen.</summary>
    Frozen,
}

/// <summary>Devices, fleets or organizations of which something that the status or the target state reads has changed.</summary>
/// <param name="Devices">Re-read these devices (variables, pin, tags of the device, deactivation, move).</param>
/// <param name="Fleets">Re-read all devices of these fleets (fleet variables, target release, fleet type).</param>
/// <param name="Organizations">Re-compute allowance and plan of these organizations.</param>
/// <param name="Added">Devices whose rows were just inserted.</param>
/// <param name="Removed">Uuids and ids of devices whose rows were just deleted.</param>
/// <param name="Cause">A stable word for the history: "config-variable", "pin", "move", …</param>
public sealed record InputChange(string Cause)
{
    public IReadOnlyCollection<long> Devices { get; init; } = [];
    public IReadOnlyCollection<long> Fleets { get; init; } = [];
    public IReadOnlyCollection<long> Organizations { get; init; } = [];

    /// <summary>Fleets of which a release came, changed its status or went: what was looked up of their releases is stale, their devices are not.</summary>
    public IReadOnlyCollection<long> Releases { get; init; } = [];
    public IReadOnlyCollection<long> Added { get; init; } = [];
    public IReadOnlyCollection<(long Id, string Uuid)> Removed { get; init; } = [];
}
