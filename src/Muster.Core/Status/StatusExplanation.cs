namespace Muster.Core.Status;

/// <summary>A status in plain words: what it means for this device, and what to do or wait for.</summary>
/// <param name="NextStep">Null when there is nothing to do.</param>
public readonly record struct StatusExplanation(string Sentence, string? NextStep)
{
    /// <summary>The words for the rule's answer over the same facts.</summary>
    public static StatusExplanation Of(in DeviceFacts facts, in StatusAnswer answer) => answer.Reason switch
    {
        StatusReason.NeverSeen => new(
            "The device is registered, and nothing has been heard of it yet.",
            "Power it on with an image of this fleet, and check that its network lets it reach this server."),
        StatusReason.Deactivated => new(
            "The device was deactivated by a person.",
            "Activate it to use it again; any contact by the device does so too."),
        StatusReason.Frozen => new(
            "The device is outside its organization's allowance, or in a fleet of a paid type on the free plan.",
            "Raise the allowance or the plan, deactivate a device that is offline, or move it to a fleet of a free type."),
        StatusReason.Provisioning => new(
            "The device has installed the operating system and has not yet booted from its internal storage.",
            "Remove the installation medium and power it on again."),
        StatusReason.NotPolledYet => new(
            "The device has been in contact, but has not asked for its target state yet." + Progress(facts),
            "It does so within a minute of its first start; otherwise look at the supervisor's log on the device."),
        StatusReason.NoHeartbeatNoCloudlink => new(
            facts.Heartbeat is HeartbeatState.Unknown
                ? "The cloudlink is down, and the device has never asked for its target state."
                : "Neither heartbeat nor cloudlink: nothing reaches us from the device.",
            "Check its power and its network."),
        StatusReason.OsConfiguration => new(
            "The device is changing its operating system or its configuration." + Progress(facts),
            "Wait; it reboots on its own when it is done."),
        StatusReason.DownloadingImages => new(
            answer.Progress is { } percent ? $"The device is downloading the images of a release ({percent} %)." : "The device is downloading the images of a release.",
            "Wait; when the progress stands still, its log tells why."),
        StatusReason.HeartbeatMissing => new(
            (facts.Heartbeat, facts.CloudlinkConnected) switch
            {
                (HeartbeatState.Timeout, false) => "The device has not asked for its target state for longer than its poll interval, and has no cloudlink. It may be about to be disconnected.",
                (HeartbeatState.Timeout, true) => "The cloudlink is up, but the device has not asked for its target state for longer than its poll interval. It cannot apply anything new.",
                _ => "The cloudlink is up, but the device does not ask for its target state. It cannot apply anything new.",
            },
            facts.CloudlinkConnected
                ? "Check over SSH that the supervisor runs and that its requests reach this server."
                : "Check its power and its network."),
        StatusReason.CloudlinkMissing => new(
            "The heartbeat works, but the cloudlink is down. The device takes updates; SSH and immediate actions are not possible.",
            "Check whether a firewall blocks the tunnel; if it is not wanted, set BALENA_SUPERVISOR_VPN_CONTROL to false."),
        StatusReason.AllLinksWork => new("Heartbeat and cloudlink work.", null),
        StatusReason.CloudlinkNotExpected => new("The heartbeat works; the cloudlink is switched off by configuration.", null),
        _ => throw new ArgumentOutOfRangeException(nameof(answer)),
    };

    /// <summary>What the device itself says of its provisioning, if anything.</summary>
    private static string Progress(in DeviceFacts facts) => (facts.ProvisioningState, facts.ProvisioningProgress) switch
    {
        (null or "", null) => "",
        (null or "", { } percent) => $" ({percent} %)",
        ({ } words, null) => $" It says: {words}.",
        ({ } words, { } percent) => $" It says: {words} ({percent} %).",
    };
}
