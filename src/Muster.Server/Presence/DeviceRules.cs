using System.Globalization;
using Muster.Core.Presence;
using Muster.Core.Status;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>Between a device's state in memory and the pure rules of <c>Muster.Core</c>.</summary>
internal static class DeviceRules
{
    /// <summary>A contact whose consequence is not there after so long was refused by the database.</summary>
    private const long LongestCommit = 30_000;

    public static DeviceFacts Facts(DeviceState state) => new()
    {
        IsActive = state.IsActive,
        IsFrozen = state.IsFrozen,
        EverSeen = state.ActivatedAt is not null || state.Heartbeat is not HeartbeatState.Unknown || state.ConnectivityChangedAt is not null,
        Heartbeat = state.Heartbeat,
        CloudlinkConnected = state.CloudlinkConnected,
        CloudlinkExpected = state.CloudlinkExpected,
        EverOnCloudlink = state.ConnectivityChangedAt is not null,
        ReportedStatus = state.Reported.Status,
        ProvisioningState = state.Reported.ProvisioningState,
        ProvisioningProgress = state.Reported.ProvisioningProgress,
        DownloadProgress = state.Reported.DownloadProgress,
        TargetReleaseId = state.TargetReleaseId,
        Installs = state.Reported.Installs,
    };

    /// <summary>The state with the rule's answers to it.</summary>
    /// <param name="at">Unix ms; since when a status that changes here holds.</param>
    public static DeviceState Judge(DeviceState state, long at)
    {
        var answer = OverallStatusRule.Evaluate(Facts(state));
        var detail = UpdateStatusRule.Detail(state.Reported.UpdateStatus, state.Reported.Installs, state.TargetReleaseId);
        if (answer == new StatusAnswer(state.Status, state.Progress, state.Reason) && detail == state.UpdateDetail)
            return state;
        return state with
        {
            Status = answer.Status,
            Progress = answer.Progress,
            Reason = answer.Reason,
            StatusSince = answer.Status == state.Status ? state.StatusSince : at,
            UpdateDetail = detail,
        };
    }

    /// <summary>What stands on record, with what no column of the device holds.</summary>
    public static DeviceState Recorded(DeviceRow read, FleetRow? fleet, PresenceOptions options)
    {
        var fleetConfig = fleet?.Config ?? DeviceRow.NoConfig;
        return read.State with
        {
            TargetReleaseId = read.State.PinnedReleaseId ?? fleet?.TargetReleaseId,
            CloudlinkExpected = ConfigValues.CloudlinkExpected(fleetConfig, read.Config),
            PollInterval = ConfigValues.EffectivePollInterval(fleetConfig, read.Config, options.Intervals),
        };
    }

    /// <summary>The recorded state as its inputs would have it today.</summary>
    public static DeviceState Today(DeviceState recorded, long at)
    {
        var today = recorded;
        var reported = recorded.Reported;
        // The status of a release that is gone ends with it.
        if (!reported.ReleaseUpdates.IsDefault && ReleaseUpdate.Lowest(reported.ReleaseUpdates) is var lowest && lowest != reported.UpdateStatus)
            today = today with { Reported = reported with { UpdateStatus = lowest, UpdateStatusChangedAt = at, UpdateMovedAt = at } };
        // Its tunnel came up while somebody deactivated it: what is connected is in use.
        if (!today.IsActive && today.CloudlinkConnected)
            today = today with { IsActive = true, ActivatedAt = at };
        return Judge(today, at);
    }

    /// <summary>What silence makes of the heartbeat, and when.</summary>
    public static HeartbeatOutlook AfterSilence(DeviceState device, ContactTimes times, PresenceOptions options, in ObserverClock clock) => HeartbeatMachine.AfterSilence(
        device.Heartbeat, times.ObservedPoll ?? HeartbeatMachine.Never, times.ObservedContact ?? HeartbeatMachine.Never, options.Limits(device, times.PollInterval), clock);

    /// <summary>A contact's consequence: the device is active, and its heartbeat is what the kind of contact makes it. Not judged yet.</summary>
    /// <param name="at">Unix ms.</param>
    public static DeviceState Contacted(DeviceState device, bool isPoll, bool everPolled, long at)
    {
        var heartbeat = isPoll ? HeartbeatMachine.OnPoll() : HeartbeatMachine.OnContact(device.Heartbeat, everPolled);
        var next = heartbeat == device.Heartbeat ? device : device with { Heartbeat = heartbeat, HeartbeatChangedAt = at };
        return device.IsActive ? next : next with { IsActive = true, ActivatedAt = at };
    }

    /// <summary>
    /// The device with the consequences of contacts that are being committed at this moment; the same when there are none.
    /// Between a contact and its commit, times and state would else tell of two moments.
    /// </summary>
    public static DeviceState AfterContacts(DeviceState device, ContactTimes times, in ObserverClock clock)
    {
        // On the observer clock, which stands still while nothing can be committed.
        var lately = clock.Now - LongestCommit;
        var isPoll = device.Heartbeat is not HeartbeatState.Online && times.ObservedPoll >= lately && times.LastPollAt >= (device.HeartbeatChangedAt ?? 0);
        var isContact = times.ObservedContact >= lately
            && ((device.Heartbeat is HeartbeatState.Offline && times.LastContactAt >= (device.HeartbeatChangedAt ?? 0))
                || (!device.IsActive && times.LastContactAt > (device.StatusSince ?? 0)));
        return isPoll || isContact ? Judge(Contacted(device, isPoll, times.ObservedPoll is not null, times.LastContactAt!.Value), times.LastContactAt!.Value) : device;
    }

    /// <summary>What changed between two states of a device, for the history and the live feed.</summary>
    public static IEnumerable<TransitionRow> Transitions(DeviceState before, DeviceState after, long at, string cause)
    {
        if (before.IsActive != after.IsActive)
            yield return new("is_active", Flag(before.IsActive), Flag(after.IsActive), at, cause);
        if (before.IsFrozen != after.IsFrozen)
            yield return new("is_frozen", Flag(before.IsFrozen), Flag(after.IsFrozen), at, cause);
        if (before.Heartbeat != after.Heartbeat)
            yield return new("heartbeat", before.Heartbeat.Word(), after.Heartbeat.Word(), at, cause);
        if (before.CloudlinkConnected != after.CloudlinkConnected)
            yield return new("cloudlink", Link(before.CloudlinkConnected), Link(after.CloudlinkConnected), at, cause);
        if (before.Reported.UpdateStatus != after.Reported.UpdateStatus)
            yield return new("update_status", before.Reported.UpdateStatus.Word(), after.Reported.UpdateStatus.Word(), at, cause);
        if (before.Reported.RunningReleaseId != after.Reported.RunningReleaseId)
            yield return new("running_release", Id(before.Reported.RunningReleaseId), Id(after.Reported.RunningReleaseId), at, cause);
        if (before.Status != after.Status)
            yield return new("overall_status", before.Status.Word(), after.Status.Word(), at, cause);
    }

    private static string Flag(bool flag) => flag ? "true" : "false";

    private static string Link(bool connected) => connected ? "connected" : "disconnected";

    private static string? Id(long? id) => id?.ToString(CultureInfo.InvariantCulture);
}
