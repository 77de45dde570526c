using System.Threading.Channels;
using Muster.Core.Presence;
using Muster.Storage;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// The node's one writer of what partitions decided: everything that waits goes into one transaction, so that a commit's
/// cost is shared (docs/design.md, promise 2). A waiter is released when its part is durable, or when it is known that
/// nothing was written, or when neither is known; then its devices are suspect and are read again.
/// </summary>
internal sealed partial class GroupCommitter : IAsyncDisposable
{
    private readonly Channel<Commit> queue = Channel.CreateUnbounded<Commit>(new() { SingleReader = true });
    private readonly HashSet<long> suspects = [];
    private readonly Lock gate = new();
    private readonly Database database;
    private readonly PresenceWriter writer;
    private readonly LiveFeed feed;
    private readonly ICommitWatcher[] watchers;
    private readonly PresenceMeter meter;
    private readonly ILogger<GroupCommitter> log;
    private readonly int maxBatch;
    private readonly string node;
    private readonly SilenceLimits beyond;
    private readonly Task loop;
    private bool available = true;

    public GroupCommitter(Database database, LiveFeed feed, IEnumerable<ICommitWatcher> watchers, PresenceMeter meter, PresenceOptions options, ILogger<GroupCommitter> log)
    {
        this.database = database;
        this.feed = feed;
        this.watchers = [.. watchers];
        this.meter = meter;
        this.log = log;
        maxBatch = options.MaxBatch;
        node = options.Node;
        beyond = options.Limits(0);
        writer = PresenceWriter.For(database);
        loop = Task.Run(LoopAsync);
    }

    /// <summary>False while the database is away: then nothing is taken, and time does not count as listened.</summary>
    public bool IsAvailable => Volatile.Read(ref available);

    /// <summary>Makes changes durable. Each partition has at most one call under way, which bounds the queue.</summary>
    /// <exception cref="DatabaseAwayException">Nothing was acknowledged; the devices are suspect.</exception>
    public Task CommitAsync(IReadOnlyList<DeviceChange> changes) => EnqueueAsync(new(changes, [], null));

    /// <summary>Writes contact times down, and the observer clock with them.</summary>
    public Task CheckpointAsync(IReadOnlyList<ContactRow> contacts, ObserverCheckpoint clock) => EnqueueAsync(new([], contacts, clock));

    /// <summary>Devices that must be read again before partitions may go on, because a commit's outcome is unknown.</summary>
    public IReadOnlyList<long> TakeSuspects()
    {
        lock (gate)
        {
            long[] taken = [.. suspects];
            suspects.Clear();
            return taken;
        }
    }

    public void Suspect(IEnumerable<long> devices)
    {
        lock (gate)
            suspects.UnionWith(devices);
    }

    /// <summary>The database is back and memory equals it.</summary>
    public void Resume()
    {
        Volatile.Write(ref available, true);
        LogBack();
    }

    public async ValueTask DisposeAsync()
    {
        queue.Writer.TryComplete();
        await loop;
        writer.Dispose();
    }

    private Task EnqueueAsync(Commit commit)
    {
        if (!IsAvailable || !queue.Writer.TryWrite(commit))
            return Task.FromException(new DatabaseAwayException("The database is away."));
        return commit.Done;
    }

    private async Task LoopAsync()
    {
        var batch = new List<Commit>();
        while (await queue.Reader.WaitToReadAsync())
        {
            batch.Clear();
            var size = 0;
            while (size < maxBatch && queue.Reader.TryRead(out var commit))
            {
                batch.Add(commit);
                size += commit.Size;
            }

            await CommitAsync(batch);
        }
    }

    private async Task CommitAsync(List<Commit> batch)
    {
        // A commit that was queued while the database went away.
        if (!IsAvailable)
        {
            Fail(batch, new DatabaseAwayException("The database is away."));
            return;
        }

        try
        {
            await WriteAsync(batch);
            foreach (var commit in batch)
                commit.Complete();
        }
        catch (DatabaseAwayException e)
        {
            Suspect(batch.SelectMany(c => c.Changes).Select(c => c.After.Id));
            Volatile.Write(ref available, false);
            LogAway(e);
            Fail(batch, e);
        }
#pragma warning disable CA1031 // whatever a statement was refused for, its waiters must hear of it
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (batch.Count == 1)
            {
                LogRefused(e);
                Fail(batch, e);
                return;
            }

            // One partition's statement was refused and took all others' back with it: each for itself.
            foreach (var commit in batch)
                await CommitAsync([commit]);
        }
    }

    private async Task WriteAsync(List<Commit> batch)
    {
        var changes = batch.Count == 1 ? batch[0].Changes : [.. batch.SelectMany(c => c.Changes)];
        var contacts = batch.Count == 1 ? batch[0].Contacts : [.. batch.SelectMany(c => c.Contacts)];
        var ids = new List<long>();
        var began = meter.Begin();
        await database.WriteAsync(async write =>
        {
            ids.Clear();
            await writer.WriteAsync(write, changes, ids);
            if (contacts.Count > 0)
                await writer.WriteAsync(write, contacts);
            foreach (var commit in batch)
            {
                if (commit.Clock is { } clock)
                    await PresenceWriter.WriteAsync(write, node, clock, beyond);
            }
        });
        meter.Committed(began, changes.Count, ids.Count);
        foreach (var watcher in watchers)
            watcher.Committed(changes);
        if (ids.Count > 0 && feed.Subscribers > 0)
            feed.Publish(Events(changes, ids));
    }

    private static List<TransitionEvent> Events(IReadOnlyList<DeviceChange> changes, List<long> ids)
    {
        var events = new List<TransitionEvent>(ids.Count);
        foreach (var change in changes)
        {
            foreach (var row in change.Transitions)
                events.Add(new(ids[events.Count], change.After.Id, change.After.FleetId, change.After.Uuid, row.Fact, row.From, row.To, row.At, row.Cause));
        }

        return events;
    }

    private static void Fail(List<Commit> batch, Exception reason)
    {
        foreach (var commit in batch)
            commit.Fail(reason);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The database is away; reports are refused until it is back.")]
    private partial void LogAway(Exception e);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database is back.")]
    private partial void LogBack();

    [LoggerMessage(Level = LogLevel.Error, Message = "The database refused a change of a device.")]
    private partial void LogRefused(Exception e);

    private sealed class Commit(IReadOnlyList<DeviceChange> changes, IReadOnlyList<ContactRow> contacts, ObserverCheckpoint? clock)
    {
        private readonly TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IReadOnlyList<DeviceChange> Changes { get; } = changes;

        public IReadOnlyList<ContactRow> Contacts { get; } = contacts;

        public ObserverCheckpoint? Clock { get; } = clock;

        public int Size => Changes.Count + Contacts.Count;

        public Task Done => done.Task;

        public void Complete() => done.TrySetResult();

        public void Fail(Exception reason) => done.TrySetException(reason);
    }
}
