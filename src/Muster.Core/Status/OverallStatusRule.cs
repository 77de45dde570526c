using System.Collections.Immutable;

namespace Muster.Core.Status;

/// <summary>
/// The one rule for the overall status (docs/device-statuses.md, "Order"; tests/cases/overall-status.jsonl). Words are
/// compared as existing clients know them: with case.
/// </summary>
public static class OverallStatusRule
{
    private const string PostProvisioning = "Post-Provisioning";
    private const string Downloading = "Downloading";
    private const string Deleted = "deleted";

    public static StatusAnswer Evaluate(in DeviceFacts facts)
    {
        if (!facts.IsActive)
            return new(OverallStatus.Inactive, null, facts.EverSeen ? StatusReason.Deactivated : StatusReason.NeverSeen);
        if (facts.IsFrozen)
            return new(OverallStatus.Frozen, null, StatusReason.Frozen);
        if (facts.ProvisioningState == PostProvisioning)
            return new(OverallStatus.PostProvisioning, facts.ProvisioningProgress, StatusReason.Provisioning);
        if (!facts.CloudlinkConnected && facts.Heartbeat is HeartbeatState.Unknown && !facts.EverOnCloudlink)
            return new(OverallStatus.Configuring, facts.ProvisioningProgress, StatusReason.NotPolledYet);
        if (!facts.CloudlinkConnected && facts.Heartbeat is HeartbeatState.Unknown or HeartbeatState.Offline)
            return new(OverallStatus.Disconnected, null, StatusReason.NoHeartbeatNoCloudlink);
        return Connected(facts);
    }

    /// <summary>At least one link is there, or was until a moment ago.</summary>
    private static StatusAnswer Connected(in DeviceFacts facts)
    {
        var deviceDownloads = facts.ReportedStatus == Downloading && facts.DownloadProgress is not null;
        var imagesDownload = AnyImageDownloads(facts.Installs);
        var progress = deviceDownloads ? facts.DownloadProgress
            : facts.ProvisioningProgress is { } provisioning ? provisioning
            : imagesDownload ? DownloadAverage(facts)
            : null;
        // Without a heartbeat nobody knows whether the download still runs: then the missing link is the news.
        var heard = facts.Heartbeat is HeartbeatState.Online or HeartbeatState.Timeout;

        if (heard && deviceDownloads)
            return new(OverallStatus.Updating, progress, StatusReason.DownloadingImages);
        if (facts.ProvisioningProgress is not null)
            return new(OverallStatus.Configuring, progress, StatusReason.OsConfiguration);
        if (heard && imagesDownload)
            return new(OverallStatus.Updating, progress, StatusReason.DownloadingImages);
        if (facts.Heartbeat is not HeartbeatState.Online)
            return new(OverallStatus.ReducedFunctionality, progress, StatusReason.HeartbeatMissing);
        if (facts.CloudlinkConnected)
            return new(OverallStatus.Operational, null, StatusReason.AllLinksWork);
        return facts.CloudlinkExpected
            ? new(OverallStatus.ReducedFunctionality, null, StatusReason.CloudlinkMissing)
            : new(OverallStatus.Operational, null, StatusReason.CloudlinkNotExpected);
    }

    private static bool AnyImageDownloads(ImmutableArray<ServiceInstall> installs)
    {
        foreach (var install in installs)
        {
            if (install is { Status: Downloading, Progress: not null })
                return true;
        }

        return false;
    }

    /// <summary>
    /// Mean over the images of the target release and every image under way, where an image that reports no progress is
    /// there already; halves round up.
    /// </summary>
    private static int DownloadAverage(in DeviceFacts facts)
    {
        long sum = 0, count = 0;
        foreach (var install in facts.Installs)
        {
            if (install.Status == Deleted || (install.Status != Downloading && install.ReleaseId != facts.TargetReleaseId))
                continue;
            sum += install.Progress ?? 100;
            count++;
        }

        return (int)Math.Floor((sum / (double)count) + 0.5);
    }
}
