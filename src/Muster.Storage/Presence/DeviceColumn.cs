using Muster.Core.Status;

namespace Muster.Storage.Presence;

/// <summary>A column of <c>device</c> that the partition writes, and where its value stands. Exactly one of the two getters is set.</summary>
internal sealed record DeviceColumn(string Name, DeviceColumns Group, Func<DeviceState, string?>? Text = null, Func<DeviceState, long?>? Number = null)
{
    /// <summary>All of them, in the order in which <see cref="PresenceReader"/> reads them.</summary>
    public static readonly DeviceColumn[] All =
    [
        OfText(DeviceColumns.Reported, "status", s => s.Reported.Status),
        OfText(DeviceColumns.Reported, "provisioning_state", s => s.Reported.ProvisioningState),
        OfNumber(DeviceColumns.Reported, "provisioning_progress", s => s.Reported.ProvisioningProgress),
        OfNumber(DeviceColumns.Reported, "download_progress", s => s.Reported.DownloadProgress),
        OfText(DeviceColumns.Reported, "os_version", s => s.Reported.OsVersion),
        OfText(DeviceColumns.Reported, "os_variant", s => s.Reported.OsVariant),
        OfText(DeviceColumns.Reported, "supervisor_version", s => s.Reported.SupervisorVersion),
        OfText(DeviceColumns.Reported, "ip_address", s => s.Reported.IpAddress),
        OfText(DeviceColumns.Reported, "mac_address", s => s.Reported.MacAddress),
        OfText(DeviceColumns.Reported, "public_address", s => s.Reported.PublicAddress),
        OfNumber(DeviceColumns.Reported, "api_port", s => s.Reported.ApiPort),
        OfText(DeviceColumns.Reported, "api_secret", s => s.Reported.ApiSecret),
        OfNumber(DeviceColumns.Reported, "memory_usage", s => s.Reported.MemoryUsage),
        OfNumber(DeviceColumns.Reported, "memory_total", s => s.Reported.MemoryTotal),
        OfText(DeviceColumns.Reported, "storage_block_device", s => s.Reported.StorageBlockDevice),
        OfNumber(DeviceColumns.Reported, "storage_usage", s => s.Reported.StorageUsage),
        OfNumber(DeviceColumns.Reported, "storage_total", s => s.Reported.StorageTotal),
        OfNumber(DeviceColumns.Reported, "cpu_usage", s => s.Reported.CpuUsage),
        OfNumber(DeviceColumns.Reported, "cpu_temp", s => s.Reported.CpuTemp),
        OfText(DeviceColumns.Reported, "cpu_id", s => s.Reported.CpuId),
        OfNumber(DeviceColumns.Reported, "is_undervolted", s => s.Reported.IsUndervolted ? 1 : 0),
        OfNumber(DeviceColumns.Reported, "update_status_changed_at", s => s.Reported.UpdateStatusChangedAt),
        OfText(DeviceColumns.Update, "update_status", s => s.Reported.UpdateStatus.Word()),
        OfNumber(DeviceColumns.Update, "running_release_id", s => s.Reported.RunningReleaseId),
        OfText(DeviceColumns.Heartbeat, "heartbeat", s => s.Heartbeat.Word()),
        OfNumber(DeviceColumns.Heartbeat, "heartbeat_changed_at", s => s.HeartbeatChangedAt),
        OfNumber(DeviceColumns.Cloudlink, "cloudlink_connected", s => s.CloudlinkConnected ? 1 : 0),
        OfNumber(DeviceColumns.Cloudlink, "cloudlink_changed_at", s => s.CloudlinkChangedAt),
        OfNumber(DeviceColumns.Cloudlink, "connectivity_changed_at", s => s.ConnectivityChangedAt),
        OfNumber(DeviceColumns.Cloudlink, "service_instance_id", s => s.ServiceInstanceId),
        OfNumber(DeviceColumns.Cloudlink, "cloudlink_epoch", s => s.CloudlinkEpoch),
        OfText(DeviceColumns.Status, "overall_status", s => s.Status.Word()),
        OfNumber(DeviceColumns.Status, "overall_progress", s => s.Progress),
        OfText(DeviceColumns.Status, "status_reason", s => s.Reason.Word()),
        OfNumber(DeviceColumns.Status, "status_since", s => s.StatusSince),
        OfText(DeviceColumns.Reported, "update_detail", s => s.UpdateDetail),
        OfText(DeviceColumns.Reported, "update_releases", s => ReleaseUpdate.Text(s.Reported.ReleaseUpdates)),
        OfNumber(DeviceColumns.Reported, "update_moved_at", s => s.Reported.UpdateMovedAt),
        OfText(DeviceColumns.Cloudlink, "tunnels_elsewhere", s => s.Elsewhere.Text),
    ];

    /// <summary>The groups of columns in which two states of one device differ.</summary>
    public static DeviceColumns Difference(DeviceState before, DeviceState after)
    {
        var groups = DeviceColumns.None;
        foreach (var column in All)
        {
            if ((groups & column.Group) == 0 && !column.SameIn(before, after))
                groups |= column.Group;
        }

        return groups;
    }

    private bool SameIn(DeviceState a, DeviceState b) =>
        Text is not null ? string.Equals(Text(a), Text(b), StringComparison.Ordinal) : Number!(a) == Number(b);

    private static DeviceColumn OfText(DeviceColumns group, string name, Func<DeviceState, string?> text) => new(name, group, Text: text);

    private static DeviceColumn OfNumber(DeviceColumns group, string name, Func<DeviceState, long?> number) => new(name, group, Number: number);
}
