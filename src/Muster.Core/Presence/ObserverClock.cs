namespace Muster.Core.Presence;

/// <summary>
/// How long Muster has really listened, in milliseconds. It advances only while devices could reach us and we could
/// record it: not while the process is down or stopped, not while the database is away (docs/design.md, promise 3).
/// All deadlines of presence run on it. Immutable; a value of it is what is known at one moment.
/// </summary>
/// <param name="Now">Milliseconds listened so far; never goes back.</param>
/// <param name="ResumedAt">Value of <paramref name="Now"/> when the last outage ended.</param>
/// <param name="Outage">Real length of the last outage, ms; outages that one device's backoff can span count as one.</param>
/// <param name="UncleanAt">Value of <paramref name="Now"/> when we resumed after a stop whose length and last contacts are not known.</param>
/// <param name="IsListening">False during an outage.</param>
public readonly record struct ObserverClock(long Now, long ResumedAt, long Outage, long UncleanAt, bool IsListening)
{
    /// <summary>A longer gap between two ticks means that we were stopped, whatever the reason.</summary>
    public const long BelievableTick = 2_000;

    /// <summary>
    /// A device that failed to reach us in an outage of length d tries again within d + 15 s of its end (its waits double:
    /// 15, 30, 60 s …), and a try that began before the end may hang for 59 s. The rest is for its way here.
    /// </summary>
    public const long RetryPatience = 90_000;

    /// <summary>A clock that has never listened yet.</summary>
    public static readonly ObserverClock First = new(0, 0, 0, 0, IsListening: true);

    /// <summary>Unix ms when the last outage ended; 0 when that is not known.</summary>
    public long ResumedAtWall { get; init; }

    /// <summary>
    /// The Unix ms at which this clock reaches an instant if nothing stops it. The same at every call, until the device is
    /// heard again or an outage of ours puts everything off.
    /// </summary>
    /// <param name="at">On this clock.</param>
    /// <param name="contact">On this clock, the last contact of the device that is spoken of.</param>
    /// <param name="contactWall">The same instant in Unix ms.</param>
    /// <param name="wallNow">Unix ms: what is due already happens now.</param>
    public long WallOf(long at, long contact, long contactWall, long wallNow)
    {
        // While we don't listen nobody knows when we shall again: as if it were now. The clock shows the same instant before and
        // after an outage: of a contact at that instant the wall clock tells on which side it was.
        var wall = !IsListening ? wallNow + at - Now : contact > ResumedAt || (contact == ResumedAt && contactWall >= ResumedAtWall) ? contactWall + at - contact : ResumedAtWall + at - ResumedAt;
        return Math.Max(wall, wallNow);
    }

    /// <summary>Lets real time pass.</summary>
    /// <param name="elapsed">Milliseconds on a monotonic clock since the last call.</param>
    /// <param name="listening">Whether we listened for all of it.</param>
    public ObserverClock Advance(long elapsed, bool listening)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(elapsed);
        if (listening && IsListening && elapsed <= BelievableTick)
            return this with { Now = Now + elapsed };
        var clock = IsListening ? OutageBegins() : this;
        return clock with { IsListening = listening, ResumedAt = Now, Outage = clock.Outage + elapsed };
    }

    /// <summary>
    /// The instant on this clock at which silence since <paramref name="lastContact"/> will have lasted
    /// <paramref name="window"/>, with patience for devices that tried in vain while we were away: after an outage of
    /// known length until they have tried again, at most a whole window; the whole window when they have not been heard
    /// since a stop of which we know nothing.
    /// </summary>
    public long SilenceLasts(long lastContact, long window)
    {
        var plain = lastContact + window;
        if (lastContact >= ResumedAt)
            return plain;
        return Math.Max(plain, ResumedAt + (lastContact <= UncleanAt ? window : Math.Min(window, Outage + RetryPatience)));
    }

    /// <summary>What to write down, now and then while running and once more at an orderly stop.</summary>
    /// <param name="wallClock">Unix ms.</param>
    public ObserverCheckpoint Checkpoint(long wallClock, bool stoppedInOrder) => new(Now, ResumedAt, Outage, UncleanAt, wallClock, stoppedInOrder) { ResumedAtWall = ResumedAtWall };

    /// <summary>The clock of a process that starts: the time since the checkpoint was an outage.</summary>
    /// <param name="checkpoint">Null at the very first start, or when it was lost.</param>
    /// <param name="lastRecorded">The latest contact on record, on this clock; it may be newer than the checkpoint.</param>
    /// <param name="wallClock">Unix ms.</param>
    public static ObserverClock Restore(ObserverCheckpoint? checkpoint, long lastRecorded, long wallClock)
    {
        if (checkpoint is not { } saved)
            return First with { Now = lastRecorded, ResumedAt = lastRecorded, UncleanAt = lastRecorded, ResumedAtWall = wallClock };
        var clock = new ObserverClock(Math.Max(saved.Observed, lastRecorded), saved.ResumedAt, saved.Outage, saved.UncleanAt, IsListening: true).OutageBegins();
        clock = clock with { ResumedAt = clock.Now, ResumedAtWall = wallClock, Outage = clock.Outage + Math.Max(0, wallClock - saved.WrittenAt) };
        // A wall clock that went back says nothing about how long we were away.
        return saved.StoppedInOrder && wallClock >= saved.WrittenAt ? clock : clock with { UncleanAt = clock.Now };
    }

    /// <summary>Devices that failed in the last outage may not have tried again yet: then for them this one is its continuation.</summary>
    private ObserverClock OutageBegins() =>
        this with { Outage = Outage > 0 && Now < ResumedAt + Outage + RetryPatience ? Outage + Now - ResumedAt : 0 };
}

/// <summary>The observer clock as it is written down (table observer_clock).</summary>
/// <param name="WrittenAt">Unix ms.</param>
/// <param name="StoppedInOrder">Whether this was the last act of a process that had recorded every contact.</param>
public readonly record struct ObserverCheckpoint(long Observed, long ResumedAt, long Outage, long UncleanAt, long WrittenAt, bool StoppedInOrder)
{
    /// <summary>Unix ms when the last outage ended.</summary>
    public long ResumedAtWall { get; init; }
}
