using System.Collections.Immutable;

namespace Muster.Core.Status;

/// <summary>A field that a report may carry or leave out. Left out means "as before"; carried null means null.</summary>
public readonly record struct Reported<T>(bool IsPresent, T Value)
{
    public static implicit operator Reported<T>(T value) => new(true, value);

    public T Or(T before) => IsPresent ? Value : before;
}

/// <summary>
/// What a device said of itself, checked, cut to its limits, with releases and images resolved to our ids
/// (docs/device-protocol.md, "Limits of a state report"). One type for v3, v2 and the OS tools' PATCH.
/// </summary>
public sealed record StateReport
{
    public static readonly StateReport Empty = new();

    public Reported<string?> Status { get; init; }
    public Reported<string?> OsVersion { get; init; }
    public Reported<string?> OsVariant { get; init; }
    public Reported<string?> SupervisorVersion { get; init; }
    public Reported<string?> ProvisioningState { get; init; }
    public Reported<int?> ProvisioningProgress { get; init; }
    public Reported<int?> DownloadProgress { get; init; }
    public Reported<string?> IpAddress { get; init; }
    public Reported<string?> MacAddress { get; init; }
    public Reported<int?> ApiPort { get; init; }
    public Reported<string?> ApiSecret { get; init; }
    public Reported<int?> MemoryUsage { get; init; }
    public Reported<int?> MemoryTotal { get; init; }
    public Reported<string?> StorageBlockDevice { get; init; }
    public Reported<int?> StorageUsage { get; init; }
    public Reported<int?> StorageTotal { get; init; }
    public Reported<int?> CpuUsage { get; init; }
    public Reported<int?> CpuTemp { get; init; }
    public Reported<string?> CpuId { get; init; }
    public Reported<bool> IsUndervolted { get; init; }

    /// <summary>Address the report came from, as the server saw it.</summary>
    public Reported<string?> PublicAddress { get; init; }

    /// <summary>The release that runs, of the device's own fleet.</summary>
    public Reported<long?> RunningReleaseId { get; init; }

    public Reported<UpdateStatus> UpdateStatus { get; init; }

    /// <summary>What <see cref="UpdateStatus"/> is the lowest of: one for each release of the own fleet that is named, None where it tells no status.</summary>
    public Reported<ImmutableArray<ReleaseUpdate>> ReleaseUpdates { get; init; }

    /// <summary>
    /// Releases that are named without a word about their services: a supervisor that rejects an app reports its releases
    /// so, while their containers run on. Their installs on record stay.
    /// </summary>
    public ImmutableArray<long> SilentReleases { get; init; } = [];

    /// <summary>The fleet that the releases and installs are of; null when the report names none.</summary>
    public long? OfFleet { get; init; }

    /// <summary>When present: all image installs of the device; an install on record and not named here becomes "deleted".</summary>
    public Reported<ImmutableArray<ServiceInstall>> Installs { get; init; }

    /// <summary>The report without what it says of releases: the device has left their fleet.</summary>
    public StateReport WithoutReleases() => this with { RunningReleaseId = default, UpdateStatus = default, ReleaseUpdates = default, SilentReleases = [], Installs = default };
}
