using System.Collections.Immutable;

namespace Muster.Core.Status;

/// <summary>The update status of a device (docs/device-statuses.md, "Update statuses").</summary>
public static class UpdateStatusRule
{
    /// <summary>The lower of two releases' values: the device's is the lowest present over the releases of its own fleet's app. None stands for a release without one.</summary>
    public static UpdateStatus Lower(UpdateStatus one, UpdateStatus other) =>
        one is UpdateStatus.None || (other is not UpdateStatus.None && other < one) ? other : one;

    /// <summary>The supervisor from which on devices report update statuses (docs/device-statuses.md, "Update statuses").</summary>
    public static readonly Version ToldSince = new(16, 7, 0);

    /// <summary>Whether a supervisor of this version is known to report no update statuses.</summary>
    public static bool IsUntold(string? supervisor) => VersionOf(supervisor) is { } version && version < ToldSince;

    /// <summary>The first three numbers: "v16.7.0-rc1" is 16.7.0; null when there are none.</summary>
    public static Version? VersionOf(string? supervisor)
    {
        var numbers = string.Concat((supervisor ?? "").TrimStart('v').TakeWhile(c => char.IsAsciiDigit(c) || c == '.'));
        return Version.TryParse(numbers, out var version) ? version : null;
    }

    /// <summary>
    /// Whether this is the first report since the device booted. A supervisor sends a field once, when it changes;
    /// what it resets at its start (status "Idle", no provisioning progress) comes together with what never changes
    /// while it runs (the OS version) only when it has forgotten what it reported: its memory of that lies in /tmp,
    /// which outlives the process and not the boot (docs/device-protocol.md, "State reports").
    /// </summary>
    public static bool IsFirstSinceBoot(StateReport report) =>
        report.OsVersion.IsPresent
        && report.Status is { IsPresent: true, Value: "Idle" }
        && report.ProvisioningProgress is { IsPresent: true, Value: null };

    /// <summary>What can be said beyond the word, from the images of the target release and those under way.</summary>
    public static string? Detail(UpdateStatus status, ImmutableArray<ServiceInstall> installs, long? targetRelease)
    {
        int images = 0, present = 0, running = 0;
        long percent = 0;
        foreach (var install in installs)
        {
            if (install.ReleaseId != targetRelease && install.Status != "Downloading")
                continue;
            images++;
            percent += install.Progress ?? 100;
            present += install.Status == "Downloading" ? 0 : 1;
            running += install.Status == "Running" ? 1 : 0;
        }

        return status switch
        {
            UpdateStatus.Rejected => "The device does not meet the requirements of a service of the target release.",
            UpdateStatus.Aborted => "The device has given up on the target release.",
            UpdateStatus.Downloading when images > 0 => $"{present} of {images} images present, {percent / images} % downloaded.",
            UpdateStatus.Downloaded => "All images are present; the device has not begun to change its services. It may hold an update lock.",
            UpdateStatus.ApplyingChanges when images > 0 => $"{running} of {images} services running.",
            _ => null,
        };
    }
}
