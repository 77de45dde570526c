using Muster.Core.Presence;
using Muster.Core.Status;
using Muster.Server.Presence;

namespace Muster.Server.Insight;

/// <summary>Answer of <c>GET /muster/v1/devices/{uuid}/status</c>: the status and all that it rests on.</summary>
internal sealed record DeviceStatus
{
    public required string Uuid { get; init; }
    public required long Device { get; init; }
    public required long Fleet { get; init; }

    public required string OverallStatus { get; init; }
    public required int? OverallProgress { get; init; }
    public required string Reason { get; init; }
    public required string Sentence { get; init; }
    public required string? NextStep { get; init; }
    public required string? Since { get; init; }

    /// <summary>When continued silence will change the status, and to what.</summary>
    public required string? ChangesAt { get; init; }
    public required string? ChangesTo { get; init; }

    public required HeartbeatEvidence Heartbeat { get; init; }
    public required CloudlinkEvidence Cloudlink { get; init; }
    public required UpdateEvidence Update { get; init; }

    /// <summary>What is wrong with its update; null when nothing is. The overall status says nothing of it.</summary>
    public required TroubleTold? Trouble { get; init; }

    /// <summary>Two machines seem to have its identity; null when nothing speaks for that.</summary>
    public required TwinTold? Twin { get; init; }

    /// <summary>When this was true.</summary>
    public required string Now { get; init; }

    /// <param name="trouble">What is wrong with its update.</param>
    /// <param name="now">Unix ms.</param>
    public static DeviceStatus Of(DeviceEvidence evidence, UpdateTrouble? trouble, long now)
    {
        var words = StatusExplanation.Of(evidence.Facts, evidence.Answer);
        return new()
        {
            Uuid = evidence.Uuid,
            Device = evidence.DeviceId,
            Fleet = evidence.FleetId,
            OverallStatus = evidence.Answer.Status.Word(),
            OverallProgress = evidence.Answer.Progress,
            Reason = evidence.Answer.Reason.Word(),
            Sentence = words.Sentence,
            NextStep = words.NextStep,
            Since = InsightJson.Instant(evidence.StatusSince),
            ChangesAt = InsightJson.Instant(evidence.StatusNext?.At),
            ChangesTo = evidence.StatusNext?.To.Word(),
            Heartbeat = new(
                evidence.Facts.Heartbeat.Word(),
                InsightJson.Instant(evidence.HeartbeatSince),
                InsightJson.Instant(evidence.LastPollAt),
                Age(evidence.LastPollAt, now),
                InsightJson.Instant(evidence.LastContactAt),
                Age(evidence.LastContactAt, now),
                evidence.LastContactKind is { } kind ? Word(kind) : null,
                InsightJson.Instant(evidence.HeartbeatNext?.At),
                evidence.HeartbeatNext?.To.Word(),
                evidence.PollInterval,
                evidence.Limits.Window,
                evidence.Limits.OfflineAfter),
            Cloudlink = new(
                evidence.Facts.CloudlinkConnected ? "connected" : "disconnected",
                evidence.Facts.CloudlinkExpected,
                InsightJson.Instant(evidence.CloudlinkSince),
                Age(evidence.CloudlinkSince, now),
                evidence.ServiceInstanceId),
            Update = new(evidence.UpdateStatus.Word(), InsightJson.Instant(evidence.UpdateStatusSince), Age(evidence.UpdateStatusSince, now), evidence.UpdateDetail),
            Trouble = trouble is null ? null : new(trouble.Code, trouble.Word, trouble.Sentence, trouble.NextStep, trouble.Said),
            Twin = evidence.Twin is { } twin ? new(twin.Sentence, TwinFinding.NextStep) : null,
            Now = InsightJson.Instant(now),
        };
    }

    private static long? Age(long? since, long now) => since is { } at ? Math.Max(0, now - at) : null;

    private static string Word(ContactKind kind) => kind switch
    {
        ContactKind.Poll => "poll",
        ContactKind.Report => "report",
        ContactKind.Log => "log",
        ContactKind.Tags => "tags",
        ContactKind.RegistryToken => "registry-token",
        ContactKind.Tunnel => "tunnel",
        _ => "other",
    };
}

/// <summary>What is known of the heartbeat. Durations in milliseconds.</summary>
/// <param name="LastContactKind">Kind of the last contact since the server started.</param>
/// <param name="ChangesAt">When continued silence will change the state to <paramref name="ChangesTo"/>.</param>
/// <param name="TimeoutAfterMs">Silence after which the state is <c>timeout</c>.</param>
/// <param name="OfflineAfterMs">From <c>timeout</c> to <c>offline</c>.</param>
internal sealed record HeartbeatEvidence(
    string State,
    string? Since,
    string? LastPollAt,
    long? LastPollAgeMs,
    string? LastContactAt,
    long? LastContactAgeMs,
    string? LastContactKind,
    string? ChangesAt,
    string? ChangesTo,
    long PollIntervalMs,
    long TimeoutAfterMs,
    long OfflineAfterMs);

/// <summary>What is known of the cloudlink.</summary>
/// <param name="Expected">False when configuration switches it off.</param>
/// <param name="ServiceInstance">The tunnel server that holds the session.</param>
internal sealed record CloudlinkEvidence(string State, bool Expected, string? Since, long? AgeMs, long? ServiceInstance);

/// <summary>How far the device is towards its target release.</summary>
internal sealed record UpdateEvidence(string? Status, string? Since, long? AgeMs, string? Detail);

/// <summary>What is wrong with an update.</summary>
/// <param name="Said">What the device's own log says of it.</param>
internal sealed record TroubleTold(string Kind, string Word, string Sentence, string NextStep, string? Said);

/// <summary>By what two machines with one identity show.</summary>
internal sealed record TwinTold(string Sentence, string NextStep);
