using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace Muster.Tests.Insight;

/// <summary>An event as it came: name "" stands for an id without data.</summary>
internal sealed record StreamEvent(string? Id, string Name, JsonNode? Data)
{
    public string Change => $"{Data!["fact"]}: {Data["from"]} -> {Data["to"]}";
}

/// <summary>Reads a stream of server-sent events.</summary>
internal sealed class EventStreamReader : IDisposable
{
    private readonly HttpClient http;
    private readonly HttpResponseMessage response;
    private readonly StreamReader lines;

    private EventStreamReader(HttpClient http, HttpResponseMessage response, Stream stream) => (this.http, this.response, lines) = (http, response, new(stream));

    /// <summary>What a proxy in front is told.</summary>
    public string? ProxyBuffering => response.Headers.TryGetValues("X-Accel-Buffering", out var values) ? values.Single() : null;

    public string? ContentType => response.Content.Headers.ContentType?.MediaType;

    public static async Task<EventStreamReader> OpenAsync(Uri server, string token, string query = "", string? lastEventId = null)
    {
        var http = new HttpClient { BaseAddress = server };
        using var request = new HttpRequestMessage(HttpMethod.Get, "/muster/v1/events" + query);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (lastEventId is not null)
            request.Headers.Add("Last-Event-ID", lastEventId);
        var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        return new(http, response, await response.Content.ReadAsStreamAsync());
    }

    /// <summary>The next event; null at the end of the stream. Comments are passed over.</summary>
    public async Task<StreamEvent?> NextAsync()
    {
        string? id = null, name = null, data = null;
        while (await lines.ReadLineAsync() is { } line)
        {
            if (line.Length == 0 && (id ?? name ?? data) is not null)
                return new(id, name ?? "", data is null ? null : JsonNode.Parse(data));
            if (line.Split(": ", 2) is [{ Length: > 0 } field, var value])
                (id, name, data) = (field == "id" ? value : id, field == "event" ? value : name, field == "data" ? value : data);
        }

        return null;
    }

    /// <summary>Reads on to the next transition.</summary>
    public async Task<StreamEvent> NextTransitionAsync()
    {
        while (true)
        {
            var next = await NextAsync();
            Assert.NotNull(next);
            if (next.Name == "transition")
                return next;
        }
    }

    public void Dispose()
    {
        lines.Dispose();
        response.Dispose();
        http.Dispose();
    }
}
