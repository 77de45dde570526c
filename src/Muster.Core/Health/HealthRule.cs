using System.Globalization;
using Muster.Core.Presence;
using Muster.Core.Status;

namespace Muster.Core.Health;

/// <summary>A device's health from what is on record, without asking it.</summary>
public static class HealthRule
{
    private const long Minute = 60_000;

    private const string LookOverCloudlink = "The cloudlink is up: look over it whether the supervisor runs and reaches this server.";

    /// <summary>From so many changes within an hour on, a status flickers; a device that boots and updates has fewer.</summary>
    private const int Flickers = 8;

    /// <summary>
    /// All checks, always in the same order; before them one that is there only when it finds something. They are told from
    /// the same facts as the status, and never say the opposite of it.
    /// </summary>
    public static IReadOnlyList<HealthCheck> Of(HealthFacts facts) =>
    [
        .. facts.Twin is { } twin ? [new HealthCheck("identity", HealthLevel.Fail, twin.Sentence, TwinFinding.NextStep)] : Array.Empty<HealthCheck>(),
        Heartbeat(facts), Cloudlink(facts), Stability(facts), Update(facts), Logs(facts), Clock(facts),
        AsOfThen(facts, Usage("memory", "Memory", facts.MemoryUsed, facts.MemoryTotal, "Find the service that needs it (docker stats on the device), and give it a limit or the device more memory.")),
        AsOfThen(facts, Usage("storage", "Storage", facts.StorageUsed, facts.StorageTotal, "Remove old data from the services' volumes; a full disk stops updates. Purge empties the volumes.")),
        AsOfThen(facts, Temperature(facts)), AsOfThen(facts, Voltage(facts)), Supervisor(facts), Os(facts),
    ];

    /// <summary>The worst of them; unknown ones don't count, unless there are no others.</summary>
    public static HealthLevel Overall(IReadOnlyList<HealthCheck> checks) =>
        checks.Any(c => c.Level is HealthLevel.Fail) ? HealthLevel.Fail
        : checks.Any(c => c.Level is HealthLevel.Warn) ? HealthLevel.Warn
        : checks.Any(c => c.Level is HealthLevel.Ok) ? HealthLevel.Ok
        : HealthLevel.Unknown;

    private static HealthCheck Heartbeat(HealthFacts f) => f.Facts switch
    {
        { IsActive: false, EverSeen: true } => new("heartbeat", HealthLevel.Unknown, "The device is deactivated; no heartbeat is expected."),
        { Heartbeat: HeartbeatState.Online } => new("heartbeat", HealthLevel.Ok, $"The device asks for its target state as it should; last {Ago(f, f.LastPollAt)}."),
        { Heartbeat: HeartbeatState.Timeout or HeartbeatState.Offline } when OverallStatusRule.Evaluate(f.Facts).Status is OverallStatus.Configuring =>
            new("heartbeat", HealthLevel.Warn, $"No heartbeat while the device changes its operating system; the last one came {Ago(f, f.LastPollAt)}.", "Wait until it has rebooted; its supervisor stands still meanwhile."),
        { Heartbeat: HeartbeatState.Timeout } => new("heartbeat", HealthLevel.Warn, $"The heartbeat is overdue; the last one came {Ago(f, f.LastPollAt)}.",
            f.Facts.CloudlinkConnected ? LookOverCloudlink : "Wait for the next poll; if it stays away, check the device's power and network."),
        { Heartbeat: HeartbeatState.Offline } => new("heartbeat", HealthLevel.Fail, $"No heartbeat; the last one came {Ago(f, f.LastPollAt)}.",
            f.Facts.CloudlinkConnected ? LookOverCloudlink : "Check the device's power and network."),
        { CloudlinkConnected: true } => new("heartbeat", HealthLevel.Unknown, "The device has never asked for its target state.", LookOverCloudlink),
        { EverOnCloudlink: true } => new("heartbeat", HealthLevel.Fail, "The device has never asked for its target state, and its cloudlink is down.", "Check the device's power and network."),
        { EverSeen: true } => new("heartbeat", HealthLevel.Unknown, "The device has been in contact, but has never asked for its target state.", "It does so within a minute of its first start; otherwise look at the supervisor's log on the device."),
        _ => new("heartbeat", HealthLevel.Unknown, "The device has never asked for its target state.", "Power it on with an image of its fleet."),
    };

    private static HealthCheck Cloudlink(HealthFacts f)
    {
        var facts = f.Facts;
        var heard = facts.Heartbeat is HeartbeatState.Online or HeartbeatState.Timeout;
        return (facts.CloudlinkConnected, facts.CloudlinkExpected) switch
        {
            (true, _) => new("cloudlink", HealthLevel.Ok, $"The cloudlink is up{(f.CloudlinkSince is { } since ? $" for {Span(f.Now - since)}" : "")}."),
            _ when facts is { IsActive: false, EverSeen: true } => new("cloudlink", HealthLevel.Unknown, "The device is deactivated; no cloudlink is expected."),
            (false, false) => new("cloudlink", HealthLevel.Ok, "The cloudlink is switched off by configuration.", "Actions, SSH and the device's own checks need it: remove BALENA_SUPERVISOR_VPN_CONTROL to have it."),
            // A device of which nothing is heard has no trouble with a firewall.
            _ when f.CloudlinkSince is { } since => new("cloudlink", HealthLevel.Fail, $"The cloudlink is down for {Span(f.Now - since)}.", heard ? "Check whether a firewall blocks the tunnel." : "Check the device's power and network."),
            _ when heard => new("cloudlink", HealthLevel.Warn, "The cloudlink was never up.", "Check whether a tunnel server is set up, and whether a firewall blocks the tunnel."),
            _ => new("cloudlink", HealthLevel.Unknown, "The cloudlink was never up."),
        };
    }

    private static HealthCheck Stability(HealthFacts f) => f.ChangesWithinHour < Flickers
        ? new("stability", HealthLevel.Ok, f.ChangesWithinHour switch
        {
            0 => "The status did not change within the last hour.",
            1 => "The status changed once within the last hour.",
            _ => $"The status changed {f.ChangesWithinHour} times within the last hour.",
        })
        : new("stability", HealthLevel.Warn, $"The status flickers: it changed {f.ChangesWithinHour} times within the last hour.", "See in the timeline which link comes and goes; a weak network or a rebooting device does that.");

    private static HealthCheck Update(HealthFacts f)
    {
        HealthCheck Told(HealthLevel level, string sentence, string? advice = null) => new("update", level, sentence, advice);
        var facts = f.Facts;
        var since = f.UpdateStatusSince is { } at ? f.Now - at : 0;
        bool? isOnTarget = facts.TargetReleaseId is { } target ? target == f.RunningReleaseId : null;
        if (facts.IsFrozen)
            return Told(HealthLevel.Warn, "The device is frozen: it gets no updates.", "Raise the organization's allowance or plan, or deactivate a device that is offline.");
        if (UpdateTrouble.Of(new(f.UpdateStatus, f.UpdateStatusSince, f.UpdateMovedAt, facts.IsDownloading, facts.IsHeard, isOnTarget, f.UpdateSign), f.Now) is { } trouble)
        {
            return Told(trouble.IsFailure ? HealthLevel.Fail : HealthLevel.Warn,
                $"{trouble.Sentence}{(f.UpdateStatusSince is null ? "" : $" So for {Span(since)}.")}{(trouble.Said is { } said ? $" Its log says: {said}" : "")}", trouble.NextStep);
        }

        if (!facts.IsHeard && (f.UpdateStatus is not UpdateStatus.None || isOnTarget is true))
        {
            return Told(HealthLevel.Unknown, f.UpdateStatus switch
            {
                UpdateStatus.Downloading => "When last heard, the device was downloading a release.",
                UpdateStatus.Downloaded => "When last heard, the device had downloaded a release and not yet installed it.",
                UpdateStatus.ApplyingChanges => "When last heard, the device was applying changes.",
                _ when isOnTarget is true => "When last heard, the device ran the release that it should.",
                _ when isOnTarget is false => "The device does not run the release that it should, and nothing is heard of it.",
                _ => "When last heard, the device had no update to make.",
            });
        }

        return f.UpdateStatus switch
        {
            UpdateStatus.Downloading => Told(HealthLevel.Ok, $"The device downloads for {Span(since)}."),
            UpdateStatus.Downloaded => Told(HealthLevel.Ok, $"The device has downloaded a release and waits for {Span(since)}."),
            UpdateStatus.ApplyingChanges => Told(HealthLevel.Ok, $"The device applies changes for {Span(since)}."),
            _ when facts.IsHeard && (facts.IsDownloading || OverallStatusRule.Evaluate(facts).Status is OverallStatus.Updating) => Told(HealthLevel.Ok, "The device downloads the images of a release."),
            UpdateStatus.Done when isOnTarget is true => Told(HealthLevel.Ok, $"The device is in its target state for {Span(since)}."),
            UpdateStatus.Done when isOnTarget is null => Told(HealthLevel.Ok, "The device has done what it was asked to; it should run no release."),
            // What runs is told with the report after the one that says done.
            UpdateStatus.Done when since < Minute => Told(HealthLevel.Ok, "The device has just finished an update."),
            _ when isOnTarget is true => Told(HealthLevel.Ok, "The device runs the release that it should."),
            _ when isOnTarget is false && facts.IsHeard => Told(HealthLevel.Warn, "The device does not run the release that it should.", "It takes a new release up with its next poll; if it does not, its log tells why."),
            _ => Told(HealthLevel.Unknown, "The device has reported no update status yet."),
        };
    }

    /// <summary>What was measured before the device fell silent.</summary>
    private static HealthCheck AsOfThen(HealthFacts f, HealthCheck check) =>
        f.Facts.IsHeard || check.Level is HealthLevel.Unknown ? check : check with { Sentence = $"When last heard: {check.Sentence}" };

    /// <summary>Services may be silent, so an old line alone is no trouble.</summary>
    private static HealthCheck Logs(HealthFacts f) => f.LastLogAt is { } at
        ? new("logs", HealthLevel.Ok, $"The last log line came {Ago(f, at)}.")
        : new("logs", HealthLevel.Unknown, "No log line of the device is kept.");

    private static HealthCheck Clock(HealthFacts f)
    {
        if (f.ClockAhead is not { } ahead)
            return new("clock", HealthLevel.Unknown, "The device's clock is not known: it sent no log lines within the last hour.");
        var off = Math.Abs(ahead);
        var words = $"The device's clock is {Span(off)} {(ahead > 0 ? "ahead" : "behind")}.";
        const string advice = "Check that the device reaches a time server (NTP, port 123); certificates fail when the clock is wrong.";
        // What lies behind may have been on its way: a device keeps lines back while it is offline.
        return off < Minute ? new("clock", HealthLevel.Ok, "The device's clock is right, to less than a minute.")
            : ahead < 0 || off < 10 * Minute ? new("clock", HealthLevel.Warn, words, advice)
            : new("clock", HealthLevel.Fail, words, advice);
    }

    private static HealthCheck Usage(string name, string word, long? used, long? total, string advice)
    {
        if (used is not { } have || total is not (> 0 and var all))
            return new(name, HealthLevel.Unknown, $"{word}: not reported.");
        var percent = have * 100 / all;
        var sentence = string.Create(CultureInfo.InvariantCulture, $"{word}: {percent} % of {Size(all)} used.");
        return percent > 97 ? new(name, HealthLevel.Fail, sentence, advice)
            : percent > 90 ? new(name, HealthLevel.Warn, sentence, advice)
            : new(name, HealthLevel.Ok, sentence);
    }

    private static HealthCheck Temperature(HealthFacts f) => f.Temperature switch
    {
        null => new("temperature", HealthLevel.Unknown, "Temperature: not reported."),
        // What a supervisor reports where there is no sensor.
        0 => new("temperature", HealthLevel.Unknown, "Temperature: the device seems to have no sensor."),
        >= 85 and var hot => new("temperature", HealthLevel.Fail, $"The processor has {hot} °C and slows itself down, or switches off.", "Cool it: air, a heat sink, less load."),
        >= 75 and var warm => new("temperature", HealthLevel.Warn, $"The processor has {warm} °C.", "Look after its cooling before it slows itself down."),
        { } fine => new("temperature", HealthLevel.Ok, $"The processor has {fine} °C."),
    };

    private static HealthCheck Voltage(HealthFacts f) => f.IsUndervolted
        ? new("voltage", HealthLevel.Fail, "The device reports too low a supply voltage.", "Use a stronger power supply and a short, thick cable; low voltage corrupts storage.")
        : !f.Facts.EverSeen ? new("voltage", HealthLevel.Unknown, "Supply voltage: not reported.")
        : new("voltage", HealthLevel.Ok, "The device reports no lack of supply voltage.");

    private static HealthCheck Supervisor(HealthFacts f)
    {
        // The status says that functions are missing: so does this.
        if (f.Facts is { CloudlinkConnected: true, Heartbeat: HeartbeatState.Unknown, IsActive: true })
            return new("supervisor", HealthLevel.Warn, "The cloudlink is up, but the supervisor has never asked for the target state.", LookOverCloudlink);
        if (UpdateStatusRule.VersionOf(f.SupervisorVersion) is not { } version)
            return new("supervisor", HealthLevel.Unknown, "The supervisor's version is not known.");
        return version >= UpdateStatusRule.ToldSince
            ? new("supervisor", HealthLevel.Ok, $"Supervisor {f.SupervisorVersion} reports update statuses.")
            : new("supervisor", HealthLevel.Warn, $"Supervisor {f.SupervisorVersion} is too old to report update statuses.", $"Update it to {UpdateStatusRule.ToldSince} or later.");
    }

    private static HealthCheck Os(HealthFacts f) => f.OsVersion is { Length: > 0 } version
        ? new("os", HealthLevel.Ok, $"{version}.")
        : new("os", HealthLevel.Unknown, "The version of the operating system is not known.");

    private static string Ago(HealthFacts f, long? at) => at is { } instant ? $"{Span(f.Now - instant)} ago" : "never";

    private static string Size(long megabytes) => megabytes < 1024
        ? string.Create(CultureInfo.InvariantCulture, $"{megabytes} MB")
        : string.Create(CultureInfo.InvariantCulture, $"{megabytes / 1024.0:0.#} GB");

    /// <summary>The largest unit that fits, and the next: "3 d 4 h".</summary>
    private static string Span(long milliseconds)
    {
        var span = TimeSpan.FromMilliseconds(Math.Max(0, milliseconds));
        return span switch
        {
            { TotalDays: >= 1 } => $"{(int)span.TotalDays} d {span.Hours} h",
            { TotalHours: >= 1 } => $"{span.Hours} h {span.Minutes} min",
            { TotalMinutes: >= 1 } => $"{span.Minutes} min",
            _ => $"{span.Seconds} s",
        };
    }
}
