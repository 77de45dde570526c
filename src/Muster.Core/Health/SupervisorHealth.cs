using System.Text.Json;
using System.Text.Json.Nodes;

namespace Muster.Core.Health;

/// <summary>What a supervisor said to a question.</summary>
/// <param name="Status">HTTP status; 502 and 504 when it was not reached; null when it was not asked.</param>
/// <param name="Text">Its answer, or why there is none.</param>
/// <param name="Took">Milliseconds from question to answer.</param>
/// <param name="ClockAhead">By how much the device's clock is ahead (behind: negative), ms; null when its answer does not tell.</param>
public sealed record SupervisorWord(int? Status, string Text, long Took, long? ClockAhead = null)
{
    public bool IsAnswer => Status is >= 200 and < 300;
}

/// <summary>A device's health from what its supervisor answers when it is asked over the tunnel.</summary>
public static class SupervisorHealth
{
    public const string Ping = "/ping";
    public const string Healthy = "/v1/healthy";
    public const string Device = "/v1/device";
    public const string State = "/v2/state/status";
    public const string Version = "/v2/version";
    public const string Tunnel = "/v2/device/vpn";
    public const string Containers = "/v2/containerId";

    /// <summary>Paths of the supervisor's API that change nothing.</summary>
    public static readonly IReadOnlyList<string> Questions = [Ping, Healthy, Device, State, Version, Tunnel, Containers];

    private const long SlowTunnel = 2_000;
    private const long Minute = 60_000;
    private const int BadGateway = 502;
    private const int GatewayTimeout = 504;
    private const int LongestWord = 100;

    /// <summary>All checks, always in the same order.</summary>
    /// <param name="answers">By question; one that is missing was not asked.</param>
    public static IReadOnlyList<HealthCheck> Of(IReadOnlyDictionary<string, SupervisorWord> answers)
    {
        SupervisorWord Of(string question) => answers.TryGetValue(question, out var word) ? word : new(null, "Not asked.", 0);
        return [Reach(Of(Ping)), Health(Of(Healthy)), Release(Of(State)), Services(Of(State), Of(Containers)), Update(Of(Device)), OwnTunnel(Of(Tunnel)), Clock(answers.Values), Answering(Of(Version))];
    }

    private static HealthCheck Reach(SupervisorWord word) => word switch
    {
        { Status: null } => new("tunnel", HealthLevel.Unknown, word.Text),
        { Status: BadGateway or GatewayTimeout } => new("tunnel", HealthLevel.Fail, word.Text, "The cloudlink counts as up, but nothing answers through it: the supervisor may be restarting."),
        { IsAnswer: false } => new("tunnel", HealthLevel.Warn, $"The supervisor answers, but not as it should ({word.Status})."),
        { Took: > SlowTunnel } => new("tunnel", HealthLevel.Warn, $"The supervisor answers slowly: after {word.Took} ms.", "A slow network or a busy device; look at its load and its signal."),
        _ => new("tunnel", HealthLevel.Ok, $"The supervisor answers over the tunnel within {word.Took} ms."),
    };

    private static HealthCheck Health(SupervisorWord word) => word switch
    {
        { IsAnswer: true } => new("supervisor-health", HealthLevel.Ok, "The supervisor counts itself healthy."),
        _ when NotTold(word) is { } why => new("supervisor-health", HealthLevel.Unknown, $"Whether the supervisor is healthy is not known: {why}"),
        _ => new("supervisor-health", HealthLevel.Fail, $"The supervisor counts itself unhealthy ({word.Status}).", "Its OS restarts it; its log tells why."),
    };

    private static HealthCheck Release(SupervisorWord word) => Read(word) switch
    {
        { } state when Text(state, "appState") is "applied" => new("release-state", HealthLevel.Ok, "The release is applied."),
        { } state when Text(state, "appState") is { } other => new("release-state", HealthLevel.Warn, $"The release is not applied: {other}.", "Wait until it is; the log names what holds it up."),
        _ => new("release-state", HealthLevel.Unknown, $"The state of the release is not known: {NotTold(word) ?? "the answer was not understood."}"),
    };

    private static HealthCheck Services(SupervisorWord state, SupervisorWord containers)
    {
        if (Read(state)?["containers"] is JsonArray { Count: > 0 } rows)
        {
            var still = rows.OfType<JsonObject>().Where(row => !string.Equals(Text(row, "status"), "running", StringComparison.OrdinalIgnoreCase))
                .Select(row => $"{Text(row, "serviceName") ?? "?"} ({Text(row, "status") ?? "?"})").ToList();
            return still.Count == 0
                ? new("services", HealthLevel.Ok, rows.Count == 1 ? "Its one service runs." : $"All {rows.Count} services run.")
                : new("services", HealthLevel.Fail, $"{still.Count} of {rows.Count} services don't run: {Cut(string.Join(", ", still))}.", "Their logs tell why; start them from the Services panel.");
        }

        return Read(containers)?["services"] is JsonObject services
            ? new("services", services.Count > 0 ? HealthLevel.Ok : HealthLevel.Unknown, services.Count > 0 ? $"{services.Count} services have containers." : "No service has a container.")
            : new("services", HealthLevel.Unknown, $"The services are not known: {NotTold(state) ?? "the answer names none."}");
    }

    private static HealthCheck Update(SupervisorWord word) => Read(word) switch
    {
        null => new("device-update", HealthLevel.Unknown, $"What the device says of updates is not known: {NotTold(word) ?? "the answer was not understood."}"),
        var device when Flag(device, "update_failed") => new("device-update", HealthLevel.Fail, "The device says that its update failed.", "Its log tells why; pin it to another release meanwhile."),
        var device when Flag(device, "update_downloaded") => new("device-update", HealthLevel.Warn, "An update is downloaded and waits to be applied.", "A service may hold an update lock: release it, or update with force."),
        var device when Flag(device, "update_pending") => new("device-update", HealthLevel.Ok, "An update is under way."),
        _ => new("device-update", HealthLevel.Ok, "No update is pending on the device."),
    };

    private static HealthCheck OwnTunnel(SupervisorWord word) => Read(word)?["vpn"] is JsonObject vpn
        ? Flag(vpn, "connected")
            ? new("own-tunnel", HealthLevel.Ok, "The device itself counts its tunnel as up.")
            : new("own-tunnel", HealthLevel.Warn, "The device itself counts its tunnel as down, and yet answers through it.", "It has just come back, or the supervisor does not see the OS's tunnel; a restart of the supervisor mends that.")
        : new("own-tunnel", HealthLevel.Unknown, $"What the device thinks of its tunnel is not known: {NotTold(word) ?? "the answer was not understood."}");

    private static HealthCheck Clock(IEnumerable<SupervisorWord> words)
    {
        // The smallest is the nearest to the truth: answers are late, and stamped to the second.
        var known = words.Where(word => word.ClockAhead is not null).Select(word => word.ClockAhead!.Value).ToList();
        if (known.Count == 0)
            return new("device-clock", HealthLevel.Unknown, "The device's clock is not known: no answer carried a date.");
        var ahead = known.MinBy(Math.Abs);
        var seconds = Math.Abs(ahead) / 1000;
        const string advice = "Check that the device reaches a time server (NTP, port 123); certificates fail when the clock is wrong.";
        return Math.Abs(ahead) switch
        {
            < Minute => new("device-clock", HealthLevel.Ok, "The device's clock is right, to less than a minute."),
            < 10 * Minute => new("device-clock", HealthLevel.Warn, $"The device's clock is {seconds} s {(ahead > 0 ? "ahead" : "behind")}.", advice),
            _ => new("device-clock", HealthLevel.Fail, $"The device's clock is {seconds} s {(ahead > 0 ? "ahead" : "behind")}.", advice),
        };
    }

    private static HealthCheck Answering(SupervisorWord word) => Read(word) is { } answer && Text(answer, "version") is { } version
        ? new("supervisor-version", HealthLevel.Ok, $"Supervisor {version} answers.")
        : new("supervisor-version", HealthLevel.Unknown, $"Which supervisor answers is not known: {NotTold(word) ?? "the answer was not understood."}");

    /// <summary>Why there is nothing to go by; null when there is an answer of the question's own.</summary>
    private static string? NotTold(SupervisorWord word) => word.Status switch
    {
        null or BadGateway or GatewayTimeout => Cut(word.Text),
        401 => "the supervisor does not accept the key that it reported; it reports a new one when it restarts.",
        404 => "this supervisor does not know the question.",
        _ => null,
    };

    private static JsonObject? Read(SupervisorWord word)
    {
        if (!word.IsAnswer)
            return null;
        try
        {
            return JsonNode.Parse(word.Text) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Text(JsonObject json, string name) => json[name] is JsonValue value && value.TryGetValue(out string? text) ? Cut(text) : null;

    private static bool Flag(JsonObject json, string name) => json[name] is JsonValue value && value.TryGetValue(out bool flag) && flag;

    private static string Cut(string text) => text.Length <= LongestWord ? text : text[..LongestWord] + "…";
}
