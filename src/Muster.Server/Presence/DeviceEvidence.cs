using Muster.Core.Presence;
using Muster.Core.Status;

namespace Muster.Server.Presence;

/// <summary>All that the answer about a device rests on, as it stands in memory at one moment. Instants are Unix ms.</summary>
public sealed record DeviceEvidence
{
    public required long DeviceId { get; init; }
    public required string Uuid { get; init; }
    public required long FleetId { get; init; }

    public required DeviceFacts Facts { get; init; }
    public required StatusAnswer Answer { get; init; }
    public long? StatusSince { get; init; }

    public long? HeartbeatSince { get; init; }
    public long? LastPollAt { get; init; }
    public long? LastContactAt { get; init; }

    /// <summary>Kind of the last contact since this process started; null when there was none.</summary>
    public ContactKind? LastContactKind { get; init; }

    public long? CloudlinkSince { get; init; }
    public long? ServiceInstanceId { get; init; }

    public UpdateStatus UpdateStatus { get; init; }
    public long? UpdateStatusSince { get; init; }
    public string? UpdateDetail { get; init; }

    /// <summary>When the update last went on.</summary>
    public long? UpdateMovedAt { get; init; }
    public long? RunningReleaseId { get; init; }

    /// <summary>Two machines seem to have the device's identity; null when nothing speaks for that.</summary>
    public TwinFinding? Twin { get; init; }

    /// <summary>What is wrong with its update; null when nothing is.</summary>
    /// <param name="sign">The newest line of its log that tells of an update.</param>
    /// <param name="now">Unix ms.</param>
    public UpdateTrouble? Trouble(UpdateSign? sign, long now) => UpdateTrouble.Of(
        new(UpdateStatus, UpdateStatusSince, UpdateMovedAt, Facts.IsDownloading, Facts.IsHeard, Facts.TargetReleaseId is { } target ? target == RunningReleaseId : null, sign), now);

    /// <summary>The interval the device is asked to poll at, ms.</summary>
    public required long PollInterval { get; init; }
    public required SilenceLimits Limits { get; init; }

    /// <summary>What continued silence will make of the heartbeat next, and when; null when nothing more.</summary>
    public (long At, HeartbeatState To)? HeartbeatNext { get; init; }

    /// <summary>What continued silence will make of the overall status next, and when (<see cref="SilenceForecast"/>); null when nothing more.</summary>
    public (long At, OverallStatus To)? StatusNext { get; init; }
}
