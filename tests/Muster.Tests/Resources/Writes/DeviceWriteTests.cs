using System.Text.Json.Nodes;
using Muster.Tests.Storage;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Resources.Writes;

public sealed class DeviceWriteTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_preregistered_device_is_inactive_and_has_a_name_and_a_uuid(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("devices");
        var device = await world.DeviceAsync(fleet);
        Assert.Matches("^[0-9a-f]{32}$", device["uuid"]!.GetValue<string>());
        Assert.Matches("^[a-z]+-[a-z]+$", device["device_name"]!.GetValue<string>());
        Assert.Equal(("inactive", "unknown", false), (device["overall_status"]!.GetValue<string>(), device["api_heartbeat_state"]!.GetValue<string>(), device["is_online"]!.GetValue<bool>()));
        Assert.Equal("\"uuid\" must be unique.", (await world.PostAsync("/v7/device", Body(fleet, ("uuid", device["uuid"]!.GetValue<string>())))).Sentence);
        Assert.Equal("Device name cannot contain any newline characters.", (await world.PostAsync("/v7/device", Body(fleet, ("device_name", "a\nb")))).Sentence);
        Assert.Equal("Device UUID must be a 32 or 62 character long lower case hex string.", (await world.PostAsync("/v7/device", Body(fleet, ("uuid", new string('G', 32))))).Sentence);
        Assert.Equal(201, (await world.PostAsync("/v7/device", Body(fleet, ("uuid", new string('a', 62)), ("nope", "1")))).Status);
        Assert.Equal(400, (await world.PostAsync("/v7/device", new JsonObject { ["belongs_to__application"] = Id(fleet) })).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_pin_must_be_a_good_release_of_the_devices_fleet(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var (fleet, other) = (await world.FleetAsync("here"), await world.FleetAsync("there"));
        var (good, failed, stranger) = (await world.ReleaseAsync(fleet, startedAt: 1), await world.ReleaseAsync(fleet, status: "failed", startedAt: 2), await world.ReleaseAsync(other));
        var latest = await world.ReleaseAsync(fleet, startedAt: 3);
        var device = await world.DeviceAsync(fleet);
        foreach (var wrong in (JsonNode[])[failed, stranger])
        {
            var answer = await world.PatchAsync($"/v7/device({Id(device)})", new JsonObject { ["is_pinned_on__release"] = Id(wrong) });
            Assert.Equal((400, "It is necessary that each release that is pinned to a device, has a status that is equal to \"success\" and belongs to an application1 that the device belongs to."), (answer.Status, answer.Sentence));
        }

        Assert.Equal(200, (await world.PatchAsync($"/v7/device?$filter=id in ({Id(device)})", new JsonObject { ["is_pinned_on__release"] = Id(good) })).Status);
        Assert.Equal((Id(good), Id(good)), await PinAndTargetAsync(world, device));
        Assert.Equal(400, (await world.DeleteAsync($"/v7/release({Id(good)})")).Status);
        Assert.Equal(200, (await world.PatchAsync($"/v6/device({Id(device)})", new JsonObject { ["should_be_running__release"] = null })).Status);
        Assert.Equal((null, Id(latest)), await PinAndTargetAsync(world, device));
        Assert.Equal(400, (await world.PatchAsync($"/v7/device({Id(device)})", new JsonObject { ["should_be_running__release"] = Id(good) })).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_move_takes_pin_and_service_variables_away_and_stays_within_the_architecture(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var (a, b, amd) = (await world.FleetAsync("from"), await world.FleetAsync("dest"), await world.FleetAsync("intel", "generic-amd64"));
        var release = await world.ReleaseAsync(a);
        var device = await world.DeviceAsync(a);
        await world.MakeAsync("service", new JsonObject { ["application"] = Id(a), ["service_name"] = "main" });
        var install = await world.RowAsync($"/v7/service_install?$select=id&$filter=device eq {Id(device)}");
        await world.MakeAsync("device_service_environment_variable", new JsonObject { ["service_install"] = Id(install), ["name"] = "SV", ["value"] = "1" });
        await world.MakeAsync("device_environment_variable", new JsonObject { ["device"] = Id(device), ["name"] = "V", ["value"] = "1" });
        await world.PatchAsync($"/v7/device({Id(device)})", new JsonObject { ["is_pinned_on__release"] = Id(release) });

        Assert.Equal(400, (await world.PatchAsync($"/v7/device({Id(device)})", new JsonObject { ["belongs_to__application"] = Id(amd) })).Status);
        Assert.Equal((Id(release), Id(release)), await PinAndTargetAsync(world, device));
        Assert.Equal(409, (await world.PatchAsync($"/v7/device({Id(device)})", new JsonObject { ["belongs_to__application"] = 999999 })).Status);

        Assert.Equal(200, (await world.PatchAsync($"/v7/device({Id(device)})", new JsonObject { ["belongs_to__application"] = Id(b) })).Status);
        var moved = await world.RowAsync($"/v7/device({Id(device)})?$select=is_pinned_on__release,belongs_to__application");
        Assert.Null(moved["is_pinned_on__release"]);
        Assert.Equal(Id(b), moved["belongs_to__application"]!["__id"]!.GetValue<long>());
        Assert.Equal(0, await world.Server.ScalarAsync<long>("SELECT count(*) FROM device_service_environment_variable"));
        Assert.Single(await world.RowsAsync($"/v7/device_environment_variable?$filter=device eq {Id(device)}"));
    }

    [Theory]
    [InlineData("api_heartbeat_state", "\"online\"")]
    [InlineData("is_connected_to_vpn", "true")]
    [InlineData("is_online", "true")]
    [InlineData("overall_status", "\"operational\"")]
    [InlineData("update_status", "\"done\"")]
    [InlineData("is_frozen", "true")]
    [InlineData("status", "\"Idle\"")]
    [InlineData("os_version", "\"x\"")]
    [InlineData("muster_status_reason", "\"x\"")]
    [InlineData("should_be_running__release", "1")]
    [InlineData("id", "7")]
    [InlineData("uuid", "\"00000000000000000000000000000000\"")]
    [InlineData("nope", "1")]
    [InlineData("device_name", "7")]
    [InlineData("device_name", "\"\"")]
    [InlineData("device_name", "null")]
    [InlineData("is_web_accessible", "\"maybe\"")]
    [InlineData("is_pinned_on__release", "\"abc\"")]
    [InlineData("is_locked_until__date", "\"soon\"")]
    [InlineData("custom_latitude", "\"91\"")]
    [InlineData("custom_longitude", "\"east\"")]
    public async Task What_a_person_cannot_write_is_refused_and_nothing_changes(string field, string value)
    {
        await using var world = await World.StartAsync();
        var device = await world.DeviceAsync(await world.FleetAsync("refusals"));
        var before = (await world.RowAsync($"/v7/device({Id(device)})")).ToJsonString();
        var answer = await world.PatchAsync($"/v7/device({Id(device)})", new JsonObject { ["note"] = "changed", [field] = JsonNode.Parse(value) });
        Assert.Equal(400, answer.Status);
        Assert.False(string.IsNullOrEmpty(answer.Sentence));
        Assert.Equal(before, (await world.RowAsync($"/v7/device({Id(device)})")).ToJsonString());
    }

    [Fact]
    public async Task A_public_address_needs_a_domain_and_switching_it_off_does_not()
    {
        const string Sentence = "\"is_web_accessible\" cannot be set to true: this server has no domain for public addresses of devices (Cloudlink:DeviceUrls:Domain).";
        await using var world = await World.StartAsync();
        var fleet = await world.FleetAsync("without");
        var device = await world.DeviceAsync(fleet);
        var on = new JsonObject { ["is_web_accessible"] = true };
        foreach (var path in (string[])[$"/v7/device({Id(device)})", $"/v7/device?$filter=belongs_to__application eq {Id(fleet)}"])
        {
            var answer = await world.PatchAsync(path, on.DeepClone());
            Assert.Equal((400, Sentence), (answer.Status, answer.Sentence));
        }

        var made = await world.PostAsync("/v7/device", Body(fleet, ("is_web_accessible", true)));
        Assert.Equal((400, Sentence), (made.Status, made.Sentence));
        Assert.Single(await world.RowsAsync($"/v7/device?$filter=is_web_accessible eq false and belongs_to__application eq {Id(fleet)}"));
        Assert.Equal(200, (await world.PatchAsync($"/v7/device({Id(device)})", new JsonObject { ["is_web_accessible"] = false })).Status);
    }

    [Fact]
    public async Task A_device_that_is_registered_with_a_public_address_is_in_the_audit_log()
    {
        await using var world = await World.StartAsync(configure: WithPublicAddresses);
        var made = await world.PostAsync("/v7/device", Body(await world.FleetAsync("with"), ("is_web_accessible", true)));
        Assert.Equal(201, made.Status);
        var entries = (await world.GetAsync("/muster/v1/audit")).Json["entries"]!.AsArray();
        Assert.Contains(entries, entry => (string)entry!["what"]! == "device-url.on");
    }

    private static void WithPublicAddresses(Microsoft.AspNetCore.Builder.WebApplicationBuilder builder) => builder.Configuration["Cloudlink:DeviceUrls:Domain"] = "devices.test";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Notes_places_flags_and_support_access_are_kept(string kind)
    {
        await using var world = await World.StartAsync(kind, WithPublicAddresses);
        var device = await world.DeviceAsync(await world.FleetAsync("keeps"));
        var path = $"/v7/device({Id(device)})";
        foreach (var body in (JsonObject[])
            [
                new() { ["note"] = "æøå \"quoted\"" }, new() { ["custom_latitude"] = "59.9139", ["custom_longitude"] = "10.7522" },
                new() { ["is_web_accessible"] = true }, new() { ["is_accessible_by_support_until__date"] = 1795386093000 },
            ])
            Assert.Equal(200, (await world.PatchAsync(path, body)).Status);
        var row = await world.RowAsync($"{path}?$select=note,custom_latitude,custom_longitude,is_web_accessible,is_accessible_by_support_until__date");
        Assert.Equal("""{"note":"æøå \"quoted\"","custom_latitude":"59.9139","custom_longitude":"10.7522","is_web_accessible":true,"is_accessible_by_support_until__date":"2026-11-22T22:21:33.000Z"}""",
            row.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
        await world.PatchAsync(path, new JsonObject { ["custom_latitude"] = "", ["custom_longitude"] = "", ["is_accessible_by_support_until__date"] = null });
        Assert.Equal("", (await world.RowAsync($"{path}?$select=custom_latitude"))["custom_latitude"]!.GetValue<string>());
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_deactivated_device_is_inactive_in_the_next_read(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var device = await world.DeviceAsync(await world.FleetAsync("deactivates"));
        await world.PatchAsync($"/v7/device({Id(device)})", new JsonObject { ["is_active"] = true });
        Assert.NotEqual("inactive", (await world.RowAsync($"/v7/device({Id(device)})?$select=overall_status"))["overall_status"]!.GetValue<string>());
        await world.PatchAsync($"/v7/device?$filter=id in ({Id(device)})", new JsonObject { ["is_active"] = false });
        Assert.Equal("inactive", (await world.RowAsync($"/v7/device({Id(device)})?$select=overall_status"))["overall_status"]!.GetValue<string>());
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_devices_own_key_reports_by_patch_in_json_and_as_a_form(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("reports");
        var (device, other) = (await world.DeviceAsync(fleet), await world.DeviceAsync(fleet));
        var key = await world.KeyAsync("device", device, "device-api-key");
        var uuid = device["uuid"]!.GetValue<string>();
        Assert.Equal(200, (await world.PatchAsync($"/v7/device(uuid='{uuid}')", new JsonObject { ["status"] = "Idle" }, key)).Status);
        using var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["provisioning_progress"] = "75", ["provisioning_state"] = "Post-Provisioning" });
        Assert.Equal(200, (await world.Server.SendAsync("PATCH", $"/v6/device(uuid='{uuid}')", key, form)).Status);
        var row = await world.RowAsync($"/v7/device({Id(device)})?$select=status,provisioning_progress,provisioning_state,overall_status");
        Assert.Equal("""{"status":"Idle","provisioning_progress":75,"provisioning_state":"Post-Provisioning","overall_status":"post-provisioning"}""", row.ToJsonString());

        Assert.Equal(200, (await world.PatchAsync($"/v7/device(uuid='{other["uuid"]!.GetValue<string>()}')", new JsonObject { ["status"] = "hacked" }, key)).Status);
        Assert.Null((await world.RowAsync($"/v7/device({Id(other)})?$select=status"))["status"]);
        Assert.Equal(401, (await world.DeleteAsync($"/v7/device(uuid='{uuid}')", key)).Status);
        Assert.Equal(201, (await world.PostAsync("/v7/device_config_variable", new JsonObject { ["device"] = Id(device), ["name"] = "RESIN_HOST_CONFIG_gpu_mem", ["value"] = "" }, key)).Status);
        Assert.Equal(401, (await world.PostAsync("/v7/device_config_variable", new JsonObject { ["device"] = Id(other), ["name"] = "RESIN_HOST_CONFIG_gpu_mem", ["value"] = "" }, key)).Status);
        Assert.Equal(201, (await world.PostAsync("/v7/device_environment_variable", new JsonObject { ["device"] = Id(device), ["name"] = "SITE", ["value"] = "1" }, key)).Status);
        Assert.Equal(401, (await world.PostAsync("/v7/device_environment_variable", new JsonObject { ["device"] = Id(other), ["name"] = "SITE", ["value"] = "1" }, key)).Status);
        Assert.Equal(200, (await world.PatchAsync($"/v7/device({Id(device)})", new JsonObject { ["device_name"] = "self-named" }, key)).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Bulk_writes_reach_the_rows_that_the_filter_names_and_no_others(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("bulk");
        var (a, b) = (await world.DeviceAsync(fleet, "aa-1"), await world.DeviceAsync(fleet, "bb-1"));
        await world.MakeAsync("device_tag", new JsonObject { ["device"] = Id(a), ["tag_key"] = "mark", ["value"] = "1" });
        await world.PatchAsync($"/v7/device?$filter=belongs_to__application eq {Id(fleet)} and device_tag/any(t:t/tag_key eq 'mark')", new JsonObject { ["note"] = "hit" });
        Assert.Equal(("hit", null), (await NoteAsync(world, a), await NoteAsync(world, b)));
        Assert.Equal(400, (await world.PatchAsync("/v7/device", new JsonObject { ["note"] = "all" })).Status);
        Assert.Equal(400, (await world.DeleteAsync("/v7/device")).Status);
        await world.DeleteAsync($"/v7/device?$filter=belongs_to__application eq {Id(fleet)} and startswith(device_name,'aa')");
        Assert.Equal("bb-1", Assert.Single(await world.RowsAsync($"/v7/device?$filter=belongs_to__application eq {Id(fleet)}"))!["device_name"]!.GetValue<string>());
        Assert.Equal(400, (await world.PatchAsync("/v7/device?$filter=((", new JsonObject { ["note"] = "x" })).Status);
        Assert.Equal(400, (await world.DeleteAsync("/v7/device?$filter=nope eq 1")).Status);
    }

    private static async Task<string?> NoteAsync(World world, JsonNode device) => (await world.RowAsync($"/v7/device({Id(device)})?$select=note"))["note"]?.GetValue<string>();

    private static async Task<(long? Pin, long? Target)> PinAndTargetAsync(World world, JsonNode device)
    {
        var row = await world.RowAsync($"/v7/device({Id(device)})?$select=is_pinned_on__release,should_be_running__release");
        return (row["is_pinned_on__release"]?["__id"]!.GetValue<long>(), row["should_be_running__release"]?["__id"]!.GetValue<long>());
    }

    private static JsonObject Body(JsonNode fleet, params (string Field, JsonNode Value)[] more)
    {
        var body = new JsonObject { ["belongs_to__application"] = Id(fleet), ["is_of__device_type"] = fleet["is_for__device_type"]!["__id"]!.GetValue<long>() };
        foreach (var (field, value) in more)
            body[field] = value.DeepClone();
        return body;
    }
}
