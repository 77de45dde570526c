namespace Muster.Core.Status;

/// <summary>The words of the wire and of the database for the enums of this folder.</summary>
public static class StatusWords
{
    public static string Word(this HeartbeatState state) => state switch
    {
        HeartbeatState.Online => "online",
        HeartbeatState.Timeout => "timeout",
        HeartbeatState.Offline => "offline",
        _ => "unknown",
    };

    public static HeartbeatState Heartbeat(string word) => word switch
    {
        "online" => HeartbeatState.Online,
        "timeout" => HeartbeatState.Timeout,
        "offline" => HeartbeatState.Offline,
        _ => HeartbeatState.Unknown,
    };

    public static string Word(this OverallStatus status) => status switch
    {
        OverallStatus.Inactive => "inactive",
        OverallStatus.Frozen => "frozen",
        OverallStatus.PostProvisioning => "post-provisioning",
        OverallStatus.Configuring => "configuring",
        OverallStatus.Disconnected => "disconnected",
        OverallStatus.Updating => "updating",
        OverallStatus.ReducedFunctionality => "reduced-functionality",
        OverallStatus.Operational => "operational",
        _ => throw new ArgumentOutOfRangeException(nameof(status)),
    };

    public static OverallStatus Overall(string word) => word switch
    {
        "inactive" => OverallStatus.Inactive,
        "frozen" => OverallStatus.Frozen,
        "post-provisioning" => OverallStatus.PostProvisioning,
        "configuring" => OverallStatus.Configuring,
        "disconnected" => OverallStatus.Disconnected,
        "updating" => OverallStatus.Updating,
        "reduced-functionality" => OverallStatus.ReducedFunctionality,
        "operational" => OverallStatus.Operational,
        _ => throw new ArgumentOutOfRangeException(nameof(word), word, "not an overall status"),
    };

    public static string Word(this StatusReason reason) => reason switch
    {
        StatusReason.NeverSeen => "never-seen",
        StatusReason.Deactivated => "deactivated",
        StatusReason.Frozen => "frozen",
        StatusReason.Provisioning => "provisioning",
        StatusReason.NotPolledYet => "not-polled-yet",
        StatusReason.NoHeartbeatNoCloudlink => "no-heartbeat-no-cloudlink",
        StatusReason.OsConfiguration => "os-configuration",
        StatusReason.DownloadingImages => "downloading-images",
        StatusReason.HeartbeatMissing => "heartbeat-missing",
        StatusReason.CloudlinkMissing => "cloudlink-missing",
        StatusReason.AllLinksWork => "all-links-work",
        StatusReason.CloudlinkNotExpected => "cloudlink-not-expected",
        _ => throw new ArgumentOutOfRangeException(nameof(reason)),
    };

    /// <summary>The reverse of <see cref="Word(StatusReason)"/>; a word of a later version reads as never seen until the rule runs again.</summary>
    public static StatusReason Reason(string word) => Reasons.GetValueOrDefault(word, StatusReason.NeverSeen);

    public static string? Word(this UpdateStatus status) => status switch
    {
        UpdateStatus.Rejected => "rejected",
        UpdateStatus.Aborted => "aborted",
        UpdateStatus.Downloading => "downloading",
        UpdateStatus.Downloaded => "downloaded",
        UpdateStatus.ApplyingChanges => "applying changes",
        UpdateStatus.Done => "done",
        _ => null,
    };

    /// <summary>Null for a word that is no update status (a report with it is refused with 400).</summary>
    public static UpdateStatus? Update(string? word) => word switch
    {
        null => UpdateStatus.None,
        "rejected" => UpdateStatus.Rejected,
        "aborted" => UpdateStatus.Aborted,
        "downloading" => UpdateStatus.Downloading,
        "downloaded" => UpdateStatus.Downloaded,
        "applying changes" => UpdateStatus.ApplyingChanges,
        "done" => UpdateStatus.Done,
        _ => null,
    };

    private static readonly Dictionary<string, StatusReason> Reasons = Enum.GetValues<StatusReason>().ToDictionary(r => r.Word());
}
