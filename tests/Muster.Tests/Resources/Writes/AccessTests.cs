using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Tests.Storage;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Resources.Writes;

public sealed class AccessTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Each_role_may_do_what_it_may_and_nothing_more(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var organization = await world.OrganizationAsync();
        var fleet = await world.FleetAsync("matrix");
        var device = await world.DeviceAsync(fleet);
        var release = await world.ReleaseAsync(fleet);
        var membership = Id((await world.RowsAsync("/v7/organization_membership?$select=id"))[0]!);
        (string Method, string Path, JsonObject? Body, Role Lowest)[] table =
        [
            ("PATCH", $"/v7/device({Id(device)})", new() { ["note"] = "n" }, Role.Operator),
            ("PATCH", $"/v7/device({Id(device)})", new() { ["is_pinned_on__release"] = Id(release) }, Role.Operator),
            ("PUT", $"/v7/device_tag(device={Id(device)},tag_key='t')", new() { ["value"] = "1" }, Role.Operator),
            ("PATCH", $"/v7/device({Id(device)})", new() { ["is_active"] = false }, Role.Developer),
            ("PUT", $"/v7/device_environment_variable(device={Id(device)},name='V')", new() { ["value"] = "1" }, Role.Developer),
            ("PUT", $"/v7/application_config_variable(application={Id(fleet)},name='BALENA_X')", new() { ["value"] = "1" }, Role.Developer),
            ("PATCH", $"/v7/application({Id(fleet)})", new() { ["should_track_latest_release"] = true }, Role.Developer),
            ("PATCH", $"/v7/release({Id(release)})", new() { ["note"] = "n" }, Role.Developer),
            ("PUT", $"/v7/service(application={Id(fleet)},service_name='main')", new(), Role.Developer),
            ("PATCH", $"/v7/organization({organization})", new() { ["name"] = "o" }, Role.Administrator),
            ("PATCH", $"/v7/organization_membership({membership})", new() { ["muster_role"] = "administrator" }, Role.Administrator),
            ("PATCH", $"/v7/application({Id(fleet)})", new() { ["is_public"] = false }, Role.Administrator),
        ];
        foreach (var role in Enum.GetValues<Role>())
        {
            var token = await world.PersonAsync(role.Word(), organization, role);
            foreach (var (method, path, body, lowest) in table)
            {
                var answer = await world.Server.SendAsync(method, path, token, body?.DeepClone());
                Assert.True(role >= lowest ? answer.Status is 200 or 201 : answer.Status == 401, $"{role} {method} {path}: {answer.Status} {answer.Text}");
            }
        }

        Assert.Equal(401, (await world.DeleteAsync($"/v7/application({Id(fleet)})", await world.Server.LogInAsync("developer", "a long password"))).Status);
        Assert.Equal(200, (await world.DeleteAsync($"/v7/application({Id(fleet)})", await world.Server.LogInAsync("administrator", "a long password"))).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Rows_of_another_organization_are_as_if_they_were_not_there(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var theirs = await world.MakeAsync("organization", new JsonObject { ["name"] = "Theirs", ["handle"] = "theirs" });
        var stranger = await world.PersonAsync("stranger", Id(theirs), Role.Administrator);
        var fleet = await world.FleetAsync("mine");
        var (device, release) = (await world.DeviceAsync(fleet), await world.ReleaseAsync(fleet));
        var service = await world.MakeAsync("service", new JsonObject { ["application"] = Id(fleet), ["service_name"] = "main" });
        var tag = await world.MakeAsync("device_tag", new JsonObject { ["device"] = Id(device), ["tag_key"] = "t", ["value"] = "1" });
        var variable = await world.MakeAsync("application_environment_variable", new JsonObject { ["application"] = Id(fleet), ["name"] = "V", ["value"] = "1" });
        var before = await StateAsync();

        foreach (var (path, body) in ((string, JsonObject)[])
            [
                ($"/v7/device({Id(device)})", new() { ["note"] = "x" }), ($"/v7/application({Id(fleet)})", new() { ["app_name"] = "stolen" }), ($"/v7/release({Id(release)})", new() { ["note"] = "x" }),
                ($"/v7/service({Id(service)})", new() { ["service_name"] = "x" }), ($"/v7/device_tag({Id(tag)})", new() { ["value"] = "x" }),
                ($"/v7/application_environment_variable({Id(variable)})", new() { ["value"] = "x" }), ("/v7/device?$filter=id gt 0", new() { ["note"] = "x" }),
                ($"/v7/organization({await world.OrganizationAsync()})", new() { ["name"] = "x" }), ("/v7/api_key?$filter=id gt 0", new() { ["name"] = "x" }),
            ])
        {
            Assert.Equal((200, ""), Short(await world.PatchAsync(path, body, stranger)));
            Assert.Contains((await world.DeleteAsync(path, stranger)).Status, new[] { 200, 404 });
        }

        foreach (var (resource, body) in ((string, JsonObject)[])
            [
                ("device", new() { ["belongs_to__application"] = Id(fleet), ["is_of__device_type"] = fleet["is_for__device_type"]!["__id"]!.GetValue<long>() }),
                ("device_tag", new() { ["device"] = Id(device), ["tag_key"] = "u", ["value"] = "1" }), ("device_config_variable", new() { ["device"] = Id(device), ["name"] = "BALENA_X", ["value"] = "1" }),
                ("application_tag", new() { ["application"] = Id(fleet), ["tag_key"] = "u", ["value"] = "1" }), ("service", new() { ["application"] = Id(fleet), ["service_name"] = "evil" }),
                ("release_tag", new() { ["release"] = Id(release), ["tag_key"] = "u", ["value"] = "1" }), ("organization_membership", new() { ["user"] = 2, ["is_member_of__organization"] = await world.OrganizationAsync() }),
            ])
            Assert.Equal((401, ""), Short(await world.PostAsync($"/v7/{resource}", body, stranger)));
        Assert.Equal(401, (await world.PostAsync($"/v7/device({Id(device)})/canAccess", new JsonObject { ["action"] = "ssh" }, stranger)).Status);
        Assert.Equal(before, await StateAsync());

        // Nor can what is one's own be moved there.
        var own = await world.FleetAsync("own-fleet", organization: Id(theirs), token: stranger);
        var ownDevice = await world.DeviceAsync(own);
        Assert.Equal(401, (await world.PatchAsync($"/v7/device({Id(ownDevice)})", new JsonObject { ["belongs_to__application"] = Id(fleet) }, stranger)).Status);

        async Task<string> StateAsync() => string.Concat(await Task.WhenAll(((string[])["device", "application", "release", "service", "device_tag", "application_environment_variable", "organization_membership", "device_config_variable"])
            .Select(async r => (await world.RowsAsync($"/v7/{r}?$orderby=id asc")).ToJsonString())));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_provisioning_key_reports_provisioning_and_writes_nothing_else(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var (fleet, other) = (await world.FleetAsync("provisions"), await world.FleetAsync("another"));
        var (device, foreign) = (await world.DeviceAsync(fleet), await world.DeviceAsync(other));
        var key = await world.KeyAsync("application", fleet, "provisioning-api-key");
        using var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["provisioning_progress"] = "50", ["provisioning_state"] = "Downloading OS" });
        Assert.Equal(200, (await world.Server.SendAsync("PATCH", $"/v6/device(uuid='{device["uuid"]!.GetValue<string>()}')", key, form)).Status);
        Assert.Equal(50, (await world.RowAsync($"/v7/device({Id(device)})?$select=provisioning_progress"))["provisioning_progress"]!.GetValue<int>());
        Assert.Equal(200, (await world.PatchAsync($"/v7/device({Id(foreign)})", new JsonObject { ["status"] = "hacked" }, key)).Status);
        Assert.Null((await world.RowAsync($"/v7/device({Id(foreign)})?$select=status"))["status"]);
        Assert.Equal(401, (await world.PatchAsync($"/v7/device({Id(device)})", new JsonObject { ["note"] = "x" }, key)).Status);
        Assert.Equal(401, (await world.PostAsync("/v7/device_tag", new JsonObject { ["device"] = Id(device), ["tag_key"] = "u", ["value"] = "1" }, key)).Status);
        Assert.Equal(401, (await world.DeleteAsync($"/v7/device({Id(device)})", key)).Status);
    }

    [Fact]
    public async Task Nobody_writes_nothing()
    {
        await using var world = await World.StartAsync();
        var device = await world.DeviceAsync(await world.FleetAsync("nobodys"));
        foreach (var token in (string?[])[null, "nope"])
        {
            Assert.Equal((401, ""), Short(await world.Server.SendAsync("PATCH", $"/v7/device({Id(device)})", token, new JsonObject { ["note"] = "x" })));
            Assert.Equal((401, ""), Short(await world.Server.SendAsync("DELETE", $"/v7/device({Id(device)})", token)));
            Assert.Equal((401, ""), Short(await world.Server.SendAsync("POST", "/v7/no_such_resource", token, new JsonObject())));
        }

        // Who is logged in is told that there is no such resource.
        Assert.Equal(404, (await world.PostAsync("/v7/no_such_resource", new JsonObject())).Status);
        Assert.Equal((401, ""), Short(await world.PostAsync("/v7/device_type", new JsonObject { ["slug"] = "x" })));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_tunnel_server_keeps_its_instance_alive_with_its_own_key_only(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var key = await world.Server.People.CreateServiceKeyAsync("tunnel");
        var made = await world.PostAsync("/v7/service_instance", new JsonObject { ["ip_address"] = "127.0.0.1" }, key);
        Assert.Equal((201, "id"), (made.Status, string.Join(',', made.Json.AsObject().Select(p => p.Key))));
        var bad = await world.PostAsync("/v7/service_instance", new JsonObject { ["ip_address"] = "zzz" }, key);
        Assert.Equal((400, "Invalid ip address"), (bad.Status, bad.Sentence));
        Assert.Equal((200, ""), Short(await world.PatchAsync($"/v7/service_instance({Id(made.Json)})", new JsonObject { ["is_alive"] = true }, key)));
        Assert.Equal("127.0.0.1", (await world.RowAsync($"/v7/service_instance({Id(made.Json)})"))["ip_address"]!.GetValue<string>());
        Assert.Equal(401, (await world.PostAsync("/v7/service_instance", new JsonObject { ["ip_address"] = "127.0.0.1" })).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task An_organization_keeps_an_administrator_and_a_change_of_role_counts_at_once(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var organization = await world.OrganizationAsync();
        var fleet = await world.FleetAsync("roles");
        var person = await world.PersonAsync("person", organization, Role.Observer);
        Assert.Equal(401, (await world.PatchAsync($"/v7/application({Id(fleet)})", new JsonObject { ["app_name"] = "renamed" }, person)).Status);
        var account = await world.Server.ScalarAsync<long>("SELECT id FROM account WHERE username = 'person'");
        await world.PatchAsync($"/v7/organization_membership?$filter=user eq {account}", new JsonObject { ["muster_role"] = "developer" });
        Assert.Equal(200, (await world.PatchAsync($"/v7/application({Id(fleet)})", new JsonObject { ["app_name"] = "renamed" }, person)).Status);
        var sole = await world.PatchAsync($"/v7/organization_membership?$filter=user ne {account}", new JsonObject { ["muster_role"] = "observer" });
        Assert.Equal((400, "An organization keeps at least one administrator."), (sole.Status, sole.Sentence));
        Assert.Equal(400, (await world.DeleteAsync($"/v7/organization_membership?$filter=user ne {account}")).Status);
        await world.DeleteAsync($"/v7/organization_membership?$filter=user eq {account}");
        Assert.Equal(401, (await world.PatchAsync($"/v7/application({Id(fleet)})", new JsonObject { ["app_name"] = "again" }, person)).Status);
        Assert.Equal("renamed", (await world.RowAsync($"/v7/application({Id(fleet)})"))["app_name"]!.GetValue<string>());
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Plan_and_allowance_are_the_server_administrators(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var organization = await world.OrganizationAsync();
        var person = await world.PersonAsync("boss", organization, Role.Administrator);
        foreach (var (field, value) in ((string, JsonNode?)[])[("muster_plan", "free"), ("muster_device_allowance", 5), ("muster_device_allowance", null)])
        {
            JsonObject Body(string name) => new() { ["name"] = name, [field] = value?.DeepClone() };
            Assert.Equal((401, ""), Short(await world.PatchAsync($"/v7/organization({organization})", Body("changed"), person)));
            Assert.Equal((401, ""), Short(await world.PatchAsync($"/v7/organization?$filter=id eq {organization}", Body("changed"), person)));
            Assert.Equal((401, ""), Short(await world.PostAsync("/v7/organization", Body("Own"), person)));
            Assert.Equal(200, (await world.PatchAsync($"/v7/organization({organization})", new JsonObject { [field] = value?.DeepClone() })).Status);
        }

        Assert.Equal(0, await world.Server.ScalarAsync<long>("SELECT count(*) FROM organization WHERE name IN ('changed', 'Own')"));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task The_author_of_a_release_is_the_caller_whatever_the_body_says(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("authors");
        var person = await world.PersonAsync("dev", await world.OrganizationAsync(), Role.Developer);
        foreach (var author in (long[])[1, 2, 999_999])
        {
            var made = await world.MakeAsync("release", new JsonObject
            {
                ["belongs_to__application"] = Id(fleet),
                ["commit"] = Guid.NewGuid().ToString("N"),
                ["status"] = "success",
                ["source"] = "local",
                ["composition"] = new JsonObject(),
                ["start_timestamp"] = "2026-01-01T00:00:00Z",
                ["is_created_by__user"] = author,
            }, person);
            var row = await world.RowAsync($"/v7/release({Id(made)})?$select=id&$expand=is_created_by__user($select=username)");
            Assert.Equal("dev", row["is_created_by__user"]![0]!["username"]!.GetValue<string>());
            Assert.Equal(400, (await world.PatchAsync($"/v7/release({Id(made)})", new JsonObject { ["is_created_by__user"] = author }, person)).Status);
        }
    }

    private static (int Status, string Text) Short(Answer answer) => (answer.Status, answer.Text);
}
