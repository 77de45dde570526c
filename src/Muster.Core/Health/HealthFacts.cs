using Muster.Core.Presence;
using Muster.Core.Status;

namespace Muster.Core.Health;

/// <summary>How a check came out.</summary>
public enum HealthLevel : byte { Ok, Warn, Fail, Unknown }

/// <summary>One check of a device.</summary>
/// <param name="Name">Stable code.</param>
/// <param name="Sentence">What was found.</param>
/// <param name="Advice">What to do; null when there is nothing to do.</param>
public sealed record HealthCheck(string Name, HealthLevel Level, string Sentence, string? Advice = null);

/// <summary>What is known of a device that its health is told from. Instants and durations in milliseconds.</summary>
public sealed record HealthFacts
{
    /// <summary>Unix ms.</summary>
    public required long Now { get; init; }

    public required DeviceFacts Facts { get; init; }

    /// <summary>Last poll of the target state; null when there was none.</summary>
    public long? LastPollAt { get; init; }

    /// <summary>Since when the cloudlink is up or down; null when it never was up.</summary>
    public long? CloudlinkSince { get; init; }

    public UpdateStatus UpdateStatus { get; init; }

    public long? UpdateStatusSince { get; init; }

    /// <summary>When the update last went on; null when that is not known.</summary>
    public long? UpdateMovedAt { get; init; }

    /// <summary>The newest line of its log that tells of an update.</summary>
    public UpdateSign? UpdateSign { get; init; }

    public long? RunningReleaseId { get; init; }

    /// <summary>Two machines seem to have its identity; null when nothing speaks for that.</summary>
    public TwinFinding? Twin { get; init; }

    /// <summary>By how much the device's clock is ahead (behind: negative); null when unknown.</summary>
    public long? ClockAhead { get; init; }

    /// <summary>When its last log line came, Unix ms; null when none is kept.</summary>
    public long? LastLogAt { get; init; }

    /// <summary>Megabytes, as reported; null when unknown.</summary>
    public long? MemoryUsed { get; init; }

    public long? MemoryTotal { get; init; }

    /// <summary>Megabytes, as reported; null when unknown.</summary>
    public long? StorageUsed { get; init; }

    public long? StorageTotal { get; init; }

    /// <summary>Degrees Celsius.</summary>
    public long? Temperature { get; init; }

    public bool IsUndervolted { get; init; }

    /// <summary>Changes of the overall status within the last hour.</summary>
    public int ChangesWithinHour { get; init; }

    public string? SupervisorVersion { get; init; }

    public string? OsVersion { get; init; }
}
