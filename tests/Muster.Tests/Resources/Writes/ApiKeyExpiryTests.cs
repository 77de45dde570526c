using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Tests.Storage;

namespace Muster.Tests.Resources.Writes;

/// <summary>The expiry date of a key can be changed, takes effect at once, and keys are found by whom they speak for.</summary>
public sealed class ApiKeyExpiryTests
{
    private const string Past = "2020-01-01T00:00:00.000Z";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_changed_expiry_date_takes_effect_at_once(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        var key = (await server.PostAsync("/api-key/user/full", server.Admin, new JsonObject { ["name"] = "mine" })).Json.GetValue<string>();
        async Task<int> Person() => (await server.GetAsync("/user/v1/whoami", key)).Status;
        async Task<int> Device() => (await server.GetAsync($"/device/v3/{device.Uuid}/state", device.Key)).Status;
        async Task<int> ChangeAsync(string filter, string? date) => (await server.Server.SendAsync("PATCH", $"/v7/api_key?$filter={filter}", server.Admin, new JsonObject { ["expiry_date"] = date })).Status;
        const string mine = "name eq 'mine'";
        var devices = $"is_of__actor/any(a:a/is_of__device/any(d:d/id eq {device.Id}))";

        Assert.Equal((200, 200), (await Person(), await Device()));
        Assert.Equal((200, 200), (await ChangeAsync(mine, Past), await ChangeAsync(devices, Past)));
        Assert.Equal((401, 401), (await Person(), await Device()));
        Assert.Equal((200, 200), (await ChangeAsync(mine, null), await ChangeAsync(devices, "2100-01-01T00:00:00Z")));
        Assert.Equal((200, 200), (await Person(), await Device()));
        Assert.Equal("2100-01-01T00:00:00.000Z", (await server.GetAsync($"/v7/api_key?$select=expiry_date&$filter={devices}", server.Admin)).Rows.Single()!["expiry_date"]!.GetValue<string>());

        var wrong = await server.Server.SendAsync("PATCH", $"/v7/api_key?$filter={mine}", server.Admin, new JsonObject { ["expiry_date"] = "soon" });
        Assert.Equal(400, wrong.Status);
        Assert.Contains("expiry_date", wrong.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_cannot_give_itself_more_time()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var key = (await server.PostAsync("/api-key/v2/", server.Admin, new JsonObject
        {
            ["actorType"] = "user",
            ["actorTypeId"] = (await server.GetAsync("/user/v1/whoami", server.Admin)).Json["id"]!.GetValue<long>(),
            ["roles"] = new JsonArray(AccessRule.UserKey),
            ["name"] = "short",
            ["expiryDate"] = "2099-01-01T00:00:00Z",
        })).Json.GetValue<string>();
        async Task<int> ChangeAsync(string token, string? date) => (await server.Server.SendAsync("PATCH", "/v7/api_key?$filter=name eq 'short'", token, new JsonObject { ["expiry_date"] = date })).Status;

        Assert.Equal((400, 400), (await ChangeAsync(key, "2099-06-01T00:00:00Z"), await ChangeAsync(key, null)));
        Assert.Equal((200, 200), (await ChangeAsync(key, "2098-01-01T00:00:00Z"), await ChangeAsync(server.Admin, "2099-06-01T00:00:00Z")));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Keys_are_found_by_whom_they_speak_for_and_nobody_elses_are(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var elsewhere = await server.Fixture.AddFleetAsync();
        var (device, foreign) = (await server.AddDeviceAsync(), await server.AddDeviceAsync(elsewhere));
        var developer = await server.LogInAsAsync(Role.Developer);
        async Task<int> Count(string token, string filter)
        {
            var answer = await server.GetAsync($"/v7/api_key?$select=id&$filter={filter}", token);
            Assert.Equal(200, answer.Status);
            return answer.Rows.Count;
        }

        foreach (var token in (string[])[server.Admin, developer])
        {
            Assert.Equal(1, await Count(token, $"is_of__actor/any(a:a/is_of__device/any(d:d/uuid eq '{device.Uuid}'))"));
            Assert.Equal(1, await Count(token, $"is_of__actor/is_of__device/any(d:d/uuid eq '{device.Uuid}')"));
            Assert.Equal(0, await Count(token, $"is_of__actor/any(a:a/is_of__application/any(f:f/id eq {device.Id + 1000}))"));
        }

        Assert.Equal(0, await Count(developer, $"is_of__actor/any(a:a/is_of__device/any(d:d/uuid eq '{foreign.Uuid}'))"));
        var actor = (await server.GetAsync($"/v7/device({device.Id})?$select=actor", developer)).Rows.Single()!["actor"]!["__id"]!.GetValue<long>();
        Assert.Equal(1, await Count(developer, $"is_of__actor eq {actor}"));
        Assert.Equal(1, await Count(developer, $"is_of__actor in ({actor})"));
        var actors = (await server.GetAsync("/v7/actor?$select=id", developer)).Rows.Select(r => r!["id"]!.GetValue<long>()).ToList();
        Assert.Contains(actor, actors);
        Assert.DoesNotContain(await server.Server.ScalarAsync<long>("SELECT actor_id FROM device WHERE id = @p0", foreign.Id), actors);
        Assert.Equal(401, (await server.GetAsync("/v7/actor", null)).Status);
    }
}
