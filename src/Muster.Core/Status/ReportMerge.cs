using System.Collections.Immutable;

namespace Muster.Core.Status;

/// <summary>What a report makes of what a device said before.</summary>
/// <param name="After">Equal to the state before when the report said nothing new.</param>
/// <param name="InstallChanges">Rows to write: new or changed installs, and with status "deleted" those that are gone.</param>
public readonly record struct MergedReport(ReportedState After, ImmutableArray<ServiceInstall> InstallChanges);

/// <summary>Merges a state report into what a device said before (docs/device-protocol.md, "Limits of a state report").</summary>
public static class ReportMerge
{
    private const string Deleted = "deleted";
    private const string Running = "Running";
    private const string Downloading = "Downloading";
    private const string Downloaded = "Downloaded";

    /// <summary>The same report merged again changes nothing more, unless it tells of a boot (<see cref="UpdateStatusRule.IsFirstSinceBoot"/>).</summary>
    /// <param name="targetRelease">The release the device should run: see <see cref="DeviceFacts.TargetReleaseId"/>.</param>
    /// <param name="at">When the report came, Unix ms.</param>
    public static MergedReport Apply(ReportedState before, StateReport report, long? targetRelease, long at)
    {
        var changes = ImmutableArray.CreateBuilder<ServiceInstall>();
        var installs = report.Installs.IsPresent
            ? Merge(before.Installs, OnePerImage(report.Installs.Value, targetRelease), report.SilentReleases, changes)
            : before.Installs;
        var updates = Updates(before, report);
        var updateStatus = !updates.IsDefault ? ReleaseUpdate.Lowest(updates) : report.UpdateStatus.Or(before.UpdateStatus);
        var entered = updateStatus != before.UpdateStatus || Reenters(report, updateStatus, ServiceStarted(before.Installs, installs));
        var moved = entered || report.DownloadProgress.Or(before.DownloadProgress) != before.DownloadProgress || DownloadMoved(changes);
        var after = before with
        {
            Status = report.Status.Or(before.Status),
            OsVersion = report.OsVersion.Or(before.OsVersion),
            OsVariant = report.OsVariant.Or(before.OsVariant),
            SupervisorVersion = report.SupervisorVersion.Or(before.SupervisorVersion),
            ProvisioningState = report.ProvisioningState.Or(before.ProvisioningState),
            ProvisioningProgress = report.ProvisioningProgress.Or(before.ProvisioningProgress),
            DownloadProgress = report.DownloadProgress.Or(before.DownloadProgress),
            IpAddress = report.IpAddress.Or(before.IpAddress),
            MacAddress = report.MacAddress.Or(before.MacAddress),
            PublicAddress = report.PublicAddress.Or(before.PublicAddress),
            ApiPort = report.ApiPort.Or(before.ApiPort),
            ApiSecret = report.ApiSecret.Or(before.ApiSecret),
            MemoryUsage = report.MemoryUsage.Or(before.MemoryUsage),
            MemoryTotal = report.MemoryTotal.Or(before.MemoryTotal),
            StorageBlockDevice = report.StorageBlockDevice.Or(before.StorageBlockDevice),
            StorageUsage = report.StorageUsage.Or(before.StorageUsage),
            StorageTotal = report.StorageTotal.Or(before.StorageTotal),
            CpuUsage = report.CpuUsage.Or(before.CpuUsage),
            CpuTemp = report.CpuTemp.Or(before.CpuTemp),
            CpuId = report.CpuId.Or(before.CpuId),
            IsUndervolted = report.IsUndervolted.Or(before.IsUndervolted),
            RunningReleaseId = report.RunningReleaseId.Or(before.RunningReleaseId),
            UpdateStatus = updateStatus,
            UpdateStatusChangedAt = entered ? at : before.UpdateStatusChangedAt,
            UpdateMovedAt = moved ? at : before.UpdateMovedAt,
            ReleaseUpdates = updates,
            Installs = installs,
        };
        return new(after, changes.DrainToImmutable());
    }

    /// <summary>
    /// To the device a boot or the restart of a service is the same as an installation, so it is an update event though
    /// the value is the same. An identical value in a report about something else is not.
    /// </summary>
    private static bool Reenters(StateReport report, UpdateStatus status, bool serviceStarted) =>
        status is not UpdateStatus.None
        && (UpdateStatusRule.IsFirstSinceBoot(report) || (report.UpdateStatus.IsPresent && serviceStarted));

    /// <summary>
    /// What is known per release after the report. A release that is named without a status keeps the one that it had; one
    /// that is named no longer has none, unless the report names no release at all (recordings, state-patch-v3). Supervisors
    /// of before update statuses tell none: after a downgrade the last one ends.
    /// </summary>
    private static ImmutableArray<ReleaseUpdate> Updates(ReportedState before, StateReport report)
    {
        if (!report.UpdateStatus.IsPresent && (report.Installs.IsPresent || report.SupervisorVersion.IsPresent)
            && UpdateStatusRule.IsUntold(report.SupervisorVersion.Or(before.SupervisorVersion)))
            return before.UpdateStatus is UpdateStatus.None ? before.ReleaseUpdates : [];
        if (!report.ReleaseUpdates.IsPresent)
            return report.UpdateStatus.IsPresent && report.UpdateStatus.Value != before.UpdateStatus ? default : before.ReleaseUpdates;
        var named = report.ReleaseUpdates.Value;
        if (named.IsEmpty || (before.ReleaseUpdates.IsDefault && !report.UpdateStatus.IsPresent))
            return before.ReleaseUpdates;
        var after = ImmutableArray.CreateBuilder<ReleaseUpdate>(named.Length);
        foreach (var update in named)
        {
            var status = update.Status is UpdateStatus.None ? Known(before.ReleaseUpdates, update.ReleaseId) : update.Status;
            if (status is not UpdateStatus.None)
                after.Add(new(update.ReleaseId, status));
        }

        var all = after.DrainToImmutable();
        return ReleaseUpdate.Same(before.ReleaseUpdates, all) ? before.ReleaseUpdates : all;
    }

    private static UpdateStatus Known(ImmutableArray<ReleaseUpdate> updates, long release)
    {
        if (updates.IsDefault)
            return UpdateStatus.None;
        foreach (var update in updates)
        {
            if (update.ReleaseId == release)
                return update.Status;
        }

        return UpdateStatus.None;
    }

    private static bool DownloadMoved(ImmutableArray<ServiceInstall>.Builder changes)
    {
        foreach (var change in changes)
        {
            if (change.Progress is not null || change.Status is Downloading or Downloaded)
                return true;
        }

        return false;
    }

    private static bool ServiceStarted(ImmutableArray<ServiceInstall> before, ImmutableArray<ServiceInstall> after)
    {
        foreach (var install in after)
        {
            if (install.Status == Running && Find(before, install.ImageId)?.Status != Running)
                return true;
        }

        return false;
    }

    private static ImmutableArray<ServiceInstall> Merge(ImmutableArray<ServiceInstall> before, ImmutableArray<ServiceInstall>.Builder reported, ImmutableArray<long> silent, ImmutableArray<ServiceInstall>.Builder changes)
    {
        for (var i = reported.Count - 1; i >= 0; i--)
        {
            if (reported[i].Status.Length > 0)
                continue;
            // A word that nobody knows: the one on record stays.
            if (Find(before, reported[i].ImageId) is { } onRecord)
                reported[i] = reported[i] with { Status = onRecord.Status };
            else
                reported.RemoveAt(i);
        }

        foreach (var install in before)
        {
            // A release that is rejected downloads nothing; what runs, runs on.
            if (silent.Contains(install.ReleaseId) && install.Status is not (Deleted or Downloading) && !Names(reported, install.ImageId))
                reported.Add(install);
        }

        var after = reported.DrainToImmutable();
        foreach (var install in after)
        {
            if (Find(before, install.ImageId) != install)
                changes.Add(install);
        }

        foreach (var install in before)
        {
            if (install.Status != Deleted && Find(after, install.ImageId) is null)
                changes.Add(install with { Status = Deleted, Progress = null });
        }

        return changes.Count == 0 ? before : after;
    }

    /// <summary>An image that two releases share is one row; the target release's word about it wins.</summary>
    private static ImmutableArray<ServiceInstall>.Builder OnePerImage(ImmutableArray<ServiceInstall> reported, long? targetRelease)
    {
        var installs = ImmutableArray.CreateBuilder<ServiceInstall>(reported.Length);
        foreach (var install in reported)
        {
            var same = 0;
            while (same < installs.Count && installs[same].ImageId != install.ImageId)
                same++;
            if (same == installs.Count)
                installs.Add(install);
            else if (installs[same].ReleaseId != targetRelease)
                installs[same] = install;
        }

        return installs;
    }

    private static bool Names(ImmutableArray<ServiceInstall>.Builder installs, long image)
    {
        foreach (var install in installs)
        {
            if (install.ImageId == image)
                return true;
        }

        return false;
    }

    private static ServiceInstall? Find(ImmutableArray<ServiceInstall> installs, long image)
    {
        foreach (var install in installs)
        {
            if (install.ImageId == image)
                return install;
        }

        return null;
    }
}
