using System.Net;
using System.Net.Http.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Muster.Server;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Tests.Hosting;

public sealed class FaultAnswersTests
{
    public static TheoryData<string> Reasons => ["database", "busy"];

    [Theory, MemberData(nameof(Reasons))]
    public async Task People_are_told_when_to_come_again(string reason)
    {
        using var answer = await AskAsync($"/people/{reason}");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 2, 10);
    }

    [Theory, MemberData(nameof(Reasons))]
    public async Task A_device_is_not_told_because_it_would_take_seconds_for_milliseconds(string reason)
    {
        using var byPath = await AskAsync($"/device/{reason}");
        using var byAgent = await AskAsync($"/people/{reason}", "Supervisor/19.0.5 (Linux; balenaOS 6.5.39; prod)");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, HttpStatusCode.ServiceUnavailable), (byPath.StatusCode, byAgent.StatusCode));
        Assert.Null(byPath.Headers.RetryAfter);
        Assert.Null(byAgent.Headers.RetryAfter);
    }

    [Fact]
    public async Task Nothing_of_an_unforeseen_error_goes_out()
    {
        using var answer = await AskAsync("/people/secret");
        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Equal("Something went wrong in the server.", await answer.Content.ReadFromJsonAsync<string>());
    }

    [Fact]
    public async Task A_body_over_the_bound_is_413()
    {
        using var answer = await AskAsync("/people/body", body: new string('x', 9 * 1024 * 1024));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
    }

    private static async Task<HttpResponseMessage> AskAsync(string path, string? agent = null, string? body = null)
    {
        var data = Directory.CreateTempSubdirectory("muster-faults-").FullName;
        await using var server = ServerHost.Build(["--urls=http://127.0.0.1:0", $"--data={data}", "--Logging:LogLevel:Default=None"]);
        server.Map("/{caller}/database", string (string caller) => throw new DatabaseAwayException("gone"));
        server.Map("/{caller}/busy", string (string caller) => throw new PresenceBusyException("full"));
        server.Map("/{caller}/secret", string (string caller) => throw new InvalidOperationException("password=hunter2"));
        server.Map("/{caller}/body", async (HttpRequest request) => await new StreamReader(request.Body).ReadToEndAsync());
        await server.StartAsync();
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(body is null ? HttpMethod.Get : HttpMethod.Post, server.Urls.First() + path);
        if (agent is not null)
            request.Headers.Add("User-Agent", agent);
        if (body is not null)
            request.Content = new StringContent(body);
        return await client.SendAsync(request);
    }
}
