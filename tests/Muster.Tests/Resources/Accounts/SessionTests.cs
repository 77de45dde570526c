using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Muster.Core.Access;
using Muster.Server.Resources;
using Muster.Server.Resources.Accounts;
using Muster.Tests.Storage;

namespace Muster.Tests.Resources.Accounts;

/// <summary>A session is a row: what was issued with it is good as long as that lives.</summary>
public sealed class SessionTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Logging_out_ends_every_token_of_the_session_and_no_other(string kind)
    {
        await using var server = await StartedServer.StartAsync(kind);
        var (token, other) = (await server.LogInAsync(), await server.LogInAsync());
        var refreshed = (await server.SendAsync("GET", "/user/v1/refresh-token", token)).Text;
        Assert.Equal((200, 200, 200), (await StatusAsync(server, token), await StatusAsync(server, refreshed), await StatusAsync(server, other)));
        Assert.Equal(2, (await server.Sessions.ListAsync(await IdAsync(server))).Count);

        Assert.Equal(200, (await server.SendAsync("POST", "/user/v1/logout", token)).Status);

        Assert.Equal((401, 401, 200), (await StatusAsync(server, token), await StatusAsync(server, refreshed), await StatusAsync(server, other)));
        Assert.Equal(401, (await server.SendAsync("GET", "/user/v1/refresh-token", refreshed)).Status);
        Assert.Equal(401, (await server.SendAsync("POST", "/user/v1/logout", token)).Status);
        Assert.Single(await server.Sessions.ListAsync(await IdAsync(server)));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Tokens_from_before_sessions_had_rows_work_on_and_can_be_ended(string kind)
    {
        await using var server = await StartedServer.StartAsync(kind);
        await server.LogInAsync();
        var (one, sameLogin, other) = (await OldTokenAsync(server, authTime: 1), await OldTokenAsync(server, authTime: 1), await OldTokenAsync(server, authTime: 2));
        Assert.Equal((200, 200, 200), (await StatusAsync(server, one), await StatusAsync(server, sameLogin), await StatusAsync(server, other)));
        Assert.Equal(3, (await server.Sessions.ListAsync(await IdAsync(server))).Count);

        var refreshed = (await server.SendAsync("GET", "/user/v1/refresh-token", one)).Text;
        Assert.Equal(200, await StatusAsync(server, refreshed));
        Assert.Equal(200, (await server.SendAsync("POST", "/user/v1/logout", one)).Status);

        Assert.Equal((401, 401, 401, 200), (await StatusAsync(server, one), await StatusAsync(server, sameLogin), await StatusAsync(server, refreshed), await StatusAsync(server, other)));
        await server.People.SetPasswordAsync(StartedServer.Email, "quite another one");
        Assert.Equal((401, 401), (await StatusAsync(server, one), await StatusAsync(server, other)));
    }

    [Fact]
    public async Task Changing_ones_password_ends_all_other_sessions()
    {
        await using var server = await StartedServer.StartAsync();
        var (token, other) = (await server.LogInAsync(), await server.LogInAsync());
        var caller = await server.Callers.OfTokenAsync(token, CancellationToken.None);
        var account = server.Services.GetRequiredService<OwnAccount>();
        await Assert.ThrowsAsync<ResourceRefusedException>(() => account.ChangePasswordAsync(caller, "wrong", "quite another one"));
        await Assert.ThrowsAsync<ResourceRefusedException>(() => account.ChangePasswordAsync(caller, StartedServer.Password, "short"));
        Assert.Equal(200, await StatusAsync(server, other));

        await account.ChangePasswordAsync(caller, StartedServer.Password, "quite another one");

        Assert.Equal((200, 401), (await StatusAsync(server, token), await StatusAsync(server, other)));
        await server.LogInAsync(password: "quite another one");
    }

    [Fact]
    public async Task Nobody_ends_the_session_of_another()
    {
        await using var server = await StartedServer.StartAsync();
        var token = await server.LogInAsync();
        var session = (await server.Sessions.ListAsync(await IdAsync(server))).Single();
        var stranger = await server.People.CreateUserAsync("eve@muster.test", "a long enough one");
        Assert.False(await server.Sessions.EndAsync(stranger, session.Id));
        await server.Sessions.EndOthersAsync(stranger, but: null);
        Assert.Equal(200, await StatusAsync(server, token));
    }

    [Fact]
    public async Task Sessions_of_an_account_are_bounded_and_the_least_used_one_gives_way()
    {
        await using var server = await StartedServer.StartAsync();
        var id = await IdAsync(server);
        var first = await server.Sessions.BeginAsync(id, null, null);
        await server.Database.WriteAsync(async write =>
        {
            await using var older = write.Command("UPDATE account_session SET last_used_at = 1");
            await older.ExecuteNonQueryAsync();
            for (var i = 0; i < Sessions.MostOfAccount - 1; i++)
            {
                await using var insert = write.Command("INSERT INTO account_session (account_id, token_id, created_at, last_used_at, expires_at) SELECT account_id, @p0, created_at, 2, expires_at FROM account_session WHERE last_used_at = 1", $"t{i}");
                await insert.ExecuteNonQueryAsync();
            }
        });
        Assert.Equal(Sessions.MostOfAccount, (await server.Sessions.ListAsync(id)).Count);
        var last = await server.LogInAsync();
        Assert.Equal(Sessions.MostOfAccount, (await server.Sessions.ListAsync(id)).Count);
        Assert.Equal((401, 200), (await StatusAsync(server, first), await StatusAsync(server, last)));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_removed_account_takes_its_sessions_and_keys_and_an_organization_keeps_an_administrator(string kind)
    {
        await using var server = await StartedServer.StartAsync(kind);
        await server.People.CreateUserAsync("ann@muster.test", "a long enough one");
        await server.People.JoinAsync("ann", "admin", Role.Developer);
        var token = await server.LogInAsync("ann", "a long enough one");
        var key = (await server.SendAsync("POST", "/api-key/user/full", token, new JsonObject { ["name"] = "k" })).Json.GetValue<string>();
        Assert.Equal(200, (await server.SendAsync("GET", "/v7/organization", key)).Status);

        await Assert.ThrowsAsync<ArgumentException>(() => server.People.RemoveAsync("admin"));
        Assert.True(await server.People.RemoveAsync("ann"));

        Assert.Equal(401, await StatusAsync(server, token));
        Assert.Equal(401, (await server.SendAsync("GET", "/actor/v1/whoami", key)).Status);
        Assert.Equal(0L, await server.ScalarAsync<long>("SELECT count(*) FROM api_key WHERE name = 'k'"));
        Assert.False(await server.People.RemoveAsync("ann"));
    }

    private static async Task<int> StatusAsync(StartedServer server, string token) => (await server.SendAsync("GET", "/user/v1/whoami", token)).Status;

    private static async Task<long> IdAsync(StartedServer server) => (await server.People.FindAsync(StartedServer.Email))!.Id;

    private static async Task<string> OldTokenAsync(StartedServer server, long authTime)
    {
        var account = (await server.People.FindAsync(StartedServer.Email))!;
        var key = new SymmetricSecurityKey(Convert.FromBase64String(await server.ScalarAsync<string>("SELECT value FROM setting WHERE name = 'session-signing-key'")));
        var now = DateTimeOffset.UtcNow;
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(
            JsonSerializer.Serialize(new Dictionary<string, object>
            {
                ["id"] = account.Id,
                ["jwt_secret"] = account.TokenSecret,
                ["authTime"] = authTime,
                ["iat"] = now.ToUnixTimeSeconds(),
                ["exp"] = now.AddDays(300).ToUnixTimeSeconds(),
                ["nonce"] = RandomNumberGenerator.GetHexString(8),
            }),
            new SigningCredentials(key, SecurityAlgorithms.HmacSha256));
    }
}
