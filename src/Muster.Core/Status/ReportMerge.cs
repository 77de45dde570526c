using System.Collections.Immutable;

namespace Muster.Core.Status;

/// <summary>What a report makes of what a device said before.</summary>
/// <param name="After">Equal to the state before when the report said nothing new.</param>
/// <param name="InstallChanges">Rows to write: new or changed installs, and with status "deleted" those that are gone.</param>
public readonly record struct MergedReport(ReportedState After, ImmutableArray<ServiceInstall> InstallChanges);

/// <summary>Merges a state report into what a device said before (protocol/device-api.md, "Rules of a state report").</summary>
public static class ReportMerge
{
    private const string Deleted = "deleted";
    private const string Running = "Running";

    /// <summary>The same report merged again changes nothing more, unless it tells of a boot (<see cref="UpdateStatusRule.IsFirstSinceBoot"/>).</summary>
    /// <param name="targetRelease">The release the device should run: see <see cref="DeviceFacts.TargetReleaseId"/>.</param>
    /// <param name="at">When the report came, Unix ms.</param>
    public static MergedReport Apply(ReportedState before, StateReport report, long? targetRelease, long at)
    {
        var changes = ImmutableArray.CreateBuilder<ServiceInstall>();
        var installs = report.Installs.IsPresent
            ? Merge(before.Installs, OnePerImage(report.Installs.Value, targetRelease), changes)
            : before.Installs;
        var updateStatus = report.UpdateStatus.Or(before.UpdateStatus);
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
            UpdateStatusChangedAt = updateStatus != before.UpdateStatus || Reenters(report, updateStatus, ServiceStarted(before.Installs, installs)) ? at : before.UpdateStatusChangedAt,
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

    private static bool ServiceStarted(ImmutableArray<ServiceInstall> before, ImmutableArray<ServiceInstall> after)
    {
        foreach (var install in after)
        {
            if (install.Status == Running && Find(before, install.ImageId)?.Status != Running)
                return true;
        }

        return false;
    }

    private static ImmutableArray<ServiceInstall> Merge(ImmutableArray<ServiceInstall> before, ImmutableArray<ServiceInstall>.Builder reported, ImmutableArray<ServiceInstall>.Builder changes)
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
