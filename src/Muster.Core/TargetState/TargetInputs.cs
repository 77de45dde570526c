using System.Collections.Immutable;

namespace Muster.Core.TargetState;

/// <summary>A named value: an environment or configuration variable, or a label.</summary>
public readonly record struct Variable(string Name, string Value);

/// <summary>A variable that one device sets for one service.</summary>
public readonly record struct ServiceVariable(long ServiceId, string Name, string Value);

/// <summary>A fleet as the owner of releases: the user's own, the supervisor's or the host's.</summary>
/// <param name="Class">"fleet", "app" or "block".</param>
public sealed record TargetApp(long Id, string Uuid, string Name, string Class, bool IsHost)
{
    public ImmutableArray<Variable> Environment { get; init; } = [];

    /// <summary>Configuration variables; only those of the device's own fleet reach the device.</summary>
    public ImmutableArray<Variable> Configuration { get; init; } = [];
}

/// <summary>One service of a release, with the image that the release uses for it.</summary>
/// <param name="Image">Location with the content hash, as the engine pulls it.</param>
public sealed record TargetService(long Id, string Name, long ImageId, string Image)
{
    /// <summary>JSON of the image's contract, or null.</summary>
    public string? Contract { get; init; }

    public ImmutableArray<Variable> ImageEnvironment { get; init; } = [];

    public ImmutableArray<Variable> ServiceEnvironment { get; init; } = [];

    /// <summary>Labels of the image in this release; those of the service come after and win.</summary>
    public ImmutableArray<Variable> ImageLabels { get; init; } = [];

    public ImmutableArray<Variable> ServiceLabels { get; init; } = [];
}

/// <summary>What a release consists of.</summary>
public sealed record TargetRelease(long Id, string Commit, ImmutableArray<TargetService> Services, Composition Composition);

/// <summary>A release with the app that owns it.</summary>
public sealed record AppTarget(TargetApp App, TargetRelease? Release);

/// <summary>What is set on one device.</summary>
public sealed record TargetDevice(string Uuid, string Name)
{
    public ImmutableArray<Variable> Environment { get; init; } = [];

    public ImmutableArray<Variable> Configuration { get; init; } = [];

    public ImmutableArray<ServiceVariable> ServiceEnvironment { get; init; } = [];
}

/// <summary>All that a target state is composed of.</summary>
/// <param name="User">The device's own fleet with its pinned or the fleet's target release.</param>
/// <param name="PollIntervalMs">The effective interval between polls, in milliseconds.</param>
public sealed record TargetInputs(AppTarget User, long PollIntervalMs)
{
    /// <summary>Null when the state is composed for the fleet as such.</summary>
    public TargetDevice? Device { get; init; }

    public AppTarget? Supervisor { get; init; }

    public AppTarget? Host { get; init; }
}
