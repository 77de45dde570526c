using System.Collections.Immutable;
using System.Collections.ObjectModel;
using Muster.Core.Presence;
using Muster.Core.Status;

namespace Muster.Storage.Presence;

/// <summary>
/// A device as its partition knows it: the inputs of the status rule, the links, what was reported, and the rule's
/// answers. Immutable; a partition publishes a new one when the change is committed. Instants are Unix ms.
/// </summary>
public sealed record DeviceState
{
    public required long Id { get; init; }
    public required string Uuid { get; init; }
    public required long FleetId { get; init; }

    // Inputs, written by people (is_active and activated_at also by the first contact, is_frozen by the allowance step).
    public bool IsActive { get; init; }
    public long? ActivatedAt { get; init; }
    public bool IsFrozen { get; init; }
    public long? PinnedReleaseId { get; init; }

    /// <summary>The pinned release, else the fleet's.</summary>
    public long? TargetReleaseId { get; init; }

    /// <summary>From configuration; see the rule for SUPERVISOR_VPN_CONTROL.</summary>
    public bool CloudlinkExpected { get; init; } = true;

    /// <summary>The poll interval that the device is asked for, ms. It learns of a change with its next poll.</summary>
    public long PollInterval { get; init; }

    public ReportedState Reported { get; init; } = ReportedState.Empty;

    // Links.
    public HeartbeatState Heartbeat { get; init; }
    public long? HeartbeatChangedAt { get; init; }
    public bool CloudlinkConnected { get; init; }
    public long? CloudlinkChangedAt { get; init; }
    public long? ConnectivityChangedAt { get; init; }
    public long? ServiceInstanceId { get; init; }
    public long CloudlinkEpoch { get; init; }

    /// <summary>Sessions of the device at further service instances, the newest first. Empty unless it is connected.</summary>
    public TunnelsElsewhere Elsewhere { get; init; } = TunnelsElsewhere.None;

    // Answers of the rule.
    public OverallStatus Status { get; init; }
    public int? Progress { get; init; }
    public StatusReason Reason { get; init; }
    public long? StatusSince { get; init; }
    public string? UpdateDetail { get; init; }
}

/// <summary>When a device was last heard. "Observed" instants are ms on the observer clock, the others Unix ms.</summary>
public readonly record struct ContactTimes(long? LastPollAt, long? LastContactAt, long? ObservedPoll, long? ObservedContact)
{
    /// <summary>The poll interval that the device knew of when it polled last, ms; null when that is not on record.</summary>
    public long? PollInterval { get; init; }
}

/// <summary>SHA-256 of an API key of a device's own.</summary>
/// <param name="ExpiresAt">Unix ms, or null.</param>
public sealed record DeviceKey(byte[] Hash, long? ExpiresAt);

/// <summary>A device as read from the database.</summary>
public sealed record DeviceRow(DeviceState State, ContactTimes Contact)
{
    public static readonly IReadOnlyDictionary<string, string> NoConfig = ReadOnlyDictionary<string, string>.Empty;

    public ImmutableArray<DeviceKey> Keys { get; init; } = [];

    /// <summary>Config variables of the device that the rules read (<see cref="ConfigValues"/>).</summary>
    public IReadOnlyDictionary<string, string> Config { get; init; } = NoConfig;
}

/// <summary>What the rules read of a fleet and its organization.</summary>
/// <param name="DeviceAllowance">Active devices the organization may have, or null without limit.</param>
/// <param name="IsUnpaid">A fleet type that needs a paid plan, in an organization on the free one.</param>
public sealed record FleetRow(long Id, long OrganizationId, long? TargetReleaseId, long? DeviceAllowance, bool IsUnpaid)
{
    /// <summary>Whether devices of this fleet may be frozen.</summary>
    public bool IsLimited => DeviceAllowance is not null || IsUnpaid;

    /// <summary>Config variables of the fleet that the rules read (<see cref="ConfigValues"/>).</summary>
    public IReadOnlyDictionary<string, string> Config { get; init; } = DeviceRow.NoConfig;
}

/// <summary>Which columns of a device row a change touches. Apart where different indexes and counts read them, so that a change pays for its own.</summary>
[Flags]
public enum DeviceColumns : byte
{
    None = 0,
    /// <summary>What was reported and nothing counts.</summary>
    Reported = 1,
    /// <summary>Update status and running release.</summary>
    Update = 2,
    Heartbeat = 4,
    Cloudlink = 8,
    /// <summary>Overall status and what goes with it.</summary>
    Status = 16,
    Activation = 32,
    Frozen = 64,
}

/// <summary>A transition about to be written. See <c>TransitionEvent</c> for the meaning of the fields.</summary>
public readonly record struct TransitionRow(string Fact, string? From, string? To, long At, string Cause);

/// <summary>One device's part of a commit: the state after it, and what of it must be written.</summary>
public sealed record DeviceChange(DeviceState After, DeviceColumns Columns, long At)
{
    /// <summary>Image installs that are new or changed; those gone have the status "deleted".</summary>
    public IReadOnlyList<ServiceInstall> Installs { get; init; } = [];

    public IReadOnlyList<TransitionRow> Transitions { get; init; } = [];

    /// <summary>The contact times that the new state rests on, so that a read never shows one without the other; null when they are on record.</summary>
    public ContactTimes? Contact { get; init; }
}

/// <summary>The contact times of one device, for a checkpoint.</summary>
public readonly record struct ContactRow(long DeviceId, ContactTimes Times);
