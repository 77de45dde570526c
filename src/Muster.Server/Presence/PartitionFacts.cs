using Muster.Core.Status;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>Something a partition is told (docs/design.md, promise 4). Applied in the order of arrival; done when it is durable and published.</summary>
internal abstract class PartitionFact
{
    private readonly TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Faults with DatabaseAwayException, PresenceBusyException or DeviceGoneException when nothing was taken.</summary>
    public Task Done => done.Task;

    public abstract void Apply(PartitionTurn turn);

    public void Complete() => done.TrySetResult();

    public virtual void Fail(Partition partition, Exception reason) => done.TrySetException(reason);
}

/// <summary>A contact that changes something: it activates the device, or its heartbeat was not online.</summary>
internal sealed class ContactFact(DeviceSlot slot, bool isPoll, string cause) : PartitionFact
{
    public bool Activated { get; private set; }

    public override void Apply(PartitionTurn turn)
    {
        _ = turn.Device(slot);
        Activated = turn.Contact(slot.Row, isPoll, cause);
    }

    /// <summary>A contact is never refused; what it means is settled when the database is back.</summary>
    public override void Fail(Partition partition, Exception reason)
    {
        if (reason is not DeviceGoneException)
            partition.LeaveUnsettled(slot, isPoll);
        base.Fail(partition, reason);
    }
}

internal sealed class ReportFact(DeviceSlot slot, StateReport report, bool isContact) : PartitionFact
{
    public bool Activated { get; private set; }

    public override void Apply(PartitionTurn turn)
    {
        _ = turn.Device(slot);
        if (isContact)
            Activated = turn.Contact(slot.Row, isPoll: false, "report");
        var device = turn.Device(slot);
        // The device was moved while its report was looked up: what it says of releases is of its former fleet.
        var said = report.OfFleet is { } fleet && fleet != device.FleetId ? report.WithoutReleases() : report;
        var merged = ReportMerge.Apply(device.Reported, said, device.TargetReleaseId, turn.At);
        if (merged.After != device.Reported || merged.InstallChanges.Length > 0)
            turn.Put(slot.Row, device with { Reported = merged.After }, "report", installs: merged.InstallChanges);
    }
}

/// <summary>A tunnel of the device came up or went down at a service instance.</summary>
/// <param name="isContact">Whether the device is heard with it just now.</param>
internal sealed class CloudlinkFact(DeviceSlot slot, long instance, bool connected, long epoch, bool isContact) : PartitionFact
{
    private const string Cause = "cloudlink";

    public bool Activated { get; private set; }

    public override void Apply(PartitionTurn turn)
    {
        var device = turn.Device(slot);
        // News of an older life of the instance comes too late.
        if (device.ServiceInstanceId == instance ? epoch < device.CloudlinkEpoch : device.Elsewhere.At(instance) is { } held ? epoch < held.Epoch : !connected)
            return;
        // A device with a tunnel is active, whenever it was that it was heard.
        if (isContact || (connected && !device.IsActive))
            Activated = turn.Contact(slot.Row, isPoll: false, Cause);
        turn.Put(slot.Row, connected ? Connected(turn) : DeviceTunnels.WithoutInstance(turn.Device(slot), instance, turn.At), Cause);
    }

    /// <summary>The newest session is the device's; the one that it had elsewhere is kept until its end is told.</summary>
    private DeviceState Connected(PartitionTurn turn)
    {
        var device = turn.Device(slot);
        var elsewhere = device.Elsewhere.Without(instance);
        if (device is { CloudlinkConnected: true, ServiceInstanceId: { } before } && before != instance)
            elsewhere = elsewhere.With(new(before, device.CloudlinkEpoch));
        var next = device with { CloudlinkConnected = true, ServiceInstanceId = instance, CloudlinkEpoch = epoch, Elsewhere = elsewhere };
        // With a newer epoch it is the link that was held all the time: a session came back while it was awaited.
        return device.CloudlinkConnected && device.ServiceInstanceId == instance && epoch != device.CloudlinkEpoch
            ? next
            : next with { CloudlinkChangedAt = turn.At, ConnectivityChangedAt = turn.At };
    }
}

/// <summary>A service instance has been silent for too long: its sessions have ended.</summary>
internal sealed class InstanceLostFact(long instance) : PartitionFact
{
    public override void Apply(PartitionTurn turn)
    {
        for (var row = 0; row < turn.Partition.Rows; row++)
        {
            if (turn.Device(row) is { CloudlinkConnected: true } device)
                turn.Put(row, DeviceTunnels.WithoutInstance(device, instance, turn.At), "service-instance-lost");
        }
    }
}

/// <summary>
/// Something about the device may have changed on record: it is read within the turn, in which nobody else writes what
/// the partition owns, and so cannot be older than anything in memory. It is added, brought up to date, or removed.
/// </summary>
/// <param name="cause">For the history; null when only memory is to follow the record, and the rule waits.</param>
internal sealed class ReadFact(long deviceId, string? cause) : PartitionFact
{
    public long DeviceId { get; } = deviceId;

    /// <summary>What stands on record; null when the device is gone. Set before the fact is applied.</summary>
    public DeviceRow? Read { get; set; }

    /// <summary>Fleets in whose organizations the number of active devices may have changed.</summary>
    public HashSet<long> Counted { get; } = [];

    public override void Apply(PartitionTurn turn)
    {
        var row = turn.Partition.Find(DeviceId);
        // Before the new inputs are there: a poll that is answered with the old version knows the old interval.
        if (row >= 0)
            turn.Partition.ForgetTarget(row);
        if (Read is null)
        {
            if (row >= 0)
                Remove(turn, row);
            return;
        }

        var recorded = DeviceRules.Recorded(Read, turn.Memory.Fleets.GetValueOrDefault(Read.State.FleetId), turn.Options);
        if (row < 0)
            row = Add(turn, recorded);
        else
            Refresh(turn, row, recorded);
        if (cause is null)
            return;
        var today = DeviceRules.Today(recorded, turn.At);
        turn.Put(row, today, cause, today.IsActive == recorded.IsActive ? DeviceColumns.None : DeviceColumns.Activation);
    }

    private int Add(PartitionTurn turn, DeviceState recorded)
    {
        Counted.Add(recorded.FleetId);
        var slot = turn.Partition.Add(Read! with { State = recorded }, turn.Clock.Now);
        turn.Memory.Enter(recorded.Uuid, slot);
        turn.Appoint(slot.Row, recorded);
        return slot.Row;
    }

    private void Refresh(PartitionTurn turn, int row, DeviceState recorded)
    {
        var before = turn.Device(row)!;
        if (before.IsActive != recorded.IsActive || before.FleetId != recorded.FleetId)
            Counted.UnionWith([before.FleetId, recorded.FleetId]);
        turn.Partition.SetKeys(row, Read!);
        turn.Refresh(row, recorded, cause);
    }

    private void Remove(PartitionTurn turn, int row)
    {
        var device = turn.Device(row)!;
        Counted.Add(device.FleetId);
        turn.Memory.Leave(device.Uuid);
        turn.Memory.Twins.Forget(device.Id);
        turn.Partition.Remove(row, turn.Clock.Now);
    }
}

/// <summary>The organization's allowance gave or took the device's place.</summary>
internal sealed class FrozenFact(long id, bool frozen) : PartitionFact
{
    public override void Apply(PartitionTurn turn)
    {
        if (turn.Partition.Find(id) is var row and >= 0 && turn.Device(row) is { } device && device.IsFrozen != frozen)
            turn.Put(row, device with { IsFrozen = frozen }, "allowance", DeviceColumns.Frozen);
    }
}

/// <summary>Appointments may have come, or contacts wait to be settled.</summary>
internal sealed class TickFact : PartitionFact
{
    public override void Apply(PartitionTurn turn)
    {
        turn.Partition.TickWaits = false;
        if (turn.Partition.HasUnsettled)
            turn.Settle();
        turn.LookAtSilence();
    }

    public override void Fail(Partition partition, Exception reason)
    {
        partition.TickWaits = false;
        base.Fail(partition, reason);
    }
}
