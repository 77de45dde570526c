using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// Writes last contacts and the observer clock down: now and then, a bounded number at a time, and before a read that tells of
/// them. What is lost with the process is only how recent a contact was; after such a stop every device gets its whole window
/// again.
/// </summary>
internal sealed class Checkpoints(FleetMemory memory, GroupCommitter committer, ListeningClock clock) : IDisposable
{
    private const int ContactsPerCommit = 2_000;
    private const int ContactsPerRound = 20_000;

    /// <summary>One round at a time, so that who finds nothing to write knows that it is written.</summary>
    private readonly SemaphoreSlim turn = new(1, 1);

    private int next;
    private long begun;
    private long complete;
    private long? recordedResume;

    /// <summary>Whether all contacts so far are on record, and the clock since the last outage with them.</summary>
    public bool IsRecorded => recordedResume == clock.Current.ResumedAt && !AnyDirty() && turn.CurrentCount > 0;

    /// <summary>One round. What it leaves stays for the next.</summary>
    public Task WriteAsync() => InTurnAsync(() => WriteAsync(ContactsPerRound, stoppedInOrder: false));

    /// <summary>The last act of an orderly stop: every contact, and the clock that says so.</summary>
    public Task WriteLastAsync() => InTurnAsync(() => WriteAsync(int.MaxValue, stoppedInOrder: true));

    /// <summary>Writes every contact that came before this call. Calls that wait for their turn share a round.</summary>
    public Task RecordAsync()
    {
        var seen = Volatile.Read(ref begun);
        return InTurnAsync(async () =>
        {
            if (complete > seen)
                return;
            var round = Interlocked.Increment(ref begun);
            await WriteAsync(int.MaxValue, stoppedInOrder: false, needsClock: recordedResume != clock.Current.ResumedAt);
            complete = round;
        });
    }

    public void Dispose() => turn.Dispose();

    private async Task InTurnAsync(Func<Task> work)
    {
        await turn.WaitAsync();
        try
        {
            await work();
        }
        finally
        {
            turn.Release();
        }
    }

    private async Task WriteAsync(int most, bool stoppedInOrder, bool needsClock = true)
    {
        var written = 0;
        var contacts = new List<ContactRow>();
        for (var visited = 0; visited < Partition.Count && written < most; visited++)
        {
            Collect(memory.Partitions[next], contacts, settledOnly: !stoppedInOrder);
            next = (next + 1) % Partition.Count;
            if (contacts.Count < ContactsPerCommit)
                continue;
            written += contacts.Count;
            await WriteAsync(contacts, stoppedInOrder: false);
            contacts.Clear();
        }

        if (needsClock || contacts.Count > 0)
            await WriteAsync(contacts, stoppedInOrder);
    }

    private async Task WriteAsync(List<ContactRow> contacts, bool stoppedInOrder)
    {
        var now = clock.Current;
        try
        {
            await committer.CheckpointAsync([.. contacts.OrderBy(c => c.DeviceId)], now.Checkpoint(clock.WallNow, stoppedInOrder));
            recordedResume = now.ResumedAt;
        }
        catch
        {
            foreach (var contact in contacts)
                MarkDirty(contact.DeviceId);
            throw;
        }
    }

    /// <param name="settledOnly">A contact whose consequence is being committed is written with that: nobody reads one without the other.</param>
    private void Collect(Partition partition, List<ContactRow> contacts, bool settledOnly)
    {
        var now = clock.Current;
        foreach (var chunk in partition.Chunks)
        {
            for (var i = chunk.Dirty.AsSpan().IndexOf((byte)1); i >= 0 && i < DeviceChunk.Rows; i++)
            {
                if (Volatile.Read(ref chunk.Dirty[i]) == 0)
                    continue;
                Volatile.Write(ref chunk.Dirty[i], 0);
                // A contact from here on marks the row again.
                Interlocked.MemoryBarrier();
                if (Volatile.Read(ref chunk.State[i]) is not { } device)
                    continue;
                var times = chunk.Times(i);
                if (settledOnly && DeviceRules.AfterContacts(device, times, now) != device)
                    Volatile.Write(ref chunk.Dirty[i], 1);
                else
                    contacts.Add(new(device.Id, times));
            }
        }
    }

    private bool AnyDirty()
    {
        foreach (var partition in memory.Partitions)
        {
            foreach (var chunk in partition.Chunks)
            {
                if (chunk.Dirty.AsSpan().Contains((byte)1))
                    return true;
            }
        }

        return false;
    }

    private void MarkDirty(long device)
    {
        var partition = memory.Partitions[Partition.Of(device)];
        if (partition.Find(device) is var row and >= 0)
            Volatile.Write(ref partition.Chunk(row).Dirty[row % DeviceChunk.Rows], 1);
    }
}
