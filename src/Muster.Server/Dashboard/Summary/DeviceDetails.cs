using System.Text.Json.Serialization;

namespace Muster.Server.Dashboard.Summary;

/// <summary>What the page shows of a device's rows, as the resource API tells it to the person who looks.</summary>
public sealed record DeviceDetails
{
    public required long Id { get; init; }
    public required string Uuid { get; init; }
    public required string DeviceName { get; init; }
    public string? Note { get; init; }
    public DateTimeOffset CreatedAt { get; init; }
    public bool IsActive { get; init; }
    public bool IsFrozen { get; init; }
    public bool IsWebAccessible { get; init; }
    public string? OsVersion { get; init; }
    public string? OsVariant { get; init; }
    public string? SupervisorVersion { get; init; }
    public string? IpAddress { get; init; }
    public string? PublicAddress { get; init; }
    public string? MacAddress { get; init; }
    public string? Latitude { get; init; }
    public string? Longitude { get; init; }
    public string? Location { get; init; }
    public string? CustomLatitude { get; init; }
    public string? CustomLongitude { get; init; }
    public string? Status { get; init; }
    public string? ProvisioningState { get; init; }
    public int? ProvisioningProgress { get; init; }
    public bool IsUndervolted { get; init; }

    /// <summary>Percent.</summary>
    public int? CpuUsage { get; init; }

    /// <summary>Degrees Celsius.</summary>
    public int? CpuTemp { get; init; }

    /// <summary>MB, as the three below.</summary>
    public int? MemoryUsage { get; init; }
    public int? MemoryTotal { get; init; }
    public int? StorageUsage { get; init; }
    public int? StorageTotal { get; init; }
    public string? StorageBlockDevice { get; init; }

    [JsonPropertyName("is_accessible_by_support_until__date")] public DateTimeOffset? SupportAccessUntil { get; init; }
    [JsonPropertyName("device_tag")] public IReadOnlyList<TagView> Tags { get; init; } = [];
    [JsonPropertyName("image_install")] public IReadOnlyList<InstallView> Installs { get; init; } = [];

    [JsonIgnore] public FleetView Fleet => Fleets[0];
    [JsonIgnore] public DeviceTypeView Type => Types[0];
    [JsonIgnore] public ReleaseView? Running => RunningReleases is [var first, ..] ? first : null;
    [JsonIgnore] public ReleaseView? Pinned => PinnedReleases is [var first, ..] ? first : null;

    /// <summary>The pinned release, else the fleet's.</summary>
    [JsonIgnore] public ReleaseView? Target => TargetReleases is [var first, ..] ? first : null;

    // The wire gives what a reference leads to as a list of none or one.
    [JsonPropertyName("belongs_to__application")] public required IReadOnlyList<FleetView> Fleets { get; init; }
    [JsonPropertyName("is_of__device_type")] public required IReadOnlyList<DeviceTypeView> Types { get; init; }
    [JsonPropertyName("is_running__release")] public IReadOnlyList<ReleaseView> RunningReleases { get; init; } = [];
    [JsonPropertyName("is_pinned_on__release")] public IReadOnlyList<ReleaseView> PinnedReleases { get; init; } = [];
    [JsonPropertyName("should_be_running__release")] public IReadOnlyList<ReleaseView> TargetReleases { get; init; } = [];
}

public sealed record FleetView(long Id, string AppName, string Slug, Reference Organization, bool ShouldTrackLatestRelease)
{
    [JsonIgnore] public ReleaseView? Target => TargetReleases is [var first, ..] ? first : null;
    [JsonPropertyName("should_be_running__release")] public IReadOnlyList<ReleaseView> TargetReleases { get; init; } = [];
}

public sealed record DeviceTypeView(string Slug, string Name)
{
    [JsonIgnore] public ArchitectureView? Architecture => Architectures is [var first, ..] ? first : null;
    [JsonPropertyName("is_of__cpu_architecture")] public IReadOnlyList<ArchitectureView> Architectures { get; init; } = [];
}

public sealed record ArchitectureView(long Id, string Slug);

public sealed record ReleaseView(long Id, string Commit, string RawVersion, DateTimeOffset CreatedAt)
{
    /// <summary>What it consists of; read for the device's target only.</summary>
    [JsonIgnore] public IEnumerable<ImageView> Images => Parts.SelectMany(p => p.Images);
    [JsonPropertyName("release_image")] public IReadOnlyList<ReleasePart> Parts { get; init; } = [];
}

public sealed record ReleasePart
{
    [JsonPropertyName("image")] public IReadOnlyList<ImageView> Images { get; init; } = [];
}

public sealed record TagView(long Id, string TagKey, string Value);

/// <summary>One service's image on the device.</summary>
public sealed record InstallView(long Id, string Status, int? DownloadProgress)
{
    [JsonIgnore] public string Service => Images is [var image, ..] ? image.Service : "";
    [JsonIgnore] public ReleaseView? Release => Releases is [var first, ..] ? first : null;
    [JsonPropertyName("installs__image")] public IReadOnlyList<ImageView> Images { get; init; } = [];
    [JsonPropertyName("is_provided_by__release")] public IReadOnlyList<ReleaseView> Releases { get; init; } = [];
}

public sealed record ImageView(long Id)
{
    [JsonIgnore] public string Service => Services is [var service, ..] ? service.ServiceName : "";
    [JsonPropertyName("is_a_build_of__service")] public IReadOnlyList<ServiceView> Services { get; init; } = [];
}

public sealed record ServiceView(long Id, string ServiceName);

/// <summary>A reference that is not followed.</summary>
public sealed record Reference([property: JsonPropertyName("__id")] long Id);

/// <summary>What the person who looks may do with the device: what they may not is not shown.</summary>
/// <param name="Operates">Name, note, tags, pin, place, support access.</param>
/// <param name="Develops">Also variables, move, activation, deletion.</param>
public sealed record DeviceRights(bool Operates, bool Develops);
