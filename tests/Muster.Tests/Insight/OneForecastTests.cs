using System.Globalization;
using System.Text.Json.Nodes;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Insight;

/// <summary>List and detail tell of one device the same, without waiting for a checkpoint.</summary>
public sealed class OneForecastTests
{
    private const string Fields = "$select=id,overall_status,api_heartbeat_state,muster_last_contact_at,muster_status_changes_at";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task List_and_detail_name_the_same_last_contact_and_the_same_change(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        for (var i = 0; i < 4; i++)
        {
            await server.PollAsync(device);
            var listed = Assert.Single((await server.GetAsync($"/v7/device?$filter=uuid eq '{device.Uuid}'&{Fields}", server.Admin)).Rows)!;
            var detail = (await server.GetAsync($"/muster/v1/devices/{device.Uuid}/status", server.Admin)).Json;
            Assert.NotNull(Text(listed["muster_last_contact_at"]));
            Assert.Equal(Text(detail["heartbeat"]!["last_contact_at"]), Text(listed["muster_last_contact_at"]));
            Assert.NotNull(Text(listed["muster_status_changes_at"]));
            Assert.Equal(Text(detail["changes_at"]), Text(listed["muster_status_changes_at"]));
            Assert.Equal(Text(detail["overall_status"]), Text(listed["overall_status"]));
            await Task.Delay(120, TestContext.Current.CancellationToken);
        }
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_filter_on_recent_contact_finds_who_was_heard_just_now_in_reads_counts_and_writes(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var (device, silent) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        await server.PollAsync(silent);
        await server.PollAsync(device);
        await server.GetAsync($"/v7/device?{Fields}", server.Admin);
        await Task.Delay(300, TestContext.Current.CancellationToken);
        var since = TimeProvider.System.GetUtcNow().AddMilliseconds(-100).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

        await server.PollAsync(device);
        var filter = $"$filter=muster_last_contact_at gt datetime'{since}'";
        Assert.Equal(device.Id, (long)Assert.Single((await server.GetAsync($"/v7/device?{filter}&$select=id", server.Admin)).Rows)!["id"]!);
        await server.PollAsync(device);
        Assert.Equal(1, (int)(await server.GetAsync($"/v7/device/$count?{filter}", server.Admin)).Json["d"]!);
        var later = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        await Task.Delay(20, TestContext.Current.CancellationToken);
        await server.PollAsync(device);
        var changed = await server.Server.SendAsync("PATCH", $"/v7/device?$filter=muster_last_contact_at gt datetime'{later}'", server.Admin, new JsonObject { ["note"] = "heard" });
        Assert.Equal(200, changed.Status);
        Assert.Equal("heard", await server.Fixture.ReadAsync("SELECT note FROM device WHERE id = @p0", device.Id));
    }

    [Fact]
    public async Task A_device_that_speaks_with_its_fleet_s_provisioning_key_is_heard_and_shows_its_installation()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var (device, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        var key = (string)(await server.PostAsync($"/api-key/application/{server.Fleet.Id}/provisioning", server.Admin, new JsonObject())).Json!;
        async Task<JsonNode> AfterAsync(int progress, string state)
        {
            var said = await server.Server.SendAsync("PATCH", $"/v6/device(uuid='{device.Uuid}')", key, new JsonObject { ["provisioning_progress"] = progress, ["provisioning_state"] = state, ["status"] = state });
            Assert.Equal(200, said.Status);
            return Assert.Single((await server.GetAsync($"/v7/device(uuid='{device.Uuid}')?$select=overall_status,overall_progress,is_active,muster_status_changes_at", server.Admin)).Rows)!;
        }

        var flashing = await AfterAsync(40, "Flashing");
        Assert.Equal(("configuring", 40, true), ((string)flashing["overall_status"]!, (int)flashing["overall_progress"]!, (bool)flashing["is_active"]!));
        Assert.NotNull(flashing["muster_status_changes_at"]);
        Assert.Equal("post-provisioning", (string)(await AfterAsync(100, "Post-Provisioning"))["overall_status"]!);

        // Whoever speaks of several devices is none of them.
        await server.Server.SendAsync("PATCH", "/v6/device?$filter=id gt 0", key, new JsonObject { ["provisioning_progress"] = 10 });
        Assert.Equal("inactive", await server.Fixture.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", other.Id));
    }

    private static string? Text(JsonNode? node) => (string?)node;
}
