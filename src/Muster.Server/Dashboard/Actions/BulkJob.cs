namespace Muster.Server.Dashboard.Actions;

/// <summary>What became of one device of a bulk job.</summary>
/// <param name="Sentence">Why not; null when it was done.</param>
public sealed record BulkResult(long Id, string Uuid, string Name, string? Sentence)
{
    /// <summary>The device could not be reached, so that its action can be queued until it is back.</summary>
    public bool IsAway { get; init; }

    public bool IsDone => Sentence is null;
}

/// <summary>
/// Something that is being done with many devices, for one person. It lives in this process's memory: when the process
/// ends, the rest is not done, and what was written stays.
/// </summary>
public sealed class BulkJob : IDisposable
{
    /// <summary>A page is told of progress no more often than this.</summary>
    private static readonly TimeSpan TellEvery = TimeSpan.FromMilliseconds(250);

    private readonly Lock gate = new();
    private readonly List<BulkResult> failed = [];
    private readonly List<BulkResult> done = [];
    private readonly CancellationTokenSource stop = new();
    private readonly TimeProvider time;
    private long toldAt;

    internal BulkJob(long account, BulkTask task, long total, string? from, TimeProvider time)
    {
        (Account, Task, Total, From, this.time) = (account, task, total, from, time);
        StartedAt = time.GetUtcNow().ToUnixTimeMilliseconds();
    }

    public Guid Id { get; } = Guid.NewGuid();

    /// <summary>The person whose job it is.</summary>
    public long Account { get; }

    public BulkTask Task { get; }

    /// <summary>Address the person asked from; null when it is not known.</summary>
    public string? From { get; }

    /// <summary>Unix ms.</summary>
    public long StartedAt { get; }

    /// <summary>Unix ms; null while it runs.</summary>
    public long? EndedAt { get; private set; }

    /// <summary>Devices that it is about.</summary>
    public long Total { get; private set; }

    public int Done
    {
        get
        {
            lock (gate)
                return done.Count;
        }
    }

    public int Failed
    {
        get
        {
            lock (gate)
                return failed.Count;
        }
    }

    /// <summary>Devices that it has not come to.</summary>
    public long Left => Math.Max(0, Total - Done - Failed);

    public bool IsRunning => EndedAt is null;

    public bool IsStopped => stop.IsCancellationRequested;

    /// <summary>Why it ended before all devices had their turn; null when it did not.</summary>
    public string? Trouble { get; private set; }

    /// <summary>Raised on progress and at the end, on a thread of the job.</summary>
    public event Action? Changed;

    internal CancellationToken Stopping => stop.Token;

    /// <summary>No further device is begun.</summary>
    public void Stop()
    {
        if (IsRunning)
            stop.Cancel();
    }

    /// <summary>When it is forgotten.</summary>
    public void Dispose() => stop.Dispose();

    /// <summary>A part of the results, the failed ones first.</summary>
    /// <param name="onlyDone">True: those that were done; false: the failed ones; null: all.</param>
    public (IReadOnlyList<BulkResult> Rows, int Count) Results(bool? onlyDone, int start, int count)
    {
        lock (gate)
        {
            var first = onlyDone is true ? [] : failed;
            var second = onlyDone is false ? [] : done;
            List<BulkResult> rows = [.. first.Skip(start).Take(count)];
            rows.AddRange(second.Skip(Math.Max(0, start - first.Count)).Take(count - rows.Count));
            return (rows, first.Count + second.Count);
        }
    }

    /// <summary>The devices that failed, as a selection for another try.</summary>
    /// <param name="onlyAway">Only those that could not be reached.</param>
    public BulkSelection FailedDevices(bool onlyAway = false)
    {
        lock (gate)
            return BulkSelection.Of([.. failed.Where(r => !onlyAway || r.IsAway).Select(r => r.Id)]);
    }

    internal void Concerns(long devices) => Total = devices;

    internal void Note(BulkResult result)
    {
        lock (gate)
            (result.IsDone ? done : failed).Add(result);
        Tell(atOnce: false);
    }

    internal void End(string? trouble)
    {
        Trouble = trouble;
        EndedAt = time.GetUtcNow().ToUnixTimeMilliseconds();
        Tell(atOnce: true);
    }

    private void Tell(bool atOnce)
    {
        lock (gate)
        {
            if (!atOnce && toldAt != 0 && time.GetElapsedTime(toldAt) < TellEvery)
                return;
            toldAt = time.GetTimestamp();
        }

        Changed?.Invoke();
    }
}
