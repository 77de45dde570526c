using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// Writes last contacts and the observer clock down, a bounded number at a time. What is lost with the process is only
/// how recent a contact was; after such a stop every device gets its whole window again.
/// </summary>
internal sealed class Checkpoints(FleetMemory memory, GroupCommitter committer, ListeningClock clock)
{
    private const int ContactsPerCommit = 2_000;
    private const int ContactsPerRound = 20_000;

    private int next;

    /// <summary>One round. What it leaves stays for the next.</summary>
    public Task WriteAsync() => WriteAsync(ContactsPerRound, stoppedInOrder: false);

    /// <summary>The last act of an orderly stop: every contact, and the clock that says so.</summary>
    public Task WriteLastAsync() => WriteAsync(int.MaxValue, stoppedInOrder: true);

    private async Task WriteAsync(int most, bool stoppedInOrder)
    {
        var written = 0;
        var contacts = new List<ContactRow>();
        for (var visited = 0; visited < Partition.Count && written < most; visited++)
        {
            Collect(memory.Partitions[next], contacts);
            next = (next + 1) % Partition.Count;
            if (contacts.Count < ContactsPerCommit)
                continue;
            written += contacts.Count;
            await WriteAsync(contacts, stoppedInOrder: false);
            contacts.Clear();
        }

        await WriteAsync(contacts, stoppedInOrder);
    }

    private async Task WriteAsync(List<ContactRow> contacts, bool stoppedInOrder)
    {
        try
        {
            await committer.CheckpointAsync([.. contacts.OrderBy(c => c.DeviceId)], clock.Current.Checkpoint(clock.WallNow, stoppedInOrder));
        }
        catch
        {
            foreach (var contact in contacts)
                MarkDirty(contact.DeviceId);
            throw;
        }
    }

    private static void Collect(Partition partition, List<ContactRow> contacts)
    {
        foreach (var chunk in partition.Chunks)
        {
            for (var i = chunk.Dirty.AsSpan().IndexOf((byte)1); i >= 0 && i < DeviceChunk.Rows; i++)
            {
                if (Volatile.Read(ref chunk.Dirty[i]) == 0)
                    continue;
                Volatile.Write(ref chunk.Dirty[i], 0);
                // A contact from here on marks the row again.
                Interlocked.MemoryBarrier();
                if (chunk.Ids[i] is var id and not 0)
                    contacts.Add(new(id, chunk.Times(i)));
            }
        }
    }

    private void MarkDirty(long device)
    {
        var partition = memory.Partitions[Partition.Of(device)];
        if (partition.Find(device) is var row and >= 0)
            Volatile.Write(ref partition.Chunk(row).Dirty[row % DeviceChunk.Rows], 1);
    }
}
