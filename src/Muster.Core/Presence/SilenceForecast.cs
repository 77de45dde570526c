using Muster.Core.Status;

namespace Muster.Core.Presence;

/// <summary>The next change of the overall status if nothing more is heard.</summary>
/// <param name="At">On the observer clock, ms.</param>
public readonly record struct NextChange(long At, OverallStatus To);

/// <summary>What continued silence will make of a device's overall status (docs/design.md, promise 6).</summary>
public static class SilenceForecast
{
    /// <summary>Null when silence changes nothing more. The parameters are those of <see cref="HeartbeatMachine.AfterSilence"/>.</summary>
    public static NextChange? Of(in DeviceFacts facts, long lastPoll, long lastContact, SilenceLimits limits, in ObserverClock clock)
    {
        var now = OverallStatusRule.Evaluate(facts).Status;
        var later = clock;
        var outlook = HeartbeatMachine.AfterSilence(facts.Heartbeat, lastPoll, lastContact, limits, later);
        // Silence has lasted long enough already, and is about to be noticed.
        if (outlook.State != facts.Heartbeat && OverallStatusRule.Evaluate(facts with { Heartbeat = outlook.State }).Status is var due && due != now)
            return new(clock.Now, due);
        while (outlook.ChangesAt is { } at)
        {
            later = later with { Now = at };
            outlook = HeartbeatMachine.AfterSilence(outlook.Next, lastPoll, lastContact, limits, later);
            var then = OverallStatusRule.Evaluate(facts with { Heartbeat = outlook.State }).Status;
            if (then != now)
                return new(at, then);
        }

        return null;
    }

    /// <summary>
    /// The same from the answer alone, for who reads answers and no facts: the heartbeat with whose coming the status
    /// changes, or null when silence changes nothing. Holds until the heartbeat is offline.
    /// </summary>
    public static HeartbeatState? ChangesWith(StatusReason reason, bool cloudlinkConnected) => reason switch
    {
        StatusReason.AllLinksWork or StatusReason.CloudlinkNotExpected => HeartbeatState.Timeout,
        StatusReason.CloudlinkMissing or StatusReason.DownloadingImages => HeartbeatState.Offline,
        StatusReason.OsConfiguration or StatusReason.HeartbeatMissing or StatusReason.NotPolledYet when !cloudlinkConnected => HeartbeatState.Offline,
        _ => null,
    };
}
