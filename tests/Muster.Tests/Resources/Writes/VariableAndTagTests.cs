using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Tests.Storage;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Resources.Writes;

public sealed class VariableAndTagTests
{
    /// <summary>Resource, name and the sentence it is refused with, as recorded.</summary>
    public static TheoryData<string, string, string> Refused => new()
    {
        { "device_config_variable", "FOO", "Configuration variables must be part of one of the following namespaces: RESIN_, BALENA_" },
        { "device_config_variable", "RESIN-X", "Configuration variable names can only contain alphanumeric characters, underscores or a colon" },
        { "application_config_variable", ":BALENA_X", "Configuration variable names can only contain alphanumeric characters, underscores or a colon" },
        { "device_environment_variable", "RESIN_X", "Environment variables beginning with RESIN_, BALENA_ are reserved." },
        { "application_environment_variable", "BALENA_FOO", "Environment variables beginning with RESIN_, BALENA_ are reserved." },
        { "application_environment_variable", "1BAD", "Environment variable names can only contain alphanumeric characters and underscores." },
        { "device_environment_variable", "Ø", "Environment variable names can only contain alphanumeric characters and underscores." },
        { "device_tag", "with space", "Tag keys cannot contain whitespace." },
        { "device_tag", "io.balena.x", "Tag keys beginning with io.balena. are reserved." },
        { "device_tag", "", "It is necessary that each device tag has a tag key that has a Length (Type) that is greater than 0 and is less than or equal to 100." },
        { "application_tag", new string('k', 101), "It is necessary that each application tag has a tag key that has a Length (Type) that is greater than 0 and is less than or equal to 100." },
    };

    [Fact]
    public async Task Names_that_cannot_be_are_refused_with_the_sentences_that_clients_know()
    {
        await using var world = await World.StartAsync();
        var fleet = await world.FleetAsync("names");
        var device = await world.DeviceAsync(fleet);
        foreach (var row in Refused)
        {
            var (resource, name, sentence) = (row.Data.Item1, row.Data.Item2, row.Data.Item3);
            var owner = resource.StartsWith("device", StringComparison.Ordinal) ? ("device", Id(device)) : ("application", Id(fleet));
            var answer = await world.PostAsync($"/v7/{resource}", new JsonObject { [owner.Item1] = owner.Item2, [resource.EndsWith("tag", StringComparison.Ordinal) ? "tag_key" : "name"] = name, ["value"] = "1" });
            Assert.Equal((400, sentence), (answer.Status, answer.Sentence));
            Assert.Empty(await world.RowsAsync($"/v7/{resource}"));
        }
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task The_upsert_of_sdks_works_post_then_409_unique_then_patch_by_filter(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var device = await world.DeviceAsync(await world.FleetAsync("upserts"));
        JsonObject Tag(string value) => new() { ["device"] = Id(device), ["tag_key"] = "t", ["value"] = value };
        Assert.Equal(201, (await world.PostAsync("/v7/device_tag", Tag("v1"))).Status);
        var again = await world.PostAsync("/v7/device_tag", Tag("v2"));
        Assert.Equal((409, "\"device\" and \"tag_key\" must be unique."), (again.Status, again.Sentence));
        Assert.Equal("v1", await ValueAsync(world));
        Assert.Equal(200, (await world.PatchAsync($"/v7/device_tag?$filter=device eq {Id(device)} and tag_key eq 't'", new JsonObject { ["value"] = "v2" })).Status);
        Assert.Equal("v2", await ValueAsync(world));

        Assert.Equal(200, (await world.Server.SendAsync("PUT", $"/v7/device_tag(device={Id(device)},tag_key='t')", world.Admin, new JsonObject { ["value"] = "v3" })).Status);
        Assert.Equal("v3", await ValueAsync(world));
        Assert.Equal(201, (await world.Server.SendAsync("PUT", $"/v7/device_tag(tag_key='new',device={Id(device)})", world.Admin, new JsonObject { ["value"] = "n" })).Status);
        Assert.Equal(2, (await world.RowsAsync("/v7/device_tag")).Count);
        Assert.Equal(200, (await world.DeleteAsync($"/v7/device_tag(device={Id(device)},tag_key='t')")).Status);
        Assert.Equal(200, (await world.DeleteAsync($"/v7/device_tag(device={Id(device)},tag_key='t')")).Status);
        Assert.Single(await world.RowsAsync("/v7/device_tag"));

        var id = await world.Server.SendAsync("POST", "/v7/device_tag?returnResource=false", world.Admin, new JsonObject { ["device"] = Id(device), ["tag_key"] = "x", ["value"] = "1" });
        Assert.Equal((201, "id"), (id.Status, string.Join(',', id.Json.AsObject().Select(p => p.Key))));
        var missing = await world.PostAsync("/v7/device_tag", new JsonObject { ["device"] = 999999, ["tag_key"] = "x", ["value"] = "1" });
        Assert.Equal((409, "Data is referenced by device."), (missing.Status, missing.Sentence));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_configuration_variable_shows_in_the_status_of_the_next_read(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("inputs");
        var device = await world.DeviceAsync(fleet);
        var key = await world.KeyAsync("device", device, "device-api-key");
        Assert.Equal(200, (await world.GetAsync($"/device/v3/{device["uuid"]!.GetValue<string>()}/state", key)).Status);
        Assert.Equal("reduced-functionality", await StatusAsync(world, device));
        var variable = await world.MakeAsync("application_config_variable", new JsonObject { ["application"] = Id(fleet), ["name"] = "BALENA_SUPERVISOR_VPN_CONTROL", ["value"] = "false" });
        Assert.Equal("operational", await StatusAsync(world, device));
        await world.PatchAsync($"/v7/application_config_variable({Id(variable)})", new JsonObject { ["value"] = "true" });
        Assert.Equal("reduced-functionality", await StatusAsync(world, device));
        await world.MakeAsync("device_config_variable", new JsonObject { ["device"] = Id(device), ["name"] = "BALENA_SUPERVISOR_VPN_CONTROL", ["value"] = "false" });
        Assert.Equal("operational", await StatusAsync(world, device));
        await world.DeleteAsync($"/v7/device_config_variable?$filter=device eq {Id(device)}");
        Assert.Equal("reduced-functionality", await StatusAsync(world, device));
    }

    private static async Task<string> ValueAsync(World world) => (await world.RowAsync("/v7/device_tag?$select=value"))["value"]!.GetValue<string>();

    private static async Task<string> StatusAsync(World world, JsonNode device) => (await world.RowAsync($"/v7/device({Id(device)})?$select=overall_status"))["overall_status"]!.GetValue<string>();

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Tags_and_variables_of_one_owner_have_an_end(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("bounded");
        var device = await world.DeviceAsync(fleet);
        foreach (var (table, resource, owner, column, id) in ((string, string, string, string, long)[])
            [("fleet_tag", "application_tag", "application", "fleet_id", Id(fleet)), ("device_tag", "device_tag", "device", "device_id", Id(device)), ("device_environment_variable", "device_environment_variable", "device", "device_id", Id(device))])
        {
            var name = resource.EndsWith("tag", StringComparison.Ordinal) ? "tag_key" : "name";
            await world.Server.Database.WriteAsync(async write =>
            {
                for (var i = 0; i < OwnerBounds.MostEntries - 1; i++)
                {
                    await using var insert = write.Command($"INSERT INTO {table} ({column}, {name}, value, created_at, modified_at) VALUES (@p0, @p1, '', 0, 0)", id, $"k{i}");
                    await insert.ExecuteNonQueryAsync();
                }
            });
            Assert.Equal(201, (await world.PostAsync($"/v7/{resource}", new JsonObject { [owner] = id, [name] = "last", ["value"] = "1" })).Status);
            Assert.Equal(400, (await world.PostAsync($"/v7/{resource}", new JsonObject { [owner] = id, [name] = "more", ["value"] = "1" })).Status);
            Assert.Equal(200, (await world.PatchAsync($"/v7/{resource}?$filter={owner} eq {id} and {name} eq 'k1'", new JsonObject { ["value"] = "2" })).Status);
            Assert.Equal(OwnerBounds.MostEntries, await world.Server.ScalarAsync<int>($"SELECT count(*) FROM {table} WHERE {column} = @p0", id));
        }
    }

    [Fact]
    public async Task Whatever_is_named_can_be_seen()
    {
        await using var world = await World.StartAsync();
        var fleet = await world.FleetAsync("visible");
        var device = await world.DeviceAsync(fleet);
        foreach (var name in (string[])["   ", "\t", "\u200b", "\u2028", "a\u2028b"])
        {
            foreach (var (resource, body) in ((string, JsonObject)[])
                [
                    ("organization", new() { ["name"] = name }),
                    ("application", new() { ["app_name"] = $"{name}{name}{name}{name}", ["organization"] = await world.OrganizationAsync(), ["is_for__device_type"] = 1 }),
                    ("device_tag", new() { ["device"] = Id(device), ["tag_key"] = name, ["value"] = "1" }),
                    ("service", new() { ["application"] = Id(fleet), ["service_name"] = name }),
                    ("user__has__public_key", new() { ["user"] = 1, ["title"] = name, ["public_key"] = "x" }),
                ])
            {
                Assert.Equal(400, (await world.PostAsync($"/v7/{resource}", body)).Status);
            }

            Assert.Equal(400, (await world.PatchAsync($"/v7/device({Id(device)})", new JsonObject { ["device_name"] = name })).Status);
            Assert.Equal(400, (await world.PostAsync("/api-key/user/full", new JsonObject { ["name"] = name })).Status);
            Assert.Equal(400, (await world.Server.SendAsync("PUT", "/muster/v1/views", world.Admin, new JsonObject { ["name"] = name, ["query"] = "a=b" })).Status);
            await Assert.ThrowsAsync<ArgumentException>(() => world.Server.People.CreateOrganizationAsync(name, "handle"));
            await Assert.ThrowsAsync<ArgumentException>(() => world.Server.People.CreateUserAsync("a@muster.test", "long enough 7", name));
        }
    }
}
