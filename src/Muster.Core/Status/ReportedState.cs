using System.Collections.Immutable;

namespace Muster.Core.Status;

/// <summary>
/// What a device last said of itself: the sum of its <see cref="StateReport"/>s, as it stands on record. Field names and
/// limits are those of <see cref="StateReport"/>.
/// </summary>
public sealed record ReportedState
{
    /// <summary>Of a device that never reported.</summary>
    public static readonly ReportedState Empty = new();

    public string? Status { get; init; }
    public string? OsVersion { get; init; }
    public string? OsVariant { get; init; }
    public string? SupervisorVersion { get; init; }
    public string? ProvisioningState { get; init; }
    public int? ProvisioningProgress { get; init; }
    public int? DownloadProgress { get; init; }
    public string? IpAddress { get; init; }
    public string? MacAddress { get; init; }
    public string? PublicAddress { get; init; }
    public int? ApiPort { get; init; }
    public string? ApiSecret { get; init; }
    public int? MemoryUsage { get; init; }
    public int? MemoryTotal { get; init; }
    public string? StorageBlockDevice { get; init; }
    public int? StorageUsage { get; init; }
    public int? StorageTotal { get; init; }
    public int? CpuUsage { get; init; }
    public int? CpuTemp { get; init; }
    public string? CpuId { get; init; }
    public bool IsUndervolted { get; init; }
    public long? RunningReleaseId { get; init; }
    public UpdateStatus UpdateStatus { get; init; }

    /// <summary>When <see cref="UpdateStatus"/> was last entered; Unix ms.</summary>
    public long? UpdateStatusChangedAt { get; init; }

    /// <summary>When the update last went on: a new status, or a download that moved; Unix ms.</summary>
    public long? UpdateMovedAt { get; init; }

    /// <summary>What <see cref="UpdateStatus"/> is the lowest of, as far as the releases still exist; default when that is not known.</summary>
    public ImmutableArray<ReleaseUpdate> ReleaseUpdates { get; init; }

    /// <summary>Image installs that are not deleted.</summary>
    public ImmutableArray<ServiceInstall> Installs { get; init; } = [];
}
