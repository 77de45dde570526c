using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Devices.Registration;

/// <summary>A device that was flashed anew: its uuid, a new key, and the provisioning key of its fleet.</summary>
public sealed class KeyExchangeTests
{
    private const string Provisioning = "provisioning-key-of-the-fleet-00";
    private const string Elsewhere = "provisioning-key-of-another-0000";
    private const string NewKey = "a-new-key-that-the-device-chose0";
    private const string LookUp = "/v7/device?$select=id&$filter=uuid eq '{0}'";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_device_that_is_not_online_gets_its_new_key_and_that_is_on_record(string kind)
    {
        await using var server = await StartAsync(kind);
        var device = await server.AddDeviceAsync();
        foreach (var path in new[] { LookUp, "/v6/device?$select=id&$filter=uuid%20eq%20'{0}'", "/v7/device(uuid='{0}')?$select=id" })
            Assert.Equal([device.Id], await LookUpAsync(server, path, device.Uuid, Provisioning));

        Assert.Equal(200, (await ExchangeAsync(server, device, Provisioning)).Status);
        // Repeated, it is no error and no second key.
        Assert.Equal(200, (await ExchangeAsync(server, device, Provisioning)).Status);
        Assert.Equal(2L, await server.Server.ScalarAsync<long>("SELECT count(*) FROM api_key WHERE actor_id = @p0", device.ActorId));
        Assert.Equal(200, (await server.GetAsync($"/device/v3/{device.Uuid}/state", NewKey)).Status);
        Assert.Equal(1L, await server.Server.ScalarAsync<long>("SELECT count(*) FROM audit WHERE what = 'key.exchange' AND device_id = @p0 AND outcome = 'done'", device.Id));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_device_that_is_online_keeps_its_key(string kind)
    {
        await using var server = await StartAsync(kind);
        var (polling, tunnelled) = (await server.AddDeviceAsync(), await server.AddConnectedDeviceAsync());
        await server.PollAsync(polling);
        foreach (var device in new[] { polling, tunnelled })
        {
            Assert.Empty(await LookUpAsync(server, LookUp, device.Uuid, Provisioning));
            Assert.Equal(401, (await ExchangeAsync(server, device, Provisioning)).Status);
            Assert.Equal(401, (await server.GetAsync($"/device/v3/{device.Uuid}/state", NewKey)).Status);
        }
    }

    [Fact]
    public async Task Another_fleets_key_and_a_stranger_learn_nothing()
    {
        await using var server = await StartAsync();
        var device = await server.AddDeviceAsync();
        var nobody = device with { Id = 999_999 };
        Assert.Empty(await LookUpAsync(server, LookUp, device.Uuid, Elsewhere));
        foreach (var who in new[] { Elsewhere, await server.LogInAsAsync(Role.Administrator, await server.Fixture.AddFleetAsync()) })
        {
            var (foreign, none) = (await ExchangeAsync(server, device, who), await ExchangeAsync(server, nobody, who));
            Assert.Equal((none.Status, none.Text), (foreign.Status, foreign.Text));
            Assert.InRange(foreign.Status, 401, 404);
        }
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_fleet_may_switch_it_off(string kind)
    {
        await using var server = await StartAsync(kind);
        var device = await server.AddDeviceAsync();
        var off = await server.Server.SendAsync("PATCH", $"/v7/application({server.Fleet.Id})", server.Admin, new JsonObject { ["muster_allows_key_exchange"] = false });
        Assert.True(off.Status == 200, off.Text);
        Assert.Empty(await LookUpAsync(server, LookUp, device.Uuid, Provisioning));
        Assert.Equal(401, (await ExchangeAsync(server, device, Provisioning)).Status);
        var row = (await server.GetAsync($"/v7/application({server.Fleet.Id})?$select=muster_allows_key_exchange", server.Admin)).Rows[0]!;
        Assert.False((bool)row["muster_allows_key_exchange"]!);
    }

    private static async Task<ServerWithFleet> StartAsync(string kind = TestDatabases.Sqlite)
    {
        var server = await ServerWithFleet.StartAsync(kind);
        var other = await server.Fixture.AddFleetAsync();
        foreach (var (fleet, key) in new[] { (server.Fleet, Provisioning), (other, Elsewhere) })
            await server.Fixture.AddKeyAsync((long)(await server.Fixture.ReadAsync("SELECT actor_id FROM fleet WHERE id = @p0", fleet.Id))!, key, AccessRule.ProvisioningKey);
        return server;
    }

    private static async Task<List<long>> LookUpAsync(ServerWithFleet server, string path, string uuid, string key)
    {
        var answer = await server.GetAsync(path.Replace("{0}", uuid, StringComparison.Ordinal), key);
        Assert.Equal(200, answer.Status);
        return [.. answer.Rows.Select(r => (long)r!["id"]!)];
    }

    private static Task<Answer> ExchangeAsync(ServerWithFleet server, FixtureDevice device, string key) =>
        server.PostAsync($"/api-key/device/{device.Id}/device-key", key, new JsonObject { ["apiKey"] = NewKey });
}
