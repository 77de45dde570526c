using Muster.Core.Status;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>Something a partition is told (DESIGN.md, promise 4). Applied in the order of arrival; done when it is durable and published.</summary>
internal abstract class PartitionFact
{
    private readonly TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Faults with DatabaseAwayException, PresenceBusyException or DeviceGoneException when nothing was taken.</summary>
    public Task Done => done.Task;

    /// <summary>Facts read from the database are applied apart from those of devices: see <see cref="InputsFact.PrepareAsync"/>.</summary>
    public virtual bool IsRead => false;

    /// <summary>What must be asked of the database within the turn.</summary>
    public virtual ValueTask PrepareAsync(Partition partition, PresenceReader reader) => ValueTask.CompletedTask;

    public abstract void Apply(PartitionTurn turn);

    public void Complete() => done.TrySetResult();

    public virtual void Fail(Partition partition, Exception reason) => done.TrySetException(reason);
}

/// <summary>A contact that changes something: it activates the device, or its heartbeat was not online.</summary>
internal sealed class ContactFact(DeviceSlot slot, bool IsPoll, string cause) : PartitionFact
{
    public bool Activated { get; private set; }

    public override void Apply(PartitionTurn turn)
    {
        _ = turn.Device(slot);
        Activated = turn.Contact(slot.Row, IsPoll, cause);
    }

    /// <summary>A contact is never refused; what it means is settled when the database is back.</summary>
    public override void Fail(Partition partition, Exception reason)
    {
        if (reason is not DeviceGoneException)
            partition.LeaveUnsettled(slot);
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
        var merged = ReportMerge.Apply(device.Reported, report, device.TargetReleaseId, turn.At);
        if (merged.After != device.Reported || merged.InstallChanges.Length > 0)
            turn.Put(slot.Row, device with { Reported = merged.After }, "report", installs: merged.InstallChanges);
    }
}

/// <summary>A tunnel of the device came up or went down at a service instance.</summary>
internal sealed class CloudlinkFact(DeviceSlot slot, long instance, bool connected, long epoch) : PartitionFact
{
    private const string Cause = "cloudlink";

    public bool Activated { get; private set; }

    public override void Apply(PartitionTurn turn)
    {
        var device = turn.Device(slot);
        // The newest session is the device's; news of an older one, or of one that moved elsewhere, says nothing about it.
        if (epoch < device.CloudlinkEpoch || (!connected && device.ServiceInstanceId != instance))
            return;
        Activated = turn.Contact(slot.Row, isPoll: false, Cause);
        turn.Put(slot.Row, turn.Device(slot) with
        {
            CloudlinkConnected = connected,
            CloudlinkChangedAt = turn.At,
            ConnectivityChangedAt = turn.At,
            ServiceInstanceId = connected ? instance : null,
            CloudlinkEpoch = epoch,
        }, Cause);
    }
}

/// <summary>A service instance has been silent for too long: its sessions have ended.</summary>
internal sealed class InstanceLostFact(long instance) : PartitionFact
{
    public override void Apply(PartitionTurn turn)
    {
        for (var row = 0; row < turn.Partition.Rows; row++)
        {
            if (turn.Device(row) is { CloudlinkConnected: true } device && device.ServiceInstanceId == instance)
            {
                turn.Put(row, device with { CloudlinkConnected = false, CloudlinkChangedAt = turn.At, ConnectivityChangedAt = turn.At, ServiceInstanceId = null },
                    "service-instance-lost");
            }
        }
    }
}

/// <summary>Inputs of a device as read after they changed: it is added, brought up to date, or (null) removed.</summary>
internal sealed class InputsFact(long id, DeviceRow? read, FleetRow? fleet, string cause) : PartitionFact
{
    private DeviceRow? read = read;

    /// <summary>Whether the organization's allowance must be looked at again.</summary>
    public bool Counts { get; private set; }

    public override bool IsRead => true;

    /// <summary>
    /// Activity is written by people and by the device's first contact. Where what was read differs from memory, it may
    /// be older than a contact since; within the turn nobody else writes, so it is read again.
    /// </summary>
    public override async ValueTask PrepareAsync(Partition partition, PresenceReader reader)
    {
        if (read is not null && partition.Find(id) is var row and >= 0
            && partition.Chunk(row).State[row % DeviceChunk.Rows] is { } device && device.IsActive != read.State.IsActive)
            read = await reader.DevicesAsync([id]) is [var now] ? now : null;
    }

    public override void Apply(PartitionTurn turn)
    {
        var row = turn.Partition.Find(id);
        if (read is null)
        {
            if (row >= 0)
                Remove(turn, row);
            return;
        }

        if (row < 0)
            row = Add(turn);
        else
            turn.Partition.SetKeys(row, read);
        turn.Partition.ForgetTarget(row);
        var before = turn.Device(row)!;
        var after = DeviceRules.WithInputs(before, read, fleet, turn.Options);
        Counts |= before.IsActive != after.IsActive || before.FleetId != after.FleetId;
        turn.Put(row, after, cause);
    }

    private int Add(PartitionTurn turn)
    {
        Counts = true;
        var slot = turn.Partition.Add(read!, turn.Clock.Now);
        turn.Memory.Enter(read!.State.Uuid, slot);
        turn.Appoint(slot.Row, read.State);
        return slot.Row;
    }

    private void Remove(PartitionTurn turn, int row)
    {
        Counts = true;
        turn.Memory.Leave(turn.Device(row)!.Uuid);
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

/// <summary>A commit's outcome was unknown: what stands on record is the truth. Writes nothing.</summary>
internal sealed class ReloadFact(DeviceRow read, FleetRow? fleet) : PartitionFact
{
    public override bool IsRead => true;

    public override void Apply(PartitionTurn turn)
    {
        if (turn.Partition.Find(read.State.Id) is var row and >= 0)
            turn.Partition.Replace(row, DeviceRules.WithInputs(read.State, read, fleet, turn.Options));
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

/// <summary>Runs the rule again over what was loaded: an input may have changed while nobody told us.</summary>
internal sealed class RejudgeFact(DeviceSlot slot, DeviceState loaded, string cause) : PartitionFact
{
    public override void Apply(PartitionTurn turn)
    {
        _ = turn.Device(slot);
        turn.Put(slot.Row, loaded, cause);
    }
}
