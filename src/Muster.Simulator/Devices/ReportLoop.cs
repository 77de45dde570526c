namespace Muster.Simulator.Devices;

/// <summary>
/// When and what a device reports: differences to the last report that was taken, at most one per 10 s, metrics alone at
/// most one per 300 s; after the n-th error in a row a pause of 15 s · 2^n, then the newest difference
/// (docs/device-protocol.md, "State reports").
/// </summary>
public sealed class ReportLoop(SupervisorTimings timings)
{
    private ReportedState taken = ReportedState.Nothing;
    private ReportedState? sent;
    private bool running;
    private int errors;
    private long notBefore;
    private long metricsNotBefore;

    /// <summary>When to look next; <see cref="long.MaxValue"/> while a report is under way or reporting has not started.</summary>
    public long NextDue { get; private set; } = long.MaxValue;

    /// <param name="forget">The report cache is lost (reboot): the next report is full.</param>
    public void Start(long now, bool forget)
    {
        if (forget)
            taken = ReportedState.Nothing;
        (running, sent, errors) = (true, null, 0);
        (notBefore, metricsNotBefore) = (now, forget ? now : metricsNotBefore);
        NextDue = now;
    }

    public void Stop() => (running, sent, NextDue) = (false, null, long.MaxValue);

    /// <summary>Something changed, or will have changed at <paramref name="at"/>.</summary>
    public void Wake(long at)
    {
        if (running && sent is null)
            NextDue = Math.Min(NextDue, Math.Max(at, notBefore));
    }

    /// <summary>The difference to send now, or null. <paramref name="state"/> is asked for only when it is needed.</summary>
    public ReportedState? Take(long now, Func<ReportedState> state)
    {
        if (!running || sent is not null || now < NextDue)
            return null;
        var diff = taken.DiffTo(state());
        if (diff.IsEmpty || (diff.IsMetricsOnly && now < metricsNotBefore))
        {
            NextDue = Math.Max(metricsNotBefore, now + timings.MetricsInterval / 10);
            return null;
        }

        (sent, NextDue) = (diff, long.MaxValue);
        return diff;
    }

    public void Succeeded(long now)
    {
        if (sent is null)
            return;
        taken = taken.With(sent);
        if (sent.Fields.ContainsKey("cpu_usage") || sent.IsMetricsOnly)
            metricsNotBefore = now + timings.MetricsInterval;
        (sent, errors) = (null, 0);
        notBefore = now + timings.ReportInterval;
        NextDue = notBefore;
    }

    public void Failed(long now, long pollInterval)
    {
        sent = null;
        notBefore = now + timings.Backoff(errors++, pollInterval);
        NextDue = notBefore;
    }
}
