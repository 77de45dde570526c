using Muster.Simulator.Devices;

namespace Muster.Simulator.Scenarios;

public enum TroubleKind
{
    PowerOff,
    /// <summary>Both links die silently.</summary>
    NetworkOut,
    /// <summary>The same, for all devices of one site together.</summary>
    SiteOutage,
    /// <summary>The network goes and comes every half period.</summary>
    Flapping,
    /// <summary>Heartbeat without tunnel.</summary>
    NoTunnel,
    /// <summary>Tunnel without heartbeat.</summary>
    NoHeartbeat,
    /// <summary>Requests go out and nothing comes back; the server sees none of them.</summary>
    HangingRequests,
    /// <summary>Requests arrive, their answers are lost.</summary>
    LostAnswers,
    SlowDownload,
    RejectedRelease,
    UpdateLock,
    OsUpdate,
    /// <summary>Reports without polls.</summary>
    ReportOnly,
    Reboot,
    /// <summary>Switched off by the cloud, until somebody on the spot powers it on again.</summary>
    Shutdown,
    /// <summary>The supervisor alone starts again.</summary>
    Restart,
    /// <summary>Not a device's trouble: an operator points the fleet to its next release.</summary>
    NextRelease,
}

public static class Troubles
{
    /// <summary>The word in scenario files, reports and logs.</summary>
    public static string Word(this TroubleKind kind) => kind switch
    {
        TroubleKind.PowerOff => "power-off",
        TroubleKind.NetworkOut => "network-out",
        TroubleKind.SiteOutage => "site-outage",
        TroubleKind.Flapping => "flapping",
        TroubleKind.NoTunnel => "no-tunnel",
        TroubleKind.NoHeartbeat => "no-heartbeat",
        TroubleKind.HangingRequests => "hanging-requests",
        TroubleKind.LostAnswers => "lost-answers",
        TroubleKind.SlowDownload => "slow-download",
        TroubleKind.RejectedRelease => "rejected-release",
        TroubleKind.UpdateLock => "update-lock",
        TroubleKind.OsUpdate => "os-update",
        TroubleKind.ReportOnly => "report-only",
        TroubleKind.Reboot => "reboot",
        TroubleKind.Shutdown => "shutdown",
        TroubleKind.Restart => "restart",
        TroubleKind.NextRelease => "next-release",
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    public static TroubleKind? Kind(string word) =>
        Enum.GetValues<TroubleKind>().Where(k => k.Word() == word).Select(k => (TroubleKind?)k).FirstOrDefault();

    /// <summary>Whether it has no duration: it happens, and the device goes on by itself.</summary>
    public static bool IsMoment(this TroubleKind kind) => kind is TroubleKind.Reboot or TroubleKind.Shutdown or TroubleKind.Restart or TroubleKind.NextRelease;

    /// <summary>A device under all of these at once: of each thing the worst.</summary>
    public static DeviceCondition Condition(IEnumerable<TroubleKind> underWay)
    {
        var condition = DeviceCondition.Healthy;
        foreach (var kind in underWay)
        {
            condition = kind switch
            {
                TroubleKind.PowerOff => condition with { Powered = false },
                TroubleKind.NetworkOut or TroubleKind.SiteOutage or TroubleKind.Flapping => condition with { Http = Reach.Dark, TunnelOpen = false, TunnelFailsSilently = true },
                TroubleKind.NoTunnel => condition with { TunnelOpen = false },
                TroubleKind.NoHeartbeat => condition with { Http = Reach.Dark },
                TroubleKind.HangingRequests => condition with { Http = Worse(condition.Http, Reach.Hanging), TunnelOpen = false, TunnelFailsSilently = true },
                TroubleKind.LostAnswers => condition with { Http = Worse(condition.Http, Reach.AnswersLost) },
                TroubleKind.SlowDownload => condition with { Bandwidth = 0.1 },
                TroubleKind.RejectedRelease => condition with { RejectsReleases = true },
                TroubleKind.UpdateLock => condition with { LockHeld = true },
                TroubleKind.OsUpdate => condition with { OsUpdate = true },
                TroubleKind.ReportOnly => condition with { PollsStopped = true },
                _ => condition,
            };
        }

        return condition;
    }

    private static Reach Worse(Reach a, Reach b) => a > b ? a : b;
}
