using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Muster.Server.Resources.Accounts;

namespace Muster.Tests.Resources.Accounts;

public sealed class LoginLimitTests
{
    private static readonly IPAddress Here = IPAddress.Parse("192.0.2.1");
    private static readonly IPAddress There = IPAddress.Parse("192.0.2.2");

    private readonly LoginLimit limit = new(TimeProvider.System);

    [Fact]
    public void Failures_elsewhere_lock_nobody_out()
    {
        Fail(10, "ann", 7, There);
        Assert.NotNull(limit.Attempt("ann", 7, There));
        Assert.Null(limit.Attempt("ann", 7, Here));
    }

    [Theory]
    [InlineData("ann", "ann@corp.test", 7L)]
    [InlineData("ann", "ANN@corp.test", null)] // there is no such account: it must not show
    [InlineData("boss", "ann@corp.test", 7L)]
    public void Name_and_address_of_a_person_share_one_count(string name, string email, long? account)
    {
        Fail(5, name, account, Here);
        Fail(5, email, account, Here);
        Assert.NotNull(limit.Attempt(name, account, Here));
        Assert.NotNull(limit.Attempt(email, account, Here));
        Assert.Null(limit.Attempt("somebody", 8, Here));
    }

    [Fact]
    public void An_address_that_tries_many_names_is_slowed_down()
    {
        for (var i = 0; i < 50; i++)
            Fail(1, $"name{i}", null, Here);
        Assert.NotNull(limit.Attempt("another", null, Here));
    }

    [Theory]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:3::1", false)]
    [InlineData("192.0.2.1", "::ffff:192.0.2.1", true)]
    public void An_address_is_what_one_owner_has(string first, string second, bool isSame)
    {
        Fail(10, "ann", 7, IPAddress.Parse(first));
        Assert.Equal(isSame, limit.Attempt("ann", 7, IPAddress.Parse(second)) is not null);
    }

    [Fact]
    public async Task The_server_counts_by_the_address_that_a_known_proxy_forwards()
    {
        await using var server = await StartedServer.StartAsync(configure: b => b.Configuration["Proxies:Known"] = "10.1.0.0/16, 127.0.0.1");
        // What a client put into the header itself stands before what the proxy added, and counts for nothing.
        for (var i = 0; i < 10; i++)
            Assert.Equal(401, await TryAsync(server, i % 2 == 0 ? StartedServer.Email : "ADMIN", "wrong", $"203.0.113.{i}, 198.51.100.1"));
        Assert.Equal(429, await TryAsync(server, "admin", StartedServer.Password, "198.51.100.1"));
        Assert.Equal(429, await TryAsync(server, "admin", StartedServer.Password, "203.0.113.9, 198.51.100.1, 10.1.2.3"));
        Assert.Equal(200, await TryAsync(server, "admin", StartedServer.Password, "198.51.100.2"));
    }

    [Fact]
    public async Task Without_the_setting_the_header_means_nothing()
    {
        await using var server = await StartedServer.StartAsync();
        for (var i = 0; i < 10; i++)
            Assert.Equal(401, await TryAsync(server, "admin", "wrong", $"203.0.113.{i}"));
        Assert.Equal(429, await TryAsync(server, "admin", StartedServer.Password, "198.51.100.2"));
    }

    private static async Task<int> TryAsync(StartedServer server, string name, string password, string forwarded)
    {
        using var body = new StringContent(new JsonObject { ["username"] = name, ["password"] = password }.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        return (await server.SendAsync("POST", "/login_", null, body, ("X-Forwarded-For", forwarded))).Status;
    }

    private void Fail(int times, string typed, long? account, IPAddress from)
    {
        for (var i = 0; i < times; i++)
            Assert.Null(limit.Attempt(typed, account, from));
    }
}
