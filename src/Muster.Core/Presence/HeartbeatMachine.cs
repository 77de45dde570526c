using Muster.Core.Status;

namespace Muster.Core.Presence;

/// <summary>How long a device may be silent, milliseconds.</summary>
/// <param name="Window">From a poll until the heartbeat is <c>timeout</c>: poll interval and margin.</param>
/// <param name="OfflineAfter">From <c>timeout</c> until <c>offline</c>, when nothing else was heard in the window either.</param>
public readonly record struct SilenceLimits(long Window, long OfflineAfter);

/// <summary>The heartbeat now, and what continued silence makes of it.</summary>
/// <param name="ChangesAt">On the observer clock; null when silence changes nothing more.</param>
/// <param name="Next">The state from then on; the same as <paramref name="State"/> when nothing changes.</param>
public readonly record struct HeartbeatOutlook(HeartbeatState State, long? ChangesAt, HeartbeatState Next);

/// <summary>
/// unknown → online → timeout → offline (docs/device-statuses.md, "Connectivity states"). A device that was heard but never polled
/// goes from unknown to offline in the same time. All instants on the observer clock.
/// </summary>
public static class HeartbeatMachine
{
    /// <summary>Stands for "never" as the instant of a last contact.</summary>
    public const long Never = -1;

    /// <summary>A poll of the target state with the device's own key.</summary>
    public static HeartbeatState OnPoll() => HeartbeatState.Online;

    /// <summary>Any other contact: a device that lives is not called offline, but only a poll makes it online.</summary>
    /// <param name="everPolled">Without any poll there was none that could be late.</param>
    public static HeartbeatState OnContact(HeartbeatState state, bool everPolled) =>
        state is not HeartbeatState.Offline ? state : everPolled ? HeartbeatState.Timeout : HeartbeatState.Unknown;

    /// <summary>What the silence up to <c>clock.Now</c> makes of the heartbeat, and when more of it changes it next. A trigger that comes early changes nothing.</summary>
    /// <param name="lastPoll">Last poll, or <see cref="Never"/>.</param>
    /// <param name="lastContact">Last contact of any kind, or <see cref="Never"/>.</param>
    public static HeartbeatOutlook AfterSilence(HeartbeatState state, long lastPoll, long lastContact, SilenceLimits limits, in ObserverClock clock)
    {
        if (state is HeartbeatState.Offline || (state is HeartbeatState.Unknown && lastContact == Never))
            return new(state, null, state);
        if (state is HeartbeatState.Unknown)
            return Until(clock.SilenceLasts(lastContact, limits.Window) + limits.OfflineAfter, state, clock);
        var timeoutAt = clock.SilenceLasts(lastPoll, limits.Window);
        if (state is HeartbeatState.Online && clock.Now < timeoutAt)
            return new(HeartbeatState.Online, timeoutAt, HeartbeatState.Timeout);
        var offlineAt = Math.Max(timeoutAt + limits.OfflineAfter, clock.SilenceLasts(lastContact, limits.Window));
        return Until(offlineAt, HeartbeatState.Timeout, clock);
    }

    private static HeartbeatOutlook Until(long offlineAt, HeartbeatState state, in ObserverClock clock) =>
        clock.Now < offlineAt ? new(state, offlineAt, HeartbeatState.Offline) : new(HeartbeatState.Offline, null, HeartbeatState.Offline);
}
