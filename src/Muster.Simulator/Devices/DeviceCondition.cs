namespace Muster.Simulator.Devices;

/// <summary>What becomes of a device's HTTP requests.</summary>
public enum Reach
{
    Fine,
    /// <summary>The request arrives, the answer is lost; the device waits for its time limit.</summary>
    AnswersLost,
    /// <summary>Nothing arrives and nothing comes back; the device waits for its time limit.</summary>
    Hanging,
    /// <summary>No route: fails at once.</summary>
    Dark,
}

/// <summary>What a device suffers from at present. The fold of the troubles under way.</summary>
public sealed record DeviceCondition
{
    public static readonly DeviceCondition Healthy = new();

    public bool Powered { get; init; } = true;

    public Reach Http { get; init; }

    /// <summary>The way of the tunnel is open.</summary>
    public bool TunnelOpen { get; init; } = true;

    /// <summary>The tunnel's end is not told: nothing arrives any more, so that the tunnel server notices only by silence.</summary>
    public bool TunnelFailsSilently { get; init; }

    /// <summary>The poll loop is stuck, reports go on.</summary>
    public bool PollsStopped { get; init; }

    public bool LockHeld { get; init; }

    public bool RejectsReleases { get; init; }

    /// <summary>Share of the device's bandwidth that is left.</summary>
    public double Bandwidth { get; init; } = 1;

    /// <summary>An OS update runs: the supervisor is stopped.</summary>
    public bool OsUpdate { get; init; }
}
