using Muster.Core.Status;
using Muster.Server.Presence;

namespace Muster.Server.Dashboard.Summary;

/// <summary>Something a person can do about a status.</summary>
/// <param name="Tab">The part of the page where it is done, or null.</param>
public sealed record NextStep(string Words, string? Tab = null, string? Link = null);

/// <summary>What to do about each reason, as the statuses' specification advises; most likely to help first.</summary>
public static class NextSteps
{
    private static readonly NextStep Logs = new("See what the device said last:", "logs", "logs");
    private static readonly NextStep Health = new("Run a health check and look at what it finds:", "health", "health checks");

    public static IReadOnlyList<NextStep> For(DeviceEvidence evidence)
    {
        var said = StatusExplanation.Of(evidence.Facts, evidence.Answer).NextStep;
        IEnumerable<NextStep> more = evidence.Answer.Reason switch
        {
            StatusReason.HeartbeatMissing when evidence.Facts.CloudlinkConnected =>
                [Health, new("The cloudlink is up: pull diagnostics over it. Until the heartbeat is back, releases, variables and local mode are not applied."), Logs],
            StatusReason.HeartbeatMissing or StatusReason.NoHeartbeatNoCloudlink =>
                [new("Is it powered, and has its network changed? A device on battery or a metered link may be off on purpose."), Logs],
            StatusReason.CloudlinkMissing =>
                [new("Have its network's firewall let the tunnel out to this server. Updates go on meanwhile; reboot, restart, purge and SSH need the cloudlink."), new("Not wanted? Switch it off among the variables:", "variables", "configuration")],
            StatusReason.DownloadingImages or StatusReason.OsConfiguration => [Logs],
            StatusReason.NotPolledYet => [Logs],
            StatusReason.Deactivated => [new("Activate it among its settings:", "settings", "settings")],
            StatusReason.Frozen => [new("Move it to another fleet among its settings:", "settings", "settings")],
            _ => [],
        };
        return said is null ? [.. more] : [new(said), .. more];
    }
}
