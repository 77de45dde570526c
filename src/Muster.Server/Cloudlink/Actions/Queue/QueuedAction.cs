using System.Text.Json;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>An action that waits for its device, or waited.</summary>
/// <param name="Who">Who queued it, by the name of the time.</param>
/// <param name="State">A word of <see cref="ActionStates"/>.</param>
/// <param name="ExpiresAt">What has not begun by then is not done any more.</param>
/// <param name="ResultStatus">HTTP status that the device answered; null when it did not.</param>
/// <param name="ResultBody">The beginning of what it answered.</param>
/// <param name="Sentence">Why it was not done, or what is not known of it; null when the device's answer says all.</param>
public sealed record QueuedAction(
    long Id, long DeviceId, string DeviceUuid, long OrganizationId, string Who, string Method, string Path, string State,
    DateTimeOffset QueuedAt, DateTimeOffset ExpiresAt, DateTimeOffset? BegunAt, DateTimeOffset? EndedAt, int? ResultStatus, string? ResultBody, string? Sentence);

/// <summary>The states of a queued action.</summary>
public static class ActionStates
{
    /// <summary>It waits for the device.</summary>
    public const string Queued = "queued";

    /// <summary>The device is being asked.</summary>
    public const string Running = "running";

    /// <summary>The device took it on.</summary>
    public const string Done = "done";

    /// <summary>The device declined, or nobody may ask it any more.</summary>
    public const string Failed = "failed";

    public const string Expired = "expired";

    public const string Cancelled = "cancelled";

    /// <summary>Muster died, or the tunnel broke, while the device was being asked. It is not tried again.</summary>
    public const string Unknown = "unknown";

    public static bool IsState(string word) => word is Queued or Running or Done or Failed or Expired or Cancelled or Unknown;
}

/// <summary>What is to be queued.</summary>
/// <param name="Key">The same key, person and device: the same action. Null: none.</param>
internal sealed record ActionWish(Asker Asker, SupervisorCall Call, TimeSpan ExpiresIn, string? Key);

/// <summary>A claimed action: what to call, and for whom.</summary>
internal sealed record ClaimedAction(QueuedAction Action, long AccountId, string? From, JsonElement? Data)
{
    public SupervisorCall Call => new(new(Action.Method), Action.Path, Data);
}

/// <summary>It cannot be queued; the message is one sentence for the person who asked.</summary>
internal sealed class QueueRefusedException(int status, string message) : Exception(message)
{
    public int Status { get; } = status;
}
