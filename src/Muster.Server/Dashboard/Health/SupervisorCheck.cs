using System.Text.Json;
using System.Text.Json.Nodes;
using Muster.Server.Cloudlink.Actions;

namespace Muster.Server.Dashboard.Health;

/// <summary>What a device's supervisor itself says when it is asked over the cloudlink.</summary>
/// <param name="Level">ok, warn, fail; unknown when no answer could be had.</param>
internal sealed record SupervisorCheck(string Level, string Sentence, string? Advice = null)
{
    /// <summary>Paths of the supervisor's API that change nothing.</summary>
    public static readonly IReadOnlyList<string> Questions = ["/ping", "/v1/healthy", "/v2/state/status"];

    public static SupervisorCheck Of(string question, SupervisorWord word) => word.Status switch
    {
        null => new("unknown", $"{Title(question)}: {word.Text}"),
        StatusCodes.Status502BadGateway or StatusCodes.Status504GatewayTimeout =>
            new("fail", $"{Title(question)}: {word.Text}", "The cloudlink counts as up, but nothing answers through it: the supervisor may be restarting."),
        StatusCodes.Status404NotFound => new("unknown", $"{Title(question)}: this supervisor does not know the question."),
        StatusCodes.Status401Unauthorized => new("unknown", $"{Title(question)}: the supervisor does not accept the key that it reported.", "It reports a new one when it restarts."),
        >= 200 and < 300 => question == "/v2/state/status" ? OfState(word) : new("ok", $"{Title(question)}: yes, within {word.Took} ms."),
        { } status => new("fail", $"{Title(question)}: no ({status}).", question == "/v1/healthy" ? "The supervisor counts itself unhealthy, and is restarted by its OS; its log tells why." : null),
    };

    private static string Title(string question) => question switch
    {
        "/ping" => "Supervisor answers",
        "/v1/healthy" => "Supervisor healthy",
        _ => "State of the release",
    };

    private static SupervisorCheck OfState(SupervisorWord word)
    {
        string? state = null;
        try
        {
            state = JsonNode.Parse(word.Text) is JsonObject json && json["appState"] is JsonValue value && value.TryGetValue(out string? text) ? text : null;
        }
        catch (JsonException)
        {
            // Told as not understood.
        }

        return state switch
        {
            "applied" => new("ok", $"State of the release: applied ({word.Took} ms)."),
            { } other => new("warn", $"State of the release: {(other.Length <= 100 ? other : other[..100])} ({word.Took} ms).", "Wait until it is applied; the log names what holds it up."),
            null => new("unknown", "State of the release: the answer was not understood."),
        };
    }
}
