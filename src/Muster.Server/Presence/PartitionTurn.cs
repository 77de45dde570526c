using System.Runtime.InteropServices;
using Muster.Core.Presence;
using Muster.Core.Status;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// What one turn of a partition makes of the facts that it took: new states beside the published ones, until the
/// committer has made them durable. By the grain only.
/// </summary>
internal sealed class PartitionTurn(Partition partition, FleetMemory memory, ObserverClock clock, long at, PresenceOptions options)
{
    private readonly Dictionary<int, Draft> drafts = [];
    private readonly List<int> expired = [];

    public Partition Partition { get; } = partition;

    public FleetMemory Memory { get; } = memory;

    public PresenceOptions Options { get; } = options;

    public ObserverClock Clock { get; } = clock;

    /// <summary>Unix ms, of all that happens in this turn.</summary>
    public long At { get; } = at;

    /// <summary>The device of a slot, as this turn has left it so far.</summary>
    /// <exception cref="DeviceGoneException">It was removed.</exception>
    public DeviceState Device(DeviceSlot slot) =>
        Partition.State(slot.Row, slot.Generation) is null ? throw new DeviceGoneException() : Device(slot.Row)!;

    public DeviceState? Device(int row) =>
        drafts.TryGetValue(row, out var draft) ? draft.After : Partition.Chunk(row).State[row % DeviceChunk.Rows];

    /// <summary>Lets the rule judge a device's new state, and takes it with its transitions.</summary>
    public void Put(int row, DeviceState next, string cause, DeviceColumns also = DeviceColumns.None, IReadOnlyList<ServiceInstall>? installs = null)
    {
        var before = Device(row)!;
        next = DeviceRules.Judge(next, At);
        if (next == before && installs is null or { Count: 0 })
            return;
        ref var draft = ref CollectionsMarshal.GetValueRefOrAddDefault(drafts, row, out _);
        draft ??= new Draft(before);
        draft.After = next;
        draft.Also |= also;
        draft.Transitions.AddRange(DeviceRules.Transitions(before, next, At, cause));
        foreach (var install in installs ?? [])
            draft.Installs[install.ImageId] = install;
    }

    /// <summary>What stands on record is the truth, and durable: it is published at once.</summary>
    /// <param name="cause">Of what people changed; null when the difference was told already.</param>
    public void Refresh(int row, DeviceState recorded, string? cause)
    {
        // Told twice, read once.
        if (drafts.ContainsKey(row))
            return;
        var before = Device(row)!;
        Partition.Replace(row, recorded);
        var draft = drafts[row] = new Draft(recorded);
        if (cause is null)
            return;
        // People, and the database's cascades, change these two; the rest is the partition's own.
        var changed = before with { IsActive = recorded.IsActive, Reported = before.Reported with { RunningReleaseId = recorded.Reported.RunningReleaseId } };
        draft.Transitions.AddRange(DeviceRules.Transitions(before, changed, At, cause));
    }

    /// <summary>A contact's consequence: the device is active, and its heartbeat is what the kind of contact makes it.</summary>
    /// <returns>Whether the contact activated it.</returns>
    public bool Contact(int row, bool isPoll, string cause)
    {
        var device = Device(row)!;
        var times = Times(row);
        Put(row, DeviceRules.Contacted(device, isPoll, times.ObservedPoll is not null, At), cause, device.IsActive ? DeviceColumns.None : DeviceColumns.Activation);
        if (drafts.TryGetValue(row, out var draft))
            draft.Contact = times;
        // It may be the first contact of a device that nobody waits for yet, or one with which its deadline comes nearer.
        else
            Appoint(row, device);
        return !device.IsActive;
    }

    /// <summary>Looks at the rows whose appointment has come: the stored last contact decides, the trigger is only a hint.</summary>
    public void LookAtSilence()
    {
        Span<int> due = stackalloc int[64];
        int count;
        do
        {
            count = Partition.Wheel.Expire(Clock.Now, due);
            foreach (var row in due[..count])
                LookAtSilence(row);
        }
        while (count == due.Length);
        Partition.NextDue = Partition.Wheel.NextTurn ?? long.MaxValue;
    }

    /// <summary>Settles contacts whose consequence could not be committed when they came.</summary>
    public void Settle()
    {
        Partition.HasUnsettled = false;
        for (var row = 0; row < Partition.Rows; row++)
        {
            var (chunk, i) = (Partition.Chunk(row), row % DeviceChunk.Rows);
            var kind = Interlocked.Exchange(ref chunk.Unsettled[i], DeviceChunk.Settled);
            if (kind != DeviceChunk.Settled && Device(row) is not null)
                Contact(row, kind == DeviceChunk.UnsettledPoll, kind == DeviceChunk.UnsettledPoll ? "poll" : "contact");
        }
    }

    /// <summary>All that must be durable before this turn's states are published.</summary>
    public IReadOnlyList<DeviceChange> Changes()
    {
        var changes = new List<DeviceChange>(drafts.Count);
        foreach (var (row, draft) in drafts)
        {
            var columns = PresenceWriter.Difference(draft.Before, draft.After) | draft.Also;
            if (columns != DeviceColumns.None || draft.Installs.Count > 0 || draft.Transitions.Count > 0)
                changes.Add(new(draft.After, columns, At) { Installs = [.. draft.Installs.Values], Transitions = draft.Transitions, Contact = ContactBehind(row, draft, columns) });
        }

        return changes;
    }

    /// <summary>The changes are durable: everyone may see them.</summary>
    public void Publish()
    {
        foreach (var (row, draft) in drafts)
        {
            var (chunk, i) = (Partition.Chunk(row), row % DeviceChunk.Rows);
            if (chunk.Ids[i] != draft.After.Id)
                continue;
            Volatile.Write(ref chunk.State[i], draft.After);
            Appoint(row, draft.After);
            if (draft.Silence is not { } silence)
                continue;
            // A contact that came while the silence was being committed saw the old state and told nobody.
            Interlocked.MemoryBarrier();
            var now = chunk.Times(i);
            if (now.ObservedPoll != silence.ObservedPoll || now.LastPollAt != silence.LastPollAt)
                Partition.Inbox.Enqueue(new ContactFact(new(Partition.Index, row, chunk.Generation[i]), isPoll: true, "poll"));
            else if (now.ObservedContact != silence.ObservedContact || now.LastContactAt != silence.LastContactAt)
                Partition.Inbox.Enqueue(new ContactFact(new(Partition.Index, row, chunk.Generation[i]), isPoll: false, "contact"));
        }
    }

    /// <summary>Nothing was committed: the appointments that this turn used up are made again.</summary>
    public void Abandon()
    {
        foreach (var row in expired)
            Partition.Schedule(row, Clock.Now + 1_000);
    }

    /// <inheritdoc cref="Partition.Appoint"/>
    public void Appoint(int row, DeviceState device) => Partition.Appoint(row, device, Options, Clock);

    private void LookAtSilence(int row)
    {
        expired.Add(row);
        if (Device(row) is not { } device)
            return;
        var times = Times(row);
        var outlook = DeviceRules.AfterSilence(device, times, Options, Clock);
        if (outlook.State != device.Heartbeat)
        {
            Put(row, device with { Heartbeat = outlook.State, HeartbeatChangedAt = At }, "silence");
            drafts[row].Silence = drafts[row].Contact = times;
        }
        else if (outlook.ChangesAt is { } changes)
        {
            Partition.Schedule(row, changes);
        }
    }

    private ContactTimes Times(int row) => Partition.Chunk(row).Times(row % DeviceChunk.Rows);

    /// <summary>What the forecast of a changed status rests on is written with it; null when the change leaves the forecast alone.</summary>
    private ContactTimes? ContactBehind(int row, Draft draft, DeviceColumns columns)
    {
        const DeviceColumns foretold = DeviceColumns.Heartbeat | DeviceColumns.Cloudlink | DeviceColumns.Status | DeviceColumns.Activation;
        if ((columns & foretold) == 0)
            return null;
        if (draft.Contact is not null)
            return draft.Contact;
        // A contact whose own turn is still to come is written with that.
        var times = Times(row);
        return times.ObservedContact is null || DeviceRules.AfterContacts(draft.After, times, Clock) != draft.After ? null : times;
    }

    private sealed class Draft(DeviceState before)
    {
        public readonly DeviceState Before = before;
        public readonly List<TransitionRow> Transitions = [];
        public readonly Dictionary<long, ServiceInstall> Installs = [];
        public DeviceState After = before;
        public DeviceColumns Also;

        /// <summary>The contact times that the new state rests on; null when it was no matter of contacts.</summary>
        public ContactTimes? Contact;

        /// <summary>The contact times that were found to be too long ago.</summary>
        public ContactTimes? Silence;
    }
}

/// <summary>The device was removed while something about it was on its way.</summary>
public sealed class DeviceGoneException() : Exception("The device was deleted.");
