using Muster.Server.Presence;

namespace Muster.Server.Insight;

/// <summary>Data of a <c>transition</c> event of the stream. <see cref="Uuid"/> is null when the device is gone since.</summary>
internal sealed record TransitionMessage(long Id, long Device, string? Uuid, long Fleet, string Fact, string? From, string? To, string At, string Cause)
{
    public static TransitionMessage Of(TransitionEvent transition) => new(
        transition.Id, transition.DeviceId, transition.Uuid.Length == 0 ? null : transition.Uuid, transition.FleetId,
        transition.Fact, transition.From, transition.To, InsightJson.Instant(transition.At), transition.Cause);
}
