using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Muster.Server.Hosting;
using Muster.Tests.Resources;

namespace Muster.Tests.Hosting;

public sealed class MonitoringTests
{
    private const string Token = "0123456789abcdef";

    [Fact]
    public async Task With_a_token_only_who_shows_it_reads_the_metrics()
    {
        await using var server = await StartedServer.StartAsync(configure: b => b.Configuration["Monitoring:Token"] = Token);
        foreach (var path in (string[])["/metrics", "/METRICS", "/metrics/"])
        {
            Assert.Equal((401, ""), Short(await server.SendAsync("GET", path)));
            Assert.Equal(401, (await server.SendAsync("GET", path, "fedcba9876543210")).Status);
        }

        Assert.Contains("# TYPE", (await server.SendAsync("GET", "/metrics", Token)).Text, StringComparison.Ordinal);
        Assert.Equal((200, "OK"), Short(await server.SendAsync("GET", "/healthz")));
        Assert.Contains((await server.SendAsync("GET", "/readyz")).Text, new[] { "OK", "Not ready" });
    }

    [Fact]
    public async Task With_an_address_of_its_own_nothing_is_read_elsewhere_and_nothing_else_there()
    {
        var port = FreePort();
        await using var server = await StartedServer.StartAsync(configure: b => b.Configuration["Monitoring:Url"] = $"http://127.0.0.1:{port}");
        using var own = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        Assert.Equal((404, ""), Short(await server.SendAsync("GET", "/metrics")));
        Assert.Equal((200, "OK"), Short(await server.SendAsync("GET", "/healthz")));
        Assert.Contains("# TYPE", await own.GetStringAsync(new Uri("/metrics", UriKind.Relative)), StringComparison.Ordinal);
        Assert.Equal("OK", await own.GetStringAsync(new Uri("/healthz", UriKind.Relative)));
        foreach (var path in (string[])["/", "/v7/device", "/login", "/user/v1/whoami"])
            Assert.Equal(HttpStatusCode.NotFound, (await own.GetAsync(new Uri(path, UriKind.Relative))).StatusCode);
    }

    [Theory]
    [InlineData("Monitoring:Token", "short")]
    [InlineData("Monitoring:Url", "https://127.0.0.1:9090")]
    [InlineData("Monitoring:Url", "http://127.0.0.1:0")]
    [InlineData("Monitoring:Url", "nonsense")]
    [InlineData("Proxies:Known", "10.0.0.1, everybody")]
    public async Task A_setting_that_cannot_be_used_is_refused_at_start(string name, string value) =>
        await Assert.ThrowsAsync<SettingException>(() => StartedServer.StartAsync(configure: b => b.Configuration[name] = value));

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static (int Status, string Text) Short(Answer answer) => (answer.Status, answer.Text);
}
