using Muster.Core.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// The node's observer clock (docs/design.md, promise 3). Silence is measured on it alone, and it runs on the machine's
/// monotonic clock: steps of the wall clock move nothing.
/// </summary>
internal sealed class ListeningClock(TimeProvider time)
{
    private readonly Lock gate = new();
    /// <summary>More than this waits only when they can never be written; then the oldest go.</summary>
    private const int MostEndedGaps = 1_000;

    private readonly Queue<ListeningGap> endedGaps = [];
    private StrongBox current = new(ObserverClock.First, time.GetTimestamp());
    private (long From, string Kind)? openGap;
    private long lastTick = time.GetTimestamp();

    /// <summary>The clock as of the last tick.</summary>
    public ObserverClock Current => Volatile.Read(ref current).Clock;

    /// <summary>Observed ms as of the last tick.</summary>
    public long Now => Volatile.Read(ref current).Clock.Now;

    /// <summary>
    /// Observed ms at this moment. A contact counts from when it came: from the tick before it, its silence would be found
    /// too early by as much as the ticks are apart.
    /// </summary>
    public long Instant
    {
        get
        {
            var box = Volatile.Read(ref current);
            var sinceTick = (long)time.GetElapsedTime(box.TickedAt).TotalMilliseconds;
            return box.Clock.Now + (box.Clock.IsListening ? Math.Clamp(sinceTick, 0, ObserverClock.BelievableTick) : 0);
        }
    }

    /// <summary>Unix ms.</summary>
    public long WallNow => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>The first gap that ended and is not written down yet, or null.</summary>
    public ListeningGap? EndedGap
    {
        get
        {
            lock (gate)
                return endedGaps.TryPeek(out var gap) ? gap : null;
        }
    }

    /// <param name="checkpoint">What the process before this one wrote last: since then nobody listened. Null when there was none.</param>
    public void Start(ObserverClock clock, ObserverCheckpoint? checkpoint)
    {
        lock (gate)
        {
            openGap = checkpoint is { } saved ? (saved.WrittenAt, saved.StoppedInOrder ? ListeningGap.Stopped : ListeningGap.Killed) : null;
            lastTick = time.GetTimestamp();
            Volatile.Write(ref current, new(clock, lastTick));
        }
    }

    /// <summary>Lets the time since the last tick pass.</summary>
    /// <param name="listening">Whether devices could reach us and we could record it.</param>
    public void Tick(bool listening)
    {
        lock (gate)
        {
            var now = time.GetTimestamp();
            var elapsed = (long)time.GetElapsedTime(lastTick, now).TotalMilliseconds;
            if (elapsed <= 0)
                return;
            // What is less than a millisecond stays for the next tick.
            lastTick += (long)(elapsed * (time.TimestampFrequency / 1000.0));
            var (before, after) = (current.Clock, current.Clock.Advance(elapsed, listening));
            var isGap = after.Now == before.Now;
            if (isGap)
                after = after with { ResumedAtWall = WallNow };
            Volatile.Write(ref current, new(after, lastTick));
            NoteGap(elapsed, listening, isGap, isOver: after.IsListening);
        }
    }

    /// <summary>The gap is written down.</summary>
    public void Forget(ListeningGap gap)
    {
        lock (gate)
        {
            if (endedGaps.TryPeek(out var first) && first == gap)
                endedGaps.Dequeue();
        }
    }

    private void NoteGap(long elapsed, bool listening, bool isGap, bool isOver)
    {
        var now = WallNow;
        if (isGap)
            openGap ??= (now - elapsed, listening ? ListeningGap.Paused : ListeningGap.Database);
        if (!isOver || openGap is not { } gap)
            return;
        openGap = null;
        // A wall clock that was set back says nothing about how long it was.
        if (now <= gap.From)
            return;
        if (endedGaps.Count == MostEndedGaps)
            endedGaps.Dequeue();
        endedGaps.Enqueue(new(gap.From, now, gap.Kind));
    }

    /// <summary>Makes a clock value readable in one piece.</summary>
    private sealed class StrongBox(ObserverClock clock, long tickedAt)
    {
        public readonly ObserverClock Clock = clock;
        public readonly long TickedAt = tickedAt;
    }
}
