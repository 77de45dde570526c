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

    /// <summary>Each piece of advice once: the explanation's own comes first, with the place where it is followed.</summary>
    public static IReadOnlyList<NextStep> For(DeviceEvidence evidence)
    {
        if (StatusExplanation.Of(evidence.Facts, evidence.Answer).NextStep is not { } said)
            return [];
        return evidence.Answer.Reason switch
        {
            StatusReason.HeartbeatMissing when evidence.Facts.CloudlinkConnected =>
                [new(said, "terminal", "terminal"), new("Run a health check and pull diagnostics over the cloudlink:", "health", "health"), Logs],
            StatusReason.HeartbeatMissing or StatusReason.NoHeartbeatNoCloudlink =>
                [new(said + " A device on battery or a metered link may be off on purpose."), Logs],
            StatusReason.CloudlinkMissing => [new(said, "variables", "configuration")],
            StatusReason.DownloadingImages or StatusReason.NotPolledYet => [new(said, "logs", "logs")],
            StatusReason.OsConfiguration => [new(said), Logs],
            StatusReason.Deactivated or StatusReason.Frozen => [new(said, "settings", "settings")],
            _ => [new(said)],
        };
    }
}
