using Microsoft.AspNetCore.Builder;
using Muster.Tests.Resources;

namespace Muster.Tests.Hosting;

public sealed class KnownProxiesTests
{
    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("10.0.0.1", false)]
    [InlineData(null, false)]
    public async Task Cookies_are_secure_behind_a_known_proxy_that_ends_TLS(string? known, bool isSecure)
    {
        await using var server = await StartedServer.StartAsync(configure: b => b.Configuration["Proxies:Known"] = known);
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/login"));
        request.Headers.Add("X-Forwarded-For", "198.51.100.1");
        request.Headers.Add("X-Forwarded-Proto", "https");
        using var answer = await http.SendAsync(request);
        var cookies = answer.Headers.GetValues("Set-Cookie").ToList();
        Assert.NotEmpty(cookies);
        Assert.All(cookies, cookie => Assert.Equal(isSecure, cookie.Contains("; secure", StringComparison.OrdinalIgnoreCase)));
    }
}
