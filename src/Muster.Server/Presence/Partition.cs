using System.Collections.Concurrent;
using Muster.Core.Presence;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// One of 1,024 slices of all devices, by id: its columns, its timing wheel and the facts that wait for it. Rows are
/// added, removed and given new states by its grain only; everything else reads, or writes contacts.
/// </summary>
internal sealed class Partition(int index)
{
    public const int Count = 1024;

    /// <summary>A row is not given away sooner, ms: no request that began with its former device runs that long unnoticed.</summary>
    private const long Quarantine = 60_000;

    private readonly Queue<(int Row, long FreedAt)> freed = new();
    private volatile DeviceChunk[] chunks = [];
    private int rows;
    private int draining;
    private long nextDue = long.MaxValue;

    public int Index { get; } = index;

    public ConcurrentQueue<PartitionFact> Inbox { get; } = new();

    /// <summary>Appointments of rows, on the observer clock.</summary>
    public TimingWheel Wheel { get; private set; } = new(0, 250);

    /// <summary>Rows in use and rows between them.</summary>
    public int Rows => Volatile.Read(ref rows);

    /// <summary>When the wheel may have something due, on the observer clock; <see cref="long.MaxValue"/> when never.</summary>
    public long NextDue
    {
        get => Volatile.Read(ref nextDue);
        set => Volatile.Write(ref nextDue, value);
    }

    /// <summary>Set when a contact was left unsettled; the next tick looks for it.</summary>
    public volatile bool HasUnsettled;

    /// <summary>Set while a tick waits in the inbox, so that a slow partition does not collect them.</summary>
    public volatile bool TickWaits;

    public static int Of(long deviceId) => (int)(deviceId % Count);

    /// <summary>True for the one caller who may drain the inbox now.</summary>
    public bool TryBeginDrain() => Interlocked.CompareExchange(ref draining, 1, 0) == 0;

    public void EndDrain() => Volatile.Write(ref draining, 0);

    public void StartClock(long now) => Wheel = new(now, 250);

    public DeviceChunk Chunk(int row) => chunks[row / DeviceChunk.Rows];

    public ReadOnlySpan<DeviceChunk> Chunks => chunks;

    /// <summary>The device of a slot; null when it was removed.</summary>
    public DeviceState? State(int row, uint generation)
    {
        var (chunk, i) = (Chunk(row), row % DeviceChunk.Rows);
        return Volatile.Read(ref chunk.Generation[i]) == generation ? Volatile.Read(ref chunk.State[i]) : null;
    }

    /// <summary>Row of a device, or -1.</summary>
    public int Find(long deviceId)
    {
        var all = chunks;
        for (var c = 0; c < all.Length; c++)
        {
            if (all[c].Ids.AsSpan().IndexOf(deviceId) is var i and >= 0)
                return (c * DeviceChunk.Rows) + i;
        }

        return -1;
    }

    /// <summary>Gives the device a row. By the grain only.</summary>
    /// <param name="observed">Now, on the observer clock.</param>
    public DeviceSlot Add(DeviceRow device, long observed)
    {
        int row;
        if (freed.TryPeek(out var oldest) && observed - oldest.FreedAt >= Quarantine)
        {
            freed.Dequeue();
            row = oldest.Row;
        }
        else
        {
            row = rows;
            if (row / DeviceChunk.Rows == chunks.Length)
                chunks = [.. chunks, new DeviceChunk()];
        }

        var (chunk, i) = (Chunk(row), row % DeviceChunk.Rows);
        chunk.LastPoll[i] = device.Contact.ObservedPoll ?? HeartbeatMachine.Never;
        chunk.LastContact[i] = device.Contact.ObservedContact ?? HeartbeatMachine.Never;
        chunk.LastPollAt[i] = device.Contact.LastPollAt ?? 0;
        chunk.LastContactAt[i] = device.Contact.LastContactAt ?? 0;
        chunk.KnownInterval[i] = (int)(device.Contact.PollInterval ?? 0);
        SetKeys(row, device);
        chunk.Ids[i] = device.State.Id;
        Volatile.Write(ref chunk.State[i], device.State);
        if (row == rows)
            Volatile.Write(ref rows, row + 1);
        return new(Index, row, chunk.Generation[i]);
    }

    /// <summary>Takes the device's row away. By the grain only.</summary>
    public void Remove(int row, long observed)
    {
        var (chunk, i) = (Chunk(row), row % DeviceChunk.Rows);
        Volatile.Write(ref chunk.Generation[i], chunk.Generation[i] + 1);
        Volatile.Write(ref chunk.State[i], null);
        chunk.Ids[i] = 0;
        chunk.Dirty[i] = chunk.Unsettled[i] = 0;
        chunk.Address[i] = chunk.Address6[i] = 0;
        chunk.Key(i).Clear();
        chunk.MoreKeys[i] = null;
        ForgetTarget(row);
        Wheel.Cancel(row);
        freed.Enqueue((row, observed));
    }

    /// <summary>Publishes what stands on record. By the grain only.</summary>
    public void Replace(int row, DeviceState state) => Volatile.Write(ref Chunk(row).State[row % DeviceChunk.Rows], state);

    /// <summary>A contact's consequence could not be committed; the next tick tries again.</summary>
    public void LeaveUnsettled(DeviceSlot slot, bool isPoll)
    {
        ref var mark = ref Chunk(slot.Row).Unsettled[slot.Row % DeviceChunk.Rows];
        if (isPoll)
            Volatile.Write(ref mark, DeviceChunk.UnsettledPoll);
        else
            Interlocked.CompareExchange(ref mark, DeviceChunk.UnsettledContact, DeviceChunk.Settled);
        HasUnsettled = true;
    }

    /// <summary>By the grain only.</summary>
    public void SetKeys(int row, DeviceRow device)
    {
        var (chunk, i) = (Chunk(row), row % DeviceChunk.Rows);
        var first = device.Keys.FirstOrDefault(k => k.ExpiresAt is null);
        if (first is null)
            chunk.Key(i).Clear();
        else
            first.Hash.CopyTo(chunk.Key(i));
        var more = device.Keys.Where(k => k != first).ToArray();
        Volatile.Write(ref chunk.MoreKeys[i], more.Length == 0 ? null : more);
    }

    /// <summary>An input of the target state changed: what was composed, or is being composed, is stale.</summary>
    public void ForgetTarget(int row)
    {
        var (chunk, i) = (Chunk(row), row % DeviceChunk.Rows);
        lock (chunk)
        {
            chunk.TargetTicket[i]++;
            chunk.TargetV2[i] = chunk.TargetV3[i] = null;
        }
    }

    /// <summary>Makes the appointment at which silence may change the heartbeat next. By the grain only.</summary>
    public void Appoint(int row, DeviceState device, PresenceOptions options, in ObserverClock clock)
    {
        var outlook = DeviceRules.AfterSilence(device, Chunk(row).Times(row % DeviceChunk.Rows), options, clock);
        // What silence has done already is noticed with the next tick, and not at an appointment of former times.
        if (outlook.State != device.Heartbeat)
            Schedule(row, clock.Now);
        else if (outlook.ChangesAt is { } changes)
            Schedule(row, changes);
    }

    /// <summary>An appointment at an instant on the observer clock. By the grain only.</summary>
    public void Schedule(int row, long at)
    {
        Wheel.Schedule(row, at);
        if (at < NextDue)
            NextDue = at;
    }
}
