using System.Text.Json.Nodes;

namespace Muster.Tests.Devices;

/// <summary>One capture of a recording of the reference server: an exchange, or (without a request) what it led to.</summary>
public sealed record Capture(string Name, JsonObject Json)
{
    public JsonObject? Request => Json["request"]?.AsObject();

    public JsonObject? Response => Json["response"]?.AsObject();

    public int Status => (int)Response!["status"]!;
}

/// <summary>Recordings in <c>tests/recordings</c>: real exchanges with the reference server.</summary>
internal static class Recording
{
    public static IReadOnlyList<Capture> Of(string topic) =>
        [.. JsonNode.Parse(File.ReadAllText(TestFiles.At($"recordings/{topic}.json")))!["captures"]!.AsArray().Select(c => new Capture((string)c!["name"]!, c.AsObject()))];

    public static JsonObject BodyOf(string topic, string name) => Of(topic).First(c => c.Name == name).Response!["body"]!.AsObject();
}
