using System.Text.Json.Nodes;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink;

/// <summary>What a tunnel server asks and tells, as recorded (recordings/services-vpn.json).</summary>
public sealed class TunnelServerTests
{
    private const string KeyRequired = """{"error":"API key required"}""";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Sessions_come_and_go_by_the_instance_that_holds_them(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var key = await server.Server.People.CreateServiceKeyAsync("tunnel");
        var (one, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        var (instance, second) = (await server.Fixture.AddServiceInstanceAsync(), await server.Fixture.AddServiceInstanceAsync());

        Assert.Equal(200, await TellAsync(server, "connect", key, instance, one.Uuid, other.Uuid, "5a47a8cee9d44c2dd9b3313690a2df99"));
        Assert.Equal(("reduced-functionality", 1L, instance), await RowAsync(server, one));
        Assert.Equal(200, await TellAsync(server, "disconnect", key, second, one.Uuid));
        Assert.Equal(("reduced-functionality", 1L, instance), await RowAsync(server, one));
        Assert.Equal(200, await TellAsync(server, "disconnect", key, instance, one.Uuid));
        Assert.Equal(("disconnected", 0L, null), await RowAsync(server, one));
        Assert.Equal(("reduced-functionality", 1L, instance), await RowAsync(server, other));
    }

    [Fact]
    public async Task Malformed_messages_and_unknown_instances_are_refused()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var key = await server.Server.People.CreateServiceKeyAsync("tunnel");
        var device = await server.AddDeviceAsync();
        var instance = await server.Fixture.AddServiceInstanceAsync();
        async Task<Answer> Connect(JsonNode body) => await server.PostAsync("/services/vpn/client-connect", key, body);

        Assert.Equal((400, ""), Short(await Connect(new JsonObject { ["serviceId"] = instance, ["uuids"] = new JsonArray() })));
        Assert.Equal((400, ""), Short(await Connect(new JsonObject { ["common_name"] = device.Uuid, ["service_id"] = instance })));
        Assert.Equal((400, ""), Short(await Connect(new JsonObject { ["serviceId"] = "x", ["uuids"] = new JsonArray(device.Uuid) })));
        Assert.Equal((400, ""), Short(await Connect(new JsonArray())));
        Assert.Equal((409, "\"Data is referenced by is_managed_by__service_instance.\""), Short(await Connect(new JsonObject { ["serviceId"] = 99999, ["uuids"] = new JsonArray(device.Uuid) })));
        Assert.Equal(200, await TellAsync(server, "disconnect", key, 99999, device.Uuid));
    }

    [Fact]
    public async Task Only_a_tunnel_service_may_tell_of_sessions()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        var body = new JsonObject { ["serviceId"] = await server.Fixture.AddServiceInstanceAsync(), ["uuids"] = new JsonArray(device.Uuid) };
        foreach (var path in new[] { "/services/vpn/client-connect", "/services/vpn/client-disconnect" })
        {
            Assert.Equal((401, KeyRequired), Short(await server.PostAsync(path, null, body.DeepClone())));
            Assert.Equal((401, KeyRequired), Short(await server.PostAsync(path, server.Admin, body.DeepClone())));
            Assert.Equal((401, ""), Short(await server.PostAsync(path, device.Key, body.DeepClone())));
        }
    }

    [Fact]
    public async Task A_device_opens_a_tunnel_with_its_own_key_only()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var (device, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        var path = $"/services/vpn/auth/{device.Uuid}";

        Assert.Equal((200, ""), Short(await server.GetAsync(path, device.Key)));
        Assert.Equal((200, ""), Short(await server.GetAsync($"{path}?apikey={device.Key}", null)));
        Assert.Equal((401, ""), Short(await server.GetAsync(path, other.Key)));
        Assert.Equal((401, KeyRequired), Short(await server.GetAsync(path, "nope")));
        Assert.Equal((401, KeyRequired), Short(await server.GetAsync(path, null)));
        Assert.Equal((401, ""), Short(await server.GetAsync("/services/vpn/auth/3e39d337219c696a1ce48f17a1977b67", device.Key)));
    }

    [Fact]
    public async Task A_tunnel_log_in_is_a_sign_of_life_and_no_poll()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        await server.GetAsync($"/services/vpn/auth/{device.Uuid}", device.Key);
        Assert.Equal("configuring", await server.Fixture.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
        Assert.Equal("unknown", await server.Fixture.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
    }

    private static async Task<int> TellAsync(ServerWithFleet server, string what, string key, long instance, params string[] uuids) =>
        (await server.PostAsync($"/services/vpn/client-{what}", key, new JsonObject { ["serviceId"] = instance, ["uuids"] = new JsonArray([.. uuids.Select(u => JsonValue.Create(u))]) })).Status;

    private static async Task<(string Status, long Connected, long? Instance)> RowAsync(ServerWithFleet server, FixtureDevice device) => (
        (string)(await server.Fixture.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id))!,
        Convert.ToInt64(await server.Fixture.ReadAsync("SELECT cloudlink_connected FROM device WHERE id = @p0", device.Id), System.Globalization.CultureInfo.InvariantCulture),
        (long?)await server.Fixture.ReadAsync("SELECT service_instance_id FROM device WHERE id = @p0", device.Id));

    private static (int, string) Short(Answer answer) => (answer.Status, answer.Text);
}
