using System.Collections.Immutable;

namespace Muster.Core.Status;

/// <summary>Whether the device reaches our HTTP API (docs/device-statuses.md, "Connectivity states").</summary>
public enum HeartbeatState : byte { Unknown, Online, Timeout, Offline }

/// <summary>The status people see (docs/device-statuses.md).</summary>
public enum OverallStatus : byte { Inactive, Frozen, PostProvisioning, Configuring, Disconnected, Updating, ReducedFunctionality, Operational }

/// <summary>How far the device is towards its target release (docs/device-statuses.md, "Update statuses"). Lowest present wins.</summary>
public enum UpdateStatus : byte { None, Rejected, Aborted, Downloading, Downloaded, ApplyingChanges, Done }

/// <summary>The rule's own account of an overall status. Stable codes; see <see cref="StatusWords"/>.</summary>
public enum StatusReason : byte
{
    /// <summary>Registered, and no contact of any kind since.</summary>
    NeverSeen,
    Deactivated,
    /// <summary>Outside its organization's allowance, or a paid fleet type on the free plan.</summary>
    Frozen,
    Provisioning,
    /// <summary>There was contact, but no poll of the target state yet.</summary>
    NotPolledYet,
    NoHeartbeatNoCloudlink,
    /// <summary>The device reports an OS or configuration change under way.</summary>
    OsConfiguration,
    DownloadingImages,
    HeartbeatMissing,
    CloudlinkMissing,
    AllLinksWork,
    /// <summary>Heartbeat works and no cloudlink is expected, by configuration.</summary>
    CloudlinkNotExpected,
}

/// <summary>One service's image on a device. Status as the supervisor words it ("Downloading", "Running", …; "deleted" when gone).
/// In a report, "" stands for a word that nobody knows: the status on record stays, and without one there is no install.</summary>
/// <param name="Progress">Percent of the download, or null.</param>
public readonly record struct ServiceInstall(long ImageId, long ReleaseId, string Status, int? Progress);

/// <summary>Everything the status rule reads (docs/design.md, "Words").</summary>
public readonly record struct DeviceFacts
{
    public DeviceFacts()
    {
    }

    public bool IsActive { get; init; }

    public bool IsFrozen { get; init; }

    /// <summary>Whether there ever was any contact by the device (for the reason of "inactive").</summary>
    public bool EverSeen { get; init; }

    public HeartbeatState Heartbeat { get; init; }

    public bool CloudlinkConnected { get; init; }

    /// <summary>Whether the device is there: it holds a tunnel, or polls as it should.</summary>
    public bool IsOnline => CloudlinkConnected || Heartbeat is HeartbeatState.Online;

    /// <summary>Whether anything reaches us from the device, or did until a moment ago.</summary>
    public bool IsHeard => CloudlinkConnected || Heartbeat is HeartbeatState.Online or HeartbeatState.Timeout;

    /// <summary>Whether it tells of an image under way.</summary>
    public bool IsDownloading => Installs.Any(i => i is { Status: "Downloading", Progress: not null });

    /// <summary>False when configuration switches the tunnel off (SUPERVISOR_VPN_CONTROL).</summary>
    public bool CloudlinkExpected { get; init; } = true;

    /// <summary>Whether the cloudlink was ever up or down on record (wire: last_connectivity_event is not null).</summary>
    public bool EverOnCloudlink { get; init; }

    public string? ReportedStatus { get; init; }

    public string? ProvisioningState { get; init; }

    public int? ProvisioningProgress { get; init; }

    public int? DownloadProgress { get; init; }

    /// <summary>The pinned release, else the fleet's target.</summary>
    public long? TargetReleaseId { get; init; }

    public ImmutableArray<ServiceInstall> Installs { get; init; } = [];
}

/// <summary>The rule's answer.</summary>
/// <param name="Progress">Percent, or null.</param>
public readonly record struct StatusAnswer(OverallStatus Status, int? Progress, StatusReason Reason);
