namespace Muster.Simulator.Devices;

/// <summary>
/// When the target state is asked for: interval + random part of the jitter after each answer, min(interval, 15 s · 2^n)
/// after the n-th error in a row (docs/device-protocol.md, "Polls").
/// </summary>
public sealed class PollLoop(SupervisorTimings timings, Random random)
{
    private bool waiting;
    private int errors;
    private bool again;
    private long lastGood;

    /// <summary>The interval of the next sleep that is entered, ms.</summary>
    public long Interval { get; private set; } = timings.PollInterval;

    public string? ETag { get; private set; }

    /// <summary>When the next poll is to be sent; <see cref="long.MaxValue"/> while one is under way.</summary>
    public long NextDue { get; private set; } = long.MaxValue;

    /// <summary>The supervisor starts: its memory is empty, and it polls at once.</summary>
    public void Start(long now)
    {
        (ETag, errors, waiting, again) = (null, 0, false, false);
        (NextDue, lastGood) = (now, now);
    }

    public void Stop() => (NextDue, waiting) = (long.MaxValue, false);

    /// <summary>Something asks to poll now instead of after the sleep. A poll under way may be too old an answer: then once more after it.</summary>
    public void Hurry(long now)
    {
        again = waiting;
        if (NextDue != long.MaxValue)
            NextDue = Math.Min(NextDue, now);
    }

    /// <summary>No poll succeeded for twice the interval.</summary>
    public bool IsStuck(long now) => now > lastGood + (2 * Interval);

    public bool TryTake(long now)
    {
        if (waiting || now < NextDue)
            return false;
        (waiting, NextDue) = (true, long.MaxValue);
        return true;
    }

    /// <summary>200 or 304. The sleep that starts now still has the interval known so far.</summary>
    public void Succeeded(string? etag, long now)
    {
        (waiting, errors) = (false, 0);
        ETag = etag ?? ETag;
        lastGood = now;
        NextDue = again ? now : now + Interval + random.NextInt64(timings.PollJitter + 1);
        again = false;
    }

    public void Failed(long now)
    {
        (waiting, again) = (false, false);
        NextDue = now + timings.Backoff(errors++, Interval);
    }

    /// <summary>The configuration names another interval; null: the device's own again.</summary>
    public void Configure(long? interval) => Interval = interval ?? timings.PollInterval;
}
