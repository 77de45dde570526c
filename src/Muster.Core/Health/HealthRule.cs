using System.Globalization;
using Muster.Core.Status;

namespace Muster.Core.Health;

/// <summary>A device's health from what is on record, without asking it.</summary>
public static class HealthRule
{
    /// <summary>The supervisor from which on devices report update statuses (device-statuses.md#update-statuses).</summary>
    public static readonly Version UpdateStatusesSince = new(16, 7, 0);

    private const long Minute = 60_000;
    private const long Hour = 60 * Minute;

    /// <summary>From so many changes within an hour on, a status flickers; a device that boots and updates has fewer.</summary>
    private const int Flickers = 8;

    /// <summary>All checks, always in the same order.</summary>
    public static IReadOnlyList<HealthCheck> Of(HealthFacts facts) =>
    [
        Heartbeat(facts), Cloudlink(facts), Stability(facts), Update(facts), Logs(facts), Clock(facts),
        Usage("memory", "Memory", facts.MemoryUsed, facts.MemoryTotal, "Find the service that needs it (docker stats on the device), and give it a limit or the device more memory."),
        Usage("storage", "Storage", facts.StorageUsed, facts.StorageTotal, "Remove old data from the services' volumes; a full disk stops updates. Purge empties the volumes."),
        Temperature(facts), Voltage(facts), Supervisor(facts), Os(facts),
    ];

    /// <summary>The worst of them; unknown ones don't count, unless there are no others.</summary>
    public static HealthLevel Overall(IReadOnlyList<HealthCheck> checks) =>
        checks.Any(c => c.Level is HealthLevel.Fail) ? HealthLevel.Fail
        : checks.Any(c => c.Level is HealthLevel.Warn) ? HealthLevel.Warn
        : checks.Any(c => c.Level is HealthLevel.Ok) ? HealthLevel.Ok
        : HealthLevel.Unknown;

    private static HealthCheck Heartbeat(HealthFacts f) => f.Facts.Heartbeat switch
    {
        HeartbeatState.Online => new("heartbeat", HealthLevel.Ok, $"The device asks for its target state as it should; last {Ago(f, f.LastPollAt)}."),
        HeartbeatState.Timeout => new("heartbeat", HealthLevel.Warn, $"The heartbeat is overdue; the last one came {Ago(f, f.LastPollAt)}.", "Wait for the next poll; if it stays away, check the device's power and network."),
        HeartbeatState.Offline => new("heartbeat", HealthLevel.Fail, $"No heartbeat; the last one came {Ago(f, f.LastPollAt)}.",
            f.Facts.CloudlinkConnected ? "The cloudlink is up: look over it whether the supervisor runs and reaches this server." : "Check the device's power and network."),
        _ => new("heartbeat", HealthLevel.Unknown, "The device has never asked for its target state.", "Power it on with an image of its fleet."),
    };

    private static HealthCheck Cloudlink(HealthFacts f) => (f.Facts.CloudlinkConnected, f.Facts.CloudlinkExpected) switch
    {
        (true, _) => new("cloudlink", HealthLevel.Ok, $"The cloudlink is up{(f.CloudlinkSince is { } since ? $" for {Span(f.Now - since)}" : "")}."),
        (false, false) => new("cloudlink", HealthLevel.Ok, "The cloudlink is switched off by configuration.", "Actions, SSH and the device's own checks need it: remove BALENA_SUPERVISOR_VPN_CONTROL to have it."),
        _ when f.CloudlinkSince is { } since => new("cloudlink", HealthLevel.Fail, $"The cloudlink is down for {Span(f.Now - since)}.", "Check whether a firewall blocks the tunnel."),
        _ => new("cloudlink", HealthLevel.Unknown, "The cloudlink was never up.", "Check whether a tunnel server is set up, and whether a firewall blocks the tunnel."),
    };

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
        var since = f.UpdateStatusSince is { } at ? f.Now - at : 0;
        var (word, patience) = f.UpdateStatus switch
        {
            UpdateStatus.Downloading => ("downloads", 2 * Hour),
            UpdateStatus.Downloaded => ("has downloaded a release and waits", Hour),
            UpdateStatus.ApplyingChanges => ("applies changes", 30 * Minute),
            _ => ("", 0L),
        };
        return f.UpdateStatus switch
        {
            UpdateStatus.Done => new("update", HealthLevel.Ok, $"The device is in its target state for {Span(since)}."),
            UpdateStatus.Rejected => new("update", HealthLevel.Fail, $"The device rejected its target release {Span(since)} ago.", "Compare the requirements of the release's services with the device's type, OS and supervisor."),
            UpdateStatus.Aborted => new("update", HealthLevel.Fail, $"The device gave up on its target release {Span(since)} ago.", "Its log tells why; pin it to another release meanwhile."),
            UpdateStatus.None => new("update", HealthLevel.Unknown, "The device has reported no update status yet."),
            _ when since <= patience => new("update", HealthLevel.Ok, $"The device {word} for {Span(since)}."),
            _ => new("update", HealthLevel.Warn, $"The update seems stuck: the device {word} for {Span(since)}.", f.UpdateStatus switch
            {
                UpdateStatus.Downloading => "Check its network and its free storage; its log names failed downloads.",
                UpdateStatus.Downloaded => "A service may hold an update lock: release it, or update with force.",
                _ => "Its log names the service that does not start or stop.",
            }),
        };
    }

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
        >= 85 and var hot => new("temperature", HealthLevel.Fail, $"The processor has {hot} °C and slows itself down, or switches off.", "Cool it: air, a heat sink, less load."),
        >= 75 and var warm => new("temperature", HealthLevel.Warn, $"The processor has {warm} °C.", "Look after its cooling before it slows itself down."),
        { } fine => new("temperature", HealthLevel.Ok, $"The processor has {fine} °C."),
    };

    private static HealthCheck Voltage(HealthFacts f) => f.IsUndervolted
        ? new("voltage", HealthLevel.Fail, "The device reports too low a supply voltage.", "Use a stronger power supply and a short, thick cable; low voltage corrupts storage.")
        : new("voltage", HealthLevel.Ok, "The device reports no lack of supply voltage.");

    private static HealthCheck Supervisor(HealthFacts f)
    {
        if (Parse(f.SupervisorVersion) is not { } version)
            return new("supervisor", HealthLevel.Unknown, "The supervisor's version is not known.");
        return version >= UpdateStatusesSince
            ? new("supervisor", HealthLevel.Ok, $"Supervisor {f.SupervisorVersion} reports update statuses.")
            : new("supervisor", HealthLevel.Warn, $"Supervisor {f.SupervisorVersion} is too old to report update statuses.", $"Update it to {UpdateStatusesSince} or later.");
    }

    private static HealthCheck Os(HealthFacts f) => f.OsVersion is { Length: > 0 } version
        ? new("os", HealthLevel.Ok, $"{version}.")
        : new("os", HealthLevel.Unknown, "The version of the operating system is not known.");

    /// <summary>The first three numbers: "v16.7.0-rc1" is 16.7.0.</summary>
    private static Version? Parse(string? text)
    {
        var numbers = string.Concat((text ?? "").TrimStart('v').TakeWhile(c => char.IsAsciiDigit(c) || c == '.'));
        return Version.TryParse(numbers, out var version) ? version : null;
    }

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
