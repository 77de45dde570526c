using Muster.Core.Presence;
using Muster.Core.Status;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>Settings under <c>Presence</c> (command line <c>--Presence:TimeoutMargin 00:00:05</c>, environment <c>Presence__TimeoutMargin</c>).</summary>
public sealed class PresenceOptions
{
    /// <summary>Interval of devices for which neither they nor their fleet name one.</summary>
    public TimeSpan DefaultPollInterval { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>No device is asked to poll more often.</summary>
    public TimeSpan PollIntervalFloor { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>What a poll may be late, beyond its interval, before the heartbeat is <c>timeout</c>. A supervisor adds up to 60 s of jitter.</summary>
    public TimeSpan TimeoutMargin { get; set; } = TimeSpan.FromSeconds(90);

    /// <summary>From <c>timeout</c> to <c>offline</c>.</summary>
    public TimeSpan OfflineAfter { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Without a sign of life for so long, a service instance loses its sessions.</summary>
    public TimeSpan ServiceInstanceTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Facts that may wait to be committed; beyond, reports are refused with 503.</summary>
    public int MaxQueuedReports { get; set; } = 20_000;

    /// <summary>Devices written in one transaction.</summary>
    public int MaxBatch { get; set; } = 1_000;

    /// <summary>How often last contacts and the observer clock are written down.</summary>
    public TimeSpan CheckpointEvery { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>How often silence is looked at.</summary>
    public TimeSpan TickEvery { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>How long a poll waits at most for its consequence to be committed.</summary>
    public TimeSpan PollPatience { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a read of last contacts and forecasts waits at most until the newest contacts are on record.</summary>
    public TimeSpan ReadPatience { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How often a database that is away is asked whether it is back.</summary>
    public TimeSpan ProbeEvery { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long transitions are kept.</summary>
    public TimeSpan HistoryRetention { get; set; } = TimeSpan.FromDays(90);

    /// <summary>Name of this node, for its observer clock.</summary>
    public string Node { get; set; } = "1";

    internal PollIntervalBounds Intervals => new((long)DefaultPollInterval.TotalMilliseconds, (long)PollIntervalFloor.TotalMilliseconds);

    /// <summary>How long a device may be silent.</summary>
    /// <param name="known">The interval that it knows of, ms; null when none is on record.</param>
    internal SilenceLimits Limits(DeviceState device, long? known) => Limits(known ?? device.PollInterval);

    internal SilenceLimits Limits(long pollInterval) => new(pollInterval + (long)TimeoutMargin.TotalMilliseconds, (long)OfflineAfter.TotalMilliseconds);
}
