using Muster.Core.Status;

namespace Muster.Storage.Presence;

/// <summary>A column of <c>device</c> that the partition writes, and where its value stands. Exactly one of the two getters is set.</summary>
internal sealed record DeviceColumn(string Name, DeviceColumns Group, Func<DeviceState, string?>? Text = null, Func<DeviceState, long?>? Number = null)
{
    /// <summary>All of them, in the order in which <see cref="PresenceReader"/> reads them.</summary>
    public static readonly DeviceColumn[] All =
    [
        ReportedText("status", r => r.Status),
        ReportedText("provisioning_state", r => r.ProvisioningState),
        ReportedNumber("provisioning_progress", r => r.ProvisioningProgress),
        ReportedNumber("download_progress", r => r.DownloadProgress),
        ReportedText("os_version", r => r.OsVersion),
        ReportedText("os_variant", r => r.OsVariant),
        ReportedText("supervisor_version", r => r.SupervisorVersion),
        ReportedText("ip_address", r => r.IpAddress),
        ReportedText("mac_address", r => r.MacAddress),
        ReportedText("public_address", r => r.PublicAddress),
        ReportedNumber("api_port", r => r.ApiPort),
        ReportedText("api_secret", r => r.ApiSecret),
        ReportedNumber("memory_usage", r => r.MemoryUsage),
        ReportedNumber("memory_total", r => r.MemoryTotal),
        ReportedText("storage_block_device", r => r.StorageBlockDevice),
        ReportedNumber("storage_usage", r => r.StorageUsage),
        ReportedNumber("storage_total", r => r.StorageTotal),
        ReportedNumber("cpu_usage", r => r.CpuUsage),
        ReportedNumber("cpu_temp", r => r.CpuTemp),
        ReportedText("cpu_id", r => r.CpuId),
        ReportedNumber("is_undervolted", r => r.IsUndervolted ? 1 : 0),
        ReportedNumber("update_status_changed_at", r => r.UpdateStatusChangedAt),
        AnswerText("update_status", s => s.Reported.UpdateStatus.Word()),
        AnswerNumber("running_release_id", s => s.Reported.RunningReleaseId),
        AnswerText("heartbeat", s => s.Heartbeat.Word()),
        AnswerNumber("heartbeat_changed_at", s => s.HeartbeatChangedAt),
        AnswerNumber("cloudlink_connected", s => s.CloudlinkConnected ? 1 : 0),
        AnswerNumber("cloudlink_changed_at", s => s.CloudlinkChangedAt),
        AnswerNumber("connectivity_changed_at", s => s.ConnectivityChangedAt),
        AnswerNumber("service_instance_id", s => s.ServiceInstanceId),
        AnswerNumber("cloudlink_epoch", s => s.CloudlinkEpoch),
        AnswerText("overall_status", s => s.Status.Word()),
        AnswerNumber("overall_progress", s => s.Progress),
        AnswerText("status_reason", s => s.Reason.Word()),
        AnswerNumber("status_since", s => s.StatusSince),
        AnswerText("update_detail", s => s.UpdateDetail),
        AnswerNumber("silence_window_ms", s => s.Silence.Window),
        AnswerNumber("silence_offline_ms", s => s.Silence.OfflineAfter),
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

    private static DeviceColumn ReportedText(string name, Func<ReportedState, string?> text) => new(name, DeviceColumns.Reported, Text: s => text(s.Reported));

    private static DeviceColumn ReportedNumber(string name, Func<ReportedState, long?> number) => new(name, DeviceColumns.Reported, Number: s => number(s.Reported));

    private static DeviceColumn AnswerText(string name, Func<DeviceState, string?> text) => new(name, DeviceColumns.Answers, Text: text);

    private static DeviceColumn AnswerNumber(string name, Func<DeviceState, long?> number) => new(name, DeviceColumns.Answers, Number: number);
}
