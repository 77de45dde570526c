using System.Text.Json.Nodes;

namespace Muster.Tests.Devices;

/// <summary>
/// Sends the requests of a recording in their order and compares status and body of every answer. Where Muster means to
/// be different stands in <see cref="Differences"/>, and nowhere else.
/// </summary>
internal sealed class Replay(RecordedWorld world, string topic)
{
    /// <summary>Captures whose answer is not the reference's, with the status of ours and why.</summary>
    public static readonly IReadOnlyDictionary<(string Topic, string Capture), (int Status, string Why)> Differences = new Dictionary<(string, string), (int, string)>
    {
        [("deleted-device", "re-register same uuid and same api key (the key of the deleted device still exists)")] = (201, "a deleted device's key is deleted with it (docs/api-differences.md)"),
        [("deleted-device", "re-register same uuid, new key")] = (409, "follows from the line above: the uuid is taken again"),
        [("deleted-device", "state with the new key")] = (401, "follows from the line above: that key was never given"),
        [("deleted-device", "state with the old key")] = (200, "follows from the line above: the old key was given again"),
    };

    private readonly Dictionary<string, string> versions = [];

    /// <summary>What has to happen before a capture that the recording did by other means.</summary>
    public Dictionary<string, Func<Task>> Before { get; } = [];

    /// <summary>Looks at what a capture without a request shows.</summary>
    public Func<Capture, Task> Look { get; init; } = _ => Task.CompletedTask;

    /// <summary>Captures that belong to other rooms.</summary>
    public Func<Capture, bool> IsOurs { get; init; } = _ => true;

    public async Task RunAsync()
    {
        List<string> wrong = [];
        foreach (var capture in Recording.Of(topic))
        {
            if (Before.TryGetValue(capture.Name, out var before))
                await before();
            if (!IsOurs(capture))
                continue;
            try
            {
                if (capture.Request is { } request)
                    await SendAsync(capture, request);
                else
                    await Look(capture);
            }
            catch (Exception e) when (e is Xunit.Sdk.XunitException or HttpRequestException or System.Text.Json.JsonException)
            {
                wrong.Add($"{topic}: {capture.Name}: {e.Message}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join("\n\n", wrong));
    }

    private async Task SendAsync(Capture capture, JsonObject request)
    {
        var headers = (request["headers"]?.AsObject() ?? []).Select(h => (h.Key, Value: (string)h.Value!)).Select(h => (h.Key, versions.GetValueOrDefault(h.Value, h.Value))).ToList();
        var body = Body(request);
        var contentType = headers.Any(h => h.Key == "Content-Type") ? null : "application/json";
        var answer = (string?)request["raw_body"] == "(gzip of one ndjson line)"
            ? await world.SendAsync("POST", (string)request["path"]!, headers, Gzipped("{\"message\":\"gz\",\"timestamp\":1795382663798}\n"), contentType)
            : await world.SendAsync((string)request["method"]!, (string)request["path"]!, headers, body, contentType);

        if (Differences.TryGetValue((topic, capture.Name), out var difference))
        {
            Assert.Equal(difference.Status, answer.Status);
            return;
        }

        Assert.Equal(capture.Status, answer.Status);
        Assert.False(answer.HasRetryAfter);
        if ((string?)capture.Response!["headers"]?["etag"] is { } version && answer.Version is not null && capture.Status is 200 or 304)
            versions[(string)capture.Response!["headers"]!["etag"]!] = answer.Version!;
        AssertBody(capture, answer);
    }

    private static void AssertBody(Capture capture, WireAnswer answer)
    {
        var response = capture.Response!;
        if ((string?)response["body_text"] is { } text)
        {
            // Pages of the reference's framework are not part of the contract.
            if (!text.StartsWith("<!DOCTYPE", StringComparison.Ordinal))
                Assert.Equal(text, answer.Text);
            return;
        }

        if (response["body"] is not { } recorded || (recorded.GetValueKind() == System.Text.Json.JsonValueKind.String && (string?)recorded == "(state)"))
            return;
        var (expected, actual) = (Comparable(recorded), Comparable(answer.Json));
        Assert.True(JsonNode.DeepEquals(expected, actual), $"expected {expected?.ToJsonString()}\n but was {actual?.ToJsonString()}");
    }

    /// <summary>Without what is new each time: ids and keys that the server made, instants of receipt.</summary>
    private static JsonNode? Comparable(JsonNode? body)
    {
        var copy = body?.DeepClone();
        if (copy is JsonObject registered && registered.ContainsKey("api_key"))
        {
            registered["id"] = 0;
            registered["api_key"] = ((string)registered["api_key"]!).Length;
        }

        foreach (var line in (copy as JsonArray ?? []).OfType<JsonObject>().Where(l => l.ContainsKey("createdAt")))
            line["createdAt"] = 0;
        return copy;
    }

    private static string? Body(JsonObject request) => request["raw_body"] is { } raw
        ? (string)raw!
        : request["body"] switch
        {
            null => null,
            JsonValue placeholder when (string?)placeholder == "(600 kB body)" => $"{{\"5fb8480a59705a8f10a8312e231ce8d0\":{{\"status\":\"{new string('x', 600_000)}\"}}}}",
            var body => body.ToJsonString(),
        };

    private static ByteArrayContent Gzipped(string text)
    {
        using var buffer = new MemoryStream();
        using (var gzip = new System.IO.Compression.GZipStream(buffer, System.IO.Compression.CompressionLevel.Fastest))
            gzip.Write(System.Text.Encoding.UTF8.GetBytes(text));
        return new(buffer.ToArray());
    }
}
