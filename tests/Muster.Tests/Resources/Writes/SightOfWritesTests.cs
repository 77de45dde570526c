using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Tests.Storage;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Resources.Writes;

/// <summary>The outcome of a write says nothing of rows that the caller may not see.</summary>
public sealed class SightOfWritesTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_provisioning_key_learns_nothing_by_the_filter_of_a_report(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("provisions");
        var device = await world.DeviceAsync(fleet);
        var theirs = await world.MakeAsync("organization", new JsonObject { ["name"] = "Theirs", ["handle"] = "theirs" });
        var victim = await world.DeviceAsync(await world.FleetAsync("victims", organization: Id(theirs)));
        var key = await world.KeyAsync("application", fleet, "provisioning-api-key");
        await world.Server.Database.WriteAsync(async write =>
        {
            await using var secret = write.Command("UPDATE device SET api_secret = 'bsecret', memory_usage = 5");
            await secret.ExecuteNonQueryAsync();
        });

        foreach (var body in (JsonObject[])[new() { ["provisioning_progress"] = "no number" }, new() { ["status"] = "configuring" }])
        {
            foreach (var question in (string[])
                [
                    "is_of__device_type/any(t:t/describes__device/any(d:d/id eq {victim} and startswith(d/api_secret,'{letter}')))",
                    "belongs_to__application/any(a:a/owns__device/any(d:startswith(d/api_secret,'{letter}')))",
                    "startswith(api_secret,'{letter}')", "device_tag/any(t:t/tag_key eq '{letter}')", "device_tag/$count ge 0", "memory_usage mul 9223372036854775807 gt {victim}",
                ])
            {
                var answers = new HashSet<(int, string)>();
                foreach (var letter in (string[])["a", "b"])
                {
                    var filter = question.Replace("{victim}", Id(victim).ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal).Replace("{letter}", letter, StringComparison.Ordinal);
                    answers.Add(Short(await world.PatchAsync($"/v7/device?$filter=id eq {Id(device)} and {filter}", body.DeepClone(), key)));
                    answers.Add(Short(await world.PatchAsync($"/v7/device({Id(device)})?$filter={filter}", body.DeepClone(), key)));
                    answers.Add(Short(await world.PatchAsync($"/v7/device({Id(victim)})?$filter={filter}", body.DeepClone(), key)));
                }

                Assert.Single(answers);
            }

            // Of its own fleet's devices it names, and learns of no other whether they are there.
            Assert.Equal(Short(await world.PatchAsync($"/v7/device({Id(victim)})", body.DeepClone(), key)), Short(await world.PatchAsync("/v7/device(99999)", body.DeepClone(), key)));
            Assert.Equal(Short(await world.PatchAsync($"/v7/device({Id(victim)})", body.DeepClone(), key)), Short(await world.PatchAsync($"/v7/device({Id(device)})", body.DeepClone(), key)));
        }

        Assert.Equal(200, (await world.PatchAsync($"/v7/device?$filter=uuid eq '{device["uuid"]!.GetValue<string>()}'", new JsonObject { ["status"] = "flashing" }, key)).Status);
        Assert.Equal("flashing", (await world.RowAsync($"/v7/device({Id(device)})?$select=status"))["status"]!.GetValue<string>());
        Assert.Null((await world.RowAsync($"/v7/device({Id(victim)})?$select=status"))["status"]);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_row_that_is_not_the_callers_to_see_is_answered_like_one_that_is_not_there(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var theirs = await world.MakeAsync("organization", new JsonObject { ["name"] = "Theirs", ["handle"] = "theirs" });
        var hidden = await world.FleetAsync("hidden-fleet", organization: Id(theirs));
        var open = await world.FleetAsync("open-fleet", organization: Id(theirs));
        Assert.Equal(200, (await world.PatchAsync($"/v7/application({Id(open)})", new JsonObject { ["is_public"] = true })).Status);
        var (device, release) = (await world.DeviceAsync(hidden), await world.ReleaseAsync(hidden));
        var service = await world.MakeAsync("service", new JsonObject { ["application"] = Id(hidden), ["service_name"] = "main" });
        await world.MakeAsync("application_environment_variable", new JsonObject { ["application"] = Id(open), ["name"] = "TAKEN", ["value"] = "1" });
        await world.MakeAsync("device_service_environment_variable", new JsonObject { ["service_install"] = (Id(device) << 20) | Id(service), ["name"] = "TAKEN", ["value"] = "1" });
        await world.MakeAsync("device_tag", new JsonObject { ["device"] = Id(device), ["tag_key"] = "taken", ["value"] = "1" });

        var organization = await world.OrganizationAsync();
        var developer = await world.PersonAsync("developer", organization, Role.Developer);
        var own = await world.FleetAsync("own-fleet", token: developer);
        var ownDevice = await world.DeviceAsync(own);
        var ownKey = await world.KeyAsync("device", ownDevice, "device-api-key");
        var type = own["is_for__device_type"]!["__id"]!.GetValue<long>();
        const long nothing = 99_999;

        // Each pair: a body that refers to what is hidden, and the same that refers to nothing.
        foreach (var (token, resource, body, without) in ((string, string, JsonObject, JsonObject)[])
            [
                (developer, "device_tag", new() { ["device"] = Id(device), ["tag_key"] = "taken", ["value"] = "1" }, new() { ["device"] = nothing, ["tag_key"] = "taken", ["value"] = "1" }),
                (developer, "device_service_environment_variable", new() { ["service_install"] = (Id(device) << 20) | Id(service), ["name"] = "TAKEN", ["value"] = "1" }, new() { ["service_install"] = (nothing << 20) | 1, ["name"] = "TAKEN", ["value"] = "1" }),
                (developer, "device", new() { ["belongs_to__application"] = Id(hidden), ["is_of__device_type"] = type }, new() { ["belongs_to__application"] = nothing, ["is_of__device_type"] = type }),
                (developer, "release_image", new() { ["image"] = 1, ["is_part_of__release"] = Id(release) }, new() { ["image"] = 1, ["is_part_of__release"] = nothing }),
                (developer, "service", new() { ["application"] = Id(hidden), ["service_name"] = "main" }, new() { ["application"] = nothing, ["service_name"] = "main" }),
                // What a public fleet keeps to itself: a taken name and a free one.
                (developer, "application_environment_variable", new() { ["application"] = Id(open), ["name"] = "TAKEN", ["value"] = "1" }, new() { ["application"] = Id(open), ["name"] = "FREE", ["value"] = "1" }),
                (ownKey, "device_config_variable", new() { ["device"] = Id(device), ["name"] = "BALENA_X", ["value"] = "1" }, new() { ["device"] = nothing, ["name"] = "BALENA_X", ["value"] = "1" }),
            ])
            Assert.Equal(Short(await world.PostAsync($"/v7/{resource}", without, token)), Short(await world.PostAsync($"/v7/{resource}", body, token)));

        foreach (var field in (string[])["is_pinned_on__release", "should_be_operated_by__release", "should_be_managed_by__release"])
        {
            var missing = await world.PatchAsync($"/v7/device({Id(ownDevice)})", new JsonObject { [field] = nothing }, developer);
            Assert.Equal(Short(missing), Short(await world.PatchAsync($"/v7/device({Id(ownDevice)})", new JsonObject { [field] = Id(release) }, developer)));
            Assert.NotEqual(200, missing.Status);
        }

        // Beside the resources.
        var provisioning = await world.KeyAsync("application", own, "provisioning-api-key");
        foreach (var (method, path, body) in ((string, string, JsonObject?)[])
            [
                ("POST", "/api-key/device/{id}/device-key", new()), ("GET", "/device/v3/{uuid}/state", null), ("GET", "/device/v2/{uuid}/state", null), ("GET", "/device/v2/{uuid}/logs", null),
                ("GET", "/muster/v1/devices/{uuid}/status", null), ("GET", "/muster/v1/devices/{uuid}/history", null), ("GET", "/muster/v1/devices/{uuid}/timeline", null),
                ("GET", "/muster/v1/devices/{uuid}/health", null), ("GET", "/muster/v1/devices/{uuid}/health-checks", null), ("GET", "/muster/v1/events?device={uuid}", null),
                ("POST", "/v7/device(uuid='{uuid}')/canAccess", new() { ["action"] = "ssh" }), ("POST", "/v7/device({id})/canAccess", new() { ["action"] = "ssh" }),
                ("GET", "/access/v1/hostos/{uuid}", null), ("GET", "/device/v3/fleet/{fleet}/state", null), ("POST", "/application/{fleetId}/restart", null),
                ("POST", "/api-key/application/{fleetId}/provisioning", new()), ("PATCH", "/v7/device({id})", new() { ["note"] = "x" }), ("DELETE", "/v7/application({fleetId})", null),
                ("POST", "/api-key/v1", new() { ["actorType"] = "device", ["actorTypeId"] = "{id}", ["roles"] = new JsonArray("device-api-key") }),
                ("POST", "/supervisor/v1/blink", new() { ["uuid"] = "{uuid}" }),
            ])
        {
            foreach (var token in (string[])[developer, ownKey, provisioning])
            {
                // Whether a state is there is answered to devices as the reference server does (recording state-get-v3).
                if (token == ownKey && path.EndsWith("/state", StringComparison.Ordinal))
                    continue;
                var there = Named(await AskAsync(device["uuid"]!.GetValue<string>(), Id(device), hidden["uuid"]!.GetValue<string>(), Id(hidden)), device["uuid"]!.GetValue<string>());
                var gone = new string('a', 32);
                Assert.Equal(Named(await AskAsync(gone, nothing, gone, nothing), gone), there);

                async Task<Answer> AskAsync(string uuid, long id, string fleet, long fleetId)
                {
                    string Put(string text) => text.Replace("\"{id}\"", $"{id}", StringComparison.Ordinal).Replace("{uuid}", uuid, StringComparison.Ordinal).Replace("{id}", $"{id}", StringComparison.Ordinal)
                        .Replace("{fleet}", fleet, StringComparison.Ordinal).Replace("{fleetId}", $"{fleetId}", StringComparison.Ordinal);
                    return await world.Server.SendAsync(method, Put(path), token, body is null ? null : JsonNode.Parse(Put(body.ToJsonString())));
                }
            }
        }

        static (int, string) Named(Answer answer, string uuid) => (answer.Status, answer.Text.Replace(uuid, "", StringComparison.Ordinal));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_host_fleet_is_seen_like_any_other_until_the_servers_administrator_makes_it_public(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var theirs = await world.MakeAsync("organization", new JsonObject { ["name"] = "Theirs", ["handle"] = "theirs" });
        var (owner, stranger) = (await world.PersonAsync("owner", Id(theirs), Role.Administrator), await world.PersonAsync("stranger", await world.OrganizationAsync(), Role.Developer));
        var type = await world.IdOfAsync("device_type", "slug", "raspberrypi4-64");
        JsonObject Host(string name, bool open) => open
            ? new() { ["app_name"] = name, ["organization"] = Id(theirs), ["is_for__device_type"] = type, ["is_host"] = true, ["is_public"] = true }
            : new() { ["app_name"] = name, ["organization"] = Id(theirs), ["is_for__device_type"] = type, ["is_host"] = true };
        Assert.Equal(401, (await world.PostAsync("/v7/application", Host("host-for-all", open: true), owner)).Status);
        var host = await world.MakeAsync("application", Host("host-os", open: false), owner);
        var release = await world.ReleaseAsync(host);
        await world.MakeAsync("service", new JsonObject { ["application"] = Id(host), ["service_name"] = "main" });
        var device = await world.DeviceAsync(await world.FleetAsync("strangers", token: stranger));
        string[] ways = [$"/v7/application({Id(host)})", $"/v7/release({Id(release)})", $"/v7/service?$filter=application eq {Id(host)}"];
        foreach (var way in ways)
        {
            Assert.Empty(await world.RowsAsync(way, stranger));
            Assert.Single(await world.RowsAsync(way, owner));
        }

        var given = new JsonObject { ["should_be_operated_by__release"] = Id(release) };
        Assert.Equal(401, (await world.PatchAsync($"/v7/device({Id(device)})", given, stranger)).Status);
        Assert.Equal(401, (await world.PatchAsync($"/v7/application({Id(host)})", new JsonObject { ["is_public"] = true }, owner)).Status);
        Assert.Equal(200, (await world.PatchAsync($"/v7/application({Id(host)})", new JsonObject { ["is_public"] = true })).Status);
        foreach (var way in ways)
            Assert.Single(await world.RowsAsync(way, stranger));
        Assert.Equal(200, (await world.PatchAsync($"/v7/device({Id(device)})", given.DeepClone(), stranger)).Status);
    }

    private static (int Status, string Text) Short(Answer answer) => (answer.Status, answer.Text);
}
