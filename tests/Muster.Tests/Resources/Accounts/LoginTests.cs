using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Muster.Tests.Storage;

namespace Muster.Tests.Resources.Accounts;

public sealed class LoginTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_login_gives_a_token_that_says_who_one_is(string kind)
    {
        await using var server = await StartedServer.StartAsync(kind);
        var token = await server.LogInAsync();
        Assert.Equal(3, token.Split('.').Length);
        var payload = JsonNode.Parse(Microsoft.IdentityModel.Tokens.Base64UrlEncoder.Decode(token.Split('.')[1]))!;
        Assert.NotNull(payload["iat"]);
        Assert.NotNull(payload["exp"]);

        var user = await server.SendAsync("GET", "/user/v1/whoami", token);
        Assert.Equal(("admin", StartedServer.Email), (user.Json["username"]!.GetValue<string>(), user.Json["email"]!.GetValue<string>()));
        var actor = (await server.SendAsync("GET", "/actor/v1/whoami", token)).Json;
        Assert.Equal("user", actor["actorType"]!.GetValue<string>());
        Assert.Equal(user.Json["id"]!.GetValue<long>(), actor["actorTypeId"]!.GetValue<long>());

        Assert.Equal(token.Split('.')[0], (await server.LogInAsync("admin")).Split('.')[0]);
    }

    [Fact]
    public async Task Wrong_or_missing_credentials_are_refused()
    {
        await using var server = await StartedServer.StartAsync();
        Assert.Equal(401, (await Try(server, StartedServer.Email, "wrong")).Status);
        Assert.Equal(401, (await Try(server, "nobody@x.y", "wrong")).Status);
        Assert.Equal(401, (await Try(server, "", "")).Status);
        Assert.Equal(400, (await server.SendAsync("POST", "/login_", body: new JsonObject { ["username"] = "x" })).Status);
        foreach (var path in (string[])["/user/v1/whoami", "/actor/v1/whoami", "/user/v1/refresh-token"])
        {
            Assert.Equal((401, ""), Short(await server.SendAsync("GET", path)));
            Assert.Equal((401, ""), Short(await server.SendAsync("GET", path, "nope")));
        }

        Assert.Equal(404, (await server.SendAsync("GET", "/whoami", await server.LogInAsync())).Status);
    }

    [Fact]
    public async Task A_forged_token_is_nobodys()
    {
        await using var server = await StartedServer.StartAsync();
        var parts = (await server.LogInAsync()).Split('.');
        var payload = JsonNode.Parse(Microsoft.IdentityModel.Tokens.Base64UrlEncoder.Decode(parts[1]))!;
        payload["id"] = 1;
        var forged = $"{parts[0]}.{Microsoft.IdentityModel.Tokens.Base64UrlEncoder.Encode(payload.ToJsonString())}.{parts[2]}";
        Assert.Equal(401, (await server.SendAsync("GET", "/user/v1/whoami", forged)).Status);
        var unsigned = $"{Microsoft.IdentityModel.Tokens.Base64UrlEncoder.Encode("""{"alg":"none","typ":"JWT"}""")}.{parts[1]}.";
        Assert.Equal(401, (await server.SendAsync("GET", "/user/v1/whoami", unsigned)).Status);
    }

    [Fact]
    public async Task A_refreshed_token_goes_on_with_the_session_and_a_key_has_none()
    {
        var clock = new SteppedTime();
        await using var server = await StartedServer.StartAsync(configure: b => b.Services.AddSingleton<TimeProvider>(clock));
        var token = await server.LogInAsync();
        clock.Step += TimeSpan.FromDays(2);
        var fresh = await server.SendAsync("GET", "/user/v1/refresh-token", token);
        Assert.Equal(200, fresh.Status);
        Assert.Equal(200, (await server.SendAsync("GET", "/user/v1/whoami", fresh.Text)).Status);
        Assert.InRange(Claim(fresh.Text, "iat") - Claim(token, "iat"), 2 * 86400, (2 * 86400) + 600);
        Assert.Equal(Claim(token, "exp"), Claim(fresh.Text, "exp"));

        var key = (await server.SendAsync("POST", "/api-key/user/full", token, new JsonObject { ["name"] = "k" })).Json.GetValue<string>();
        Assert.Equal(401, (await server.SendAsync("GET", "/user/v1/refresh-token", key)).Status);

        clock.Step += TimeSpan.FromDays(364);
        Assert.Equal(401, (await server.SendAsync("GET", "/user/v1/whoami", fresh.Text)).Status);
    }

    [Fact]
    public async Task A_changed_password_ends_every_session()
    {
        await using var server = await StartedServer.StartAsync();
        var token = await server.LogInAsync();
        Assert.Equal(200, (await server.SendAsync("GET", "/user/v1/whoami", token)).Status);
        Assert.True(await server.People.SetPasswordAsync("ADMIN", "another one 9"));
        Assert.Equal(401, (await server.SendAsync("GET", "/user/v1/whoami", token)).Status);
        Assert.Equal(401, (await Try(server, StartedServer.Email, StartedServer.Password)).Status);
        Assert.Equal(200, (await Try(server, StartedServer.Email, "another one 9")).Status);
    }

    [Fact]
    public async Task Guessing_is_limited_and_the_limit_passes()
    {
        var clock = new SteppedTime();
        await using var server = await StartedServer.StartAsync(configure: b => b.Services.AddSingleton<TimeProvider>(clock));
        Answer last;
        var guesses = 0;
        do
        {
            last = await Try(server, StartedServer.Email, "guess");
            guesses++;
        }
        while (last.Status == 401 && guesses < 50);
        Assert.Equal((429, 11), (last.Status, guesses));
        Assert.True(last.RetryAfter > TimeSpan.Zero);
        Assert.Equal(429, (await Try(server, StartedServer.Email, StartedServer.Password)).Status);
        clock.Step += last.RetryAfter!.Value;
        Assert.Equal(200, (await Try(server, StartedServer.Email, StartedServer.Password)).Status);
    }

    private static Task<Answer> Try(StartedServer server, string username, string password) =>
        server.SendAsync("POST", "/login_", body: new JsonObject { ["username"] = username, ["password"] = password });

    private static (int Status, string Text) Short(Answer answer) => (answer.Status, answer.Text);

    private static long Claim(string token, string name) =>
        JsonNode.Parse(Microsoft.IdentityModel.Tokens.Base64UrlEncoder.Decode(token.Split('.')[1]))![name]!.GetValue<long>();
}
