using System.Diagnostics.Metrics;

namespace Muster.Server.Presence;

/// <summary>What presence tells of itself under <c>/metrics</c>.</summary>
internal sealed class PresenceMeter : IDisposable
{
    private readonly TimeProvider time;
    private readonly Meter meter = new("Muster.Presence");
    private readonly Counter<long> polls;
    private readonly Counter<long> reports;
    private readonly Counter<long> refused;
    private readonly Counter<long> transitions;
    private readonly Histogram<int> batch;
    private readonly Histogram<double> commit;

    public PresenceMeter(TimeProvider time)
    {
        this.time = time;
        polls = meter.CreateCounter<long>("muster.presence.polls", description: "Polls of the target state with a device's own key.");
        reports = meter.CreateCounter<long>("muster.presence.reports", description: "State reports made durable.");
        refused = meter.CreateCounter<long>("muster.presence.refused", description: "State reports refused because the queue was full or the database away.");
        transitions = meter.CreateCounter<long>("muster.presence.transitions", description: "Transitions appended to the history.");
        batch = meter.CreateHistogram<int>("muster.presence.commit.devices", description: "Devices written in one transaction.");
        commit = meter.CreateHistogram<double>("muster.presence.commit.duration", "s", "Time of one transaction.");
    }

    public long Begin() => time.GetTimestamp();

    public void Polled() => polls.Add(1);

    public void Reported() => reports.Add(1);

    public void Refused() => refused.Add(1);

    public void Committed(long began, int devices, int appended)
    {
        batch.Record(devices);
        commit.Record(time.GetElapsedTime(began).TotalSeconds);
        if (appended > 0)
            transitions.Add(appended);
    }

    /// <summary>Gauges over what the node holds.</summary>
    public void Watch(FleetMemory memory, GroupCommitter committer, ListeningClock clock)
    {
        meter.CreateObservableGauge("muster.presence.devices", () => memory.Devices, description: "Devices in memory.");
        meter.CreateObservableGauge("muster.presence.database_available", () => committer.IsAvailable ? 1 : 0, description: "0 while the database is away.");
        meter.CreateObservableGauge("muster.presence.listened", () => clock.Now / 1000.0, "s", "The observer clock.");
    }

    public void Dispose() => meter.Dispose();
}
