namespace Muster.Simulator.Devices;

/// <summary>
/// The periods of a supervisor and of its tunnel, in milliseconds. The values are those of balena-supervisor v19
/// (docs/device-protocol.md).
/// </summary>
public sealed record SupervisorTimings
{
    public static readonly SupervisorTimings Stock = new();

    /// <summary>The interval of config.json, used until the cloud's configuration names another.</summary>
    public long PollInterval { get; init; } = 900_000;

    /// <summary>Each sleep between two polls is longer than the interval by a uniform random part of this.</summary>
    public long PollJitter { get; init; } = 60_000;

    /// <summary>The least time between two reports, counted from the last successful one.</summary>
    public long ReportInterval { get; init; } = 10_000;

    /// <summary>The least time between two reports that carry nothing but metrics.</summary>
    public long MetricsInterval { get; init; } = 300_000;

    /// <summary>First pause after an error of a poll or report; it doubles with each further error.</summary>
    public long RetryBase { get; init; } = 15_000;

    /// <summary>Pause after a failed registration; it does not grow.</summary>
    public long RegistrationRetry { get; init; } = 30_000;

    /// <summary>How long a request may take.</summary>
    public long RequestTimeout { get; init; } = 59_000;

    /// <summary>From power on to the supervisor's first request.</summary>
    public long Boot { get; init; } = 20_000;

    /// <summary>From a shutdown by the cloud until somebody on the spot powers the device on again.</summary>
    public long OffAfterShutdown { get; init; } = 600_000;

    /// <summary>Killing the old containers and starting the new ones.</summary>
    public long Apply { get; init; } = 6_000;

    /// <summary>From the last container's start to the moment at which the release counts as settled.</summary>
    public long Settle { get; init; } = 1_000;

    /// <summary>From network up to tunnel up.</summary>
    public long TunnelConnect { get; init; } = 3_000;

    /// <summary>After this much silence the tunnel server ends a session (ping-exit 120).</summary>
    public long TunnelSilence { get; init; } = 119_000;

    /// <summary>The tunnel server tells the API of its sessions at most once per this time.</summary>
    public long TunnelBatch { get; init; } = 1_000;

    /// <summary>The same supervisor in a hurry: everything but the poll interval is <paramref name="factor"/> times shorter.</summary>
    public SupervisorTimings Scaled(double factor)
    {
        long Shorter(long period) => Math.Max(1, (long)(period / factor));
        return this with
        {
            PollJitter = Shorter(PollJitter),
            ReportInterval = Shorter(ReportInterval),
            MetricsInterval = Shorter(MetricsInterval),
            RetryBase = Shorter(RetryBase),
            RegistrationRetry = Shorter(RegistrationRetry),
            RequestTimeout = Shorter(RequestTimeout),
            Boot = Shorter(Boot),
            OffAfterShutdown = Shorter(OffAfterShutdown),
            Apply = Shorter(Apply),
            Settle = Shorter(Settle),
            TunnelConnect = Shorter(TunnelConnect),
            TunnelSilence = Shorter(TunnelSilence),
            TunnelBatch = Shorter(TunnelBatch),
        };
    }

    /// <summary>min(<paramref name="cap"/>, base · 2^errors), with errors counted from 0.</summary>
    public long Backoff(int errors, long cap) =>
        errors >= 30 ? cap : Math.Min(cap, RetryBase << errors);
}
