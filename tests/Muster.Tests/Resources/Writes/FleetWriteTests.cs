using System.Text.Json.Nodes;
using Muster.Tests.Storage;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Resources.Writes;

public sealed class FleetWriteTests
{
    [Fact]
    public async Task An_organization_with_fleets_is_not_deleted_by_one_call()
    {
        await using var world = await World.StartAsync();
        var organization = await world.MakeAsync("organization", new JsonObject { ["name"] = "Ours", ["handle"] = "ours" });
        var fleet = await world.FleetAsync("still-here", organization: Id(organization));
        foreach (var path in (string[])[$"/v7/organization({Id(organization)})", "/v7/organization?$filter=handle eq 'ours'"])
        {
            var refused = await world.DeleteAsync(path);
            Assert.Equal((409, "The organization still has the fleet ours/still-here. Delete its fleets first."), (refused.Status, refused.Sentence));
        }

        Assert.Single(await world.RowsAsync($"/v7/application({Id(fleet)})?$select=id"));
        Assert.Equal(200, (await world.DeleteAsync($"/v7/application({Id(fleet)})")).Status);
        Assert.Equal(200, (await world.DeleteAsync($"/v7/organization({Id(organization)})")).Status);
        Assert.Empty(await world.RowsAsync($"/v7/organization({Id(organization)})"));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_new_fleet_has_slug_uuid_and_defaults(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("Trucks-1");
        Assert.Equal("admin/trucks-1", fleet["slug"]!.GetValue<string>());
        Assert.Matches("^[0-9a-f]{32}$", fleet["uuid"]!.GetValue<string>());
        Assert.True(fleet["should_track_latest_release"]!.GetValue<bool>());
        Assert.Equal(("fleet", false, false), (fleet["is_of__class"]!.GetValue<string>(), fleet["is_public"]!.GetValue<bool>(), fleet["is_archived"]!.GetValue<bool>()));
        Assert.Null(fleet["should_be_running__release"]);
        Assert.NotNull(fleet["actor"]!["__id"]);
        Assert.Equal("microservices-starter", (await world.RowAsync($"/v7/application_type({fleet["application_type"]!["__id"]})"))["slug"]!.GetValue<string>());

        Assert.Equal("\"slug\" must be unique.", (await world.PostAsync("/v7/application", Again(fleet, "trucks-1"))).Sentence);
        Assert.Equal("It is necessary that each application has an app name that has a Length (Type) that is greater than or equal to 4 and is less than or equal to 100.", (await world.PostAsync("/v7/application", Again(fleet, "abc"))).Sentence);
        Assert.Equal("App name may only contain [a-zA-Z0-9_-].", (await world.PostAsync("/v7/application", Again(fleet, "with space"))).Sentence);
        Assert.Equal("Check constraint violated", (await world.PostAsync("/v7/application", With(Again(fleet, "other"), "is_of__class", "starship"))).Sentence);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task The_slug_follows_the_name(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("Trucks");
        Assert.Equal((200, ""), Short(await world.PatchAsync($"/v7/application({Id(fleet)})", new JsonObject { ["app_name"] = "Vans" })));
        Assert.Equal("admin/vans", (await world.RowAsync($"/v7/application({Id(fleet)})"))["slug"]!.GetValue<string>());
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Deleting_a_fleet_deletes_its_devices_keys_and_releases(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var (fleet, other) = (await world.FleetAsync("gone"), await world.FleetAsync("stays"));
        var (device, kept) = (await world.DeviceAsync(fleet), await world.DeviceAsync(other));
        var release = await world.ReleaseAsync(fleet);
        var key = await world.KeyAsync("application", fleet, "provisioning-api-key");
        var own = await world.KeyAsync("device", device, "device-api-key");
        Assert.Equal(200, (await world.GetAsync("/actor/v1/whoami", key)).Status);

        Assert.Equal((200, ""), Short(await world.DeleteAsync($"/v7/application({Id(fleet)})")));
        Assert.Empty(await world.RowsAsync($"/v7/device({Id(device)})"));
        Assert.Empty(await world.RowsAsync($"/v7/release({Id(release)})"));
        Assert.Equal(401, (await world.GetAsync("/actor/v1/whoami", key)).Status);
        Assert.Equal(401, (await world.GetAsync("/actor/v1/whoami", own)).Status);
        Assert.Single(await world.RowsAsync($"/v7/device({Id(kept)})"));
        var again = await world.DeleteAsync($"/v7/application({Id(fleet)})");
        Assert.Equal((404, "Application(s) not found."), (again.Status, again.Sentence));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_tracking_fleet_follows_its_latest_good_release(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("tracks");
        var first = await world.ReleaseAsync(fleet, "1.0.0", startedAt: 1);
        Assert.Equal(Id(first), await TargetAsync(world, fleet));
        var running = await world.ReleaseAsync(fleet, "1.1.0", "running", startedAt: 2);
        await world.ReleaseAsync(fleet, "1.2.0", final: false, startedAt: 3);
        Assert.Equal(Id(first), await TargetAsync(world, fleet));
        await world.PatchAsync($"/v7/release({Id(running)})", new JsonObject { ["status"] = "success" });
        Assert.Equal(Id(running), await TargetAsync(world, fleet));
        await world.PatchAsync($"/v7/release({Id(running)})", new JsonObject { ["is_invalidated"] = true });
        Assert.Equal(Id(first), await TargetAsync(world, fleet));
        await world.PatchAsync($"/v7/release({Id(running)})", new JsonObject { ["is_invalidated"] = false });

        var target = await world.DeleteAsync($"/v7/release({Id(running)})");
        Assert.Equal((400, "Unable to delete release 1.1.0 because it is the fleet's target release."), (target.Status, target.Sentence));
        Assert.Equal(200, (await world.DeleteAsync($"/v7/release({Id(first)})")).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_pinned_fleet_stays_until_it_tracks_again(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("pinned");
        var first = await world.ReleaseAsync(fleet, startedAt: 1);
        await world.PatchAsync($"/v7/application({Id(fleet)})", new JsonObject { ["should_be_running__release"] = Id(first), ["should_track_latest_release"] = false });
        var second = await world.ReleaseAsync(fleet, startedAt: 2);
        Assert.Equal(Id(first), await TargetAsync(world, fleet));
        await world.PatchAsync($"/v7/application({Id(fleet)})", new JsonObject { ["should_be_running__release"] = Id(first), ["should_track_latest_release"] = true });
        Assert.Equal(Id(second), await TargetAsync(world, fleet));

        var stranger = await world.ReleaseAsync(await world.FleetAsync("another"));
        var refused = await world.PatchAsync($"/v7/application({Id(fleet)})", new JsonObject { ["should_be_running__release"] = Id(stranger) });
        Assert.Equal(400, refused.Status);
        Assert.Equal(Id(second), await TargetAsync(world, fleet));
    }

    private static async Task<long> TargetAsync(World world, JsonNode fleet) =>
        (await world.RowAsync($"/v7/application({Id(fleet)})?$select=should_be_running__release"))["should_be_running__release"]!["__id"]!.GetValue<long>();

    private static JsonObject Again(JsonNode fleet, string name) =>
        new() { ["app_name"] = name, ["organization"] = fleet["organization"]!["__id"]!.GetValue<long>(), ["is_for__device_type"] = fleet["is_for__device_type"]!["__id"]!.GetValue<long>() };

    private static JsonObject With(JsonObject body, string field, string value)
    {
        body[field] = value;
        return body;
    }

    private static (int Status, string Text) Short(Answer answer) => (answer.Status, answer.Text);
}
