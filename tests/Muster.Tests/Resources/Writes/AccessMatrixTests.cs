using System.Globalization;
using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Storage.Resources;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Resources.Writes;

/// <summary>
/// Every resource and every kind of caller: who reads, creates, changes and deletes a row of a private fleet's organization
/// (or, of what belongs to one person, the developer's own). The table is the law; what it does not grant is refused.
/// </summary>
public sealed class AccessMatrixTests
{
    /// <summary>The callers, in the order of the table's columns.</summary>
    private static readonly string[] Callers =
    [
        "anonymous", "provisioning key", "provisioning key of another fleet", "device key", "device key of another fleet", "observer", "operator", "developer",
        "administrator", "another organization's administrator", "server's administrator", "tunnel server's key", "developer's API key",
    ];

    /// <summary>r reads, c creates, u changes, d deletes; "-" none of them.</summary>
    private const string Table = """
                                             anon prov prov2 dev  dev2 obs  oper devl adm  other sadm vpn  ukey
        actor                                -    r    -    -    -    r    r    r    r    -    r    -    r
        application                          -    r    -     r    -    r    r    rcu  rcud -     rcud r    rcu
        application_config_variable          -    -    -     r    -    r    r    rcud rcud -     rcud r    rcud
        application_environment_variable     -    -    -     r    -    r    r    rcud rcud -     rcud r    rcud
        application_membership_role          r    r    r    r    r    r    r    r    r    r    r    r    r
        application_tag                      -    r    -     r    -    r    r    rcud rcud -     rcud r    rcud
        application_type                     r    r    r     -    -    r    r    r    r    r     r    r    r
        api_key                              -    r    -     -    -    -    -    ud   ud   -     ud   -    ud
        build_environment_variable           -    -    -     -    -    r    r    rcud rcud -     rcud r    rcud
        cpu_architecture                     r    r    r     r    r    r    r    r    r    r     r    r    r
        device                               -    -    -     ru   -    r    ru   rcud rcud -     rcud r    rcud
        device_config_variable               -    -    -     rcud -    r    r    rcud rcud -     rcud r    rcud
        device_environment_variable          -    -    -     rcud -    r    r    rcud rcud -     rcud r    rcud
        device_history                       -    -    -     r    -    r    r    r    r    -     r    r    r
        device_service_environment_variable  -    -    -     r    -    r    r    rcud rcud -     rcud r    rcud
        device_tag                           -    -    -     rcud -    r    rcud rcud rcud -     rcud r    rcud
        device_type                          r    r    r     r    r    r    r    r    r    r     r    r    r
        device_type_alias                    r    r    r     r    r    r    r    r    r    r     r    r    r
        image                                -    r    -     r    -    r    r    rcud rcud -     rcud r    rcud
        image_environment_variable           -    -    -     r    -    r    r    rcud rcud -     rcud r    rcud
        image_install                        -    -    -     r    -    r    r    r    r    -     r    r    r
        image_label                          -    -    -     r    -    r    r    rcud rcud -     rcud r    rcud
        invitee                              -    -    -    -    -    -    -    -    r    -    r    -    -
        invitee__is_invited_to__application  -    -    -    -    -    -    -    -    rcd  -    rcd  -    -
        invitee__is_invited_to__organization -    -    -    -    -    -    -    -    rcd  -    rcd  -    -
        organization                         -    -    -     -    -    rc   rc   rc   rcud c     rcud r    rc
        organization_membership              -    -    -     -    -    r    r    r    rud  -     rud  r    r
        organization_membership_role         r    r    r    r    r    r    r    r    r    r    r    r    r
        release                              -    r    -     r    -    r    r    rcud rcud -     rcud r    rcud
        release_asset                        -    r    -     r    -    r    r    rcud rcud -     rcud r    rcud
        release_image                        -    r    -     r    -    r    r    rcd  rcd  -     rcd  r    rcd
        release_tag                          -    r    -     r    -    r    r    rcud rcud -     rcud r    rcud
        service                              -    r    -     r    -    r    r    rcud rcud -     rcud r    rcud
        service_environment_variable         -    -    -     r    -    r    r    rcud rcud -     rcud r    rcud
        service_install                      -    -    -     r    -    r    r    r    r    -     r    r    r
        service_instance                     -    r    r     -    -    r    r    r    r    r     r    rcu  r
        service_label                        -    -    -     r    -    r    r    rcud rcud -     rcud r    rcud
        user                                 -    -    -     -    -    r    r    r    r    -     r    -    r
        user__has__public_key                -    -    -     -    -    -    -    rcud -    -     c    -    rcud
        """;

    [Fact]
    public async Task Each_caller_may_do_to_each_resource_what_the_table_says_and_nothing_else()
    {
        await using var world = await World.StartAsync();
        var scene = await Scene.SetAsync(world);
        var lines = Table.Split('\n')[1..].Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).ToDictionary(l => l[0], l => l[1..], StringComparer.Ordinal);
        Assert.Equal(ResourceModel.Version7.Resources.Select(r => r.Name).Order(StringComparer.Ordinal), lines.Keys.Order(StringComparer.Ordinal));
        var wrong = new List<string>();
        foreach (var (resource, cells) in lines)
        {
            Assert.Equal(Callers.Length, cells.Length);
            for (var i = 0; i < Callers.Length; i++)
            {
                var may = await scene.MayAsync(resource, scene.Tokens[i]);
                if (may != cells[i])
                    wrong.Add($"{resource} by {Callers[i]}: {may}, not {cells[i]}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
    }

    /// <summary>A fleet with everything in it, those who ask, and how a row of each resource is made and changed.</summary>
    private sealed class Scene(World world)
    {
        /// <summary>Images that no release has yet.</summary>
        private readonly Queue<long> images = [];
        private int made;
        private long organization, fleet, device, release, service, image, releaseImage, developerAccount, type;

        public string?[] Tokens { get; private set; } = [];

        public static async Task<Scene> SetAsync(World world)
        {
            var scene = new Scene(world);
            await scene.SetAsync();
            return scene;
        }

        private async Task SetAsync()
        {
            organization = Id(await world.MakeAsync("organization", new JsonObject { ["name"] = "Ours", ["handle"] = "ours" }));
            var theirs = Id(await world.MakeAsync("organization", new JsonObject { ["name"] = "Theirs", ["handle"] = "theirs" }));
            var ours = await world.FleetAsync("our-fleet", organization: organization);
            var another = await world.FleetAsync("another-fleet", organization: organization);
            var (ownDevice, otherDevice) = (await world.DeviceAsync(ours), await world.DeviceAsync(another));
            (fleet, device, type) = (Id(ours), Id(ownDevice), ours["is_for__device_type"]!["__id"]!.GetValue<long>());
            release = Id(await world.ReleaseAsync(ours));
            service = Id(await world.MakeAsync("service", Body("service")!));
            image = Id(await world.MakeAsync("image", Body("image")!));
            releaseImage = Id(await world.MakeAsync("release_image", new JsonObject { ["image"] = image, ["is_part_of__release"] = release }));
            await ChangeAsync("INSERT INTO image_install (device_id, image_id, release_id, status, install_date, created_at, modified_at) VALUES (@p0, @p1, @p2, 'Running', 0, 0, 0)", device, image, release);
            await ChangeAsync("INSERT INTO transition (device_id, fleet_id, fact, to_value, at, cause) VALUES (@p0, @p1, 'overall_status', 'operational', 0, 'test')", device, fleet);

            for (var i = 0; i < 2 * Callers.Length; i++)
                images.Enqueue(Id(await world.MakeAsync("image", Body("image")!)));
            await ChangeAsync("INSERT INTO device_type_alias (device_type_id, alias, created_at, modified_at) VALUES (@p0, 'matrix-alias', 0, 0)", type);

            var people = new Dictionary<Role, string>();
            foreach (var role in Enum.GetValues<Role>())
                people[role] = await world.PersonAsync(role.Word(), organization, role);
            developerAccount = await world.Server.ScalarAsync<long>("SELECT id FROM account WHERE username = 'developer'");
            var named = await world.PostAsync("/api-key/user/full", new JsonObject { ["name"] = "mine" }, people[Role.Developer]);
            Assert.Equal(200, named.Status);
            Tokens =
            [
                null, await world.KeyAsync("application", ours, AccessRule.ProvisioningKey), await world.KeyAsync("application", another, AccessRule.ProvisioningKey),
                await world.KeyAsync("device", ownDevice, AccessRule.DeviceKey), await world.KeyAsync("device", otherDevice, AccessRule.DeviceKey),
                people[Role.Observer], people[Role.Operator], people[Role.Developer], people[Role.Administrator],
                await world.PersonAsync("stranger", theirs, Role.Administrator), world.Admin, await world.Server.People.CreateServiceKeyAsync("tunnel"), named.Json.GetValue<string>(),
            ];
        }

        /// <summary>What the caller may do to rows of the resource, as the table writes it.</summary>
        public async Task<string> MayAsync(string resource, string? token)
        {
            var table = ResourceModel.Version7.Resource(resource)!.Table;
            var may = "";
            var row = await RowAsync(resource, token);
            var read = await world.Server.SendAsync("GET", $"/v7/{resource}?$select=id&$filter=id eq {row}", token);
            Assert.True(read.Status is 200 or 401, $"GET {resource}: {read.Status} {read.Text}");
            if (read.Status == 200 && read.Rows.Count == 1)
                may += "r";

            var made = Body(resource);
            if (made is { } body)
            {
                var before = await CountAsync();
                var answer = await world.Server.SendAsync("POST", $"/v7/{resource}", token, body);
                Assert.True(answer.Status is 201 or 401, $"POST {resource}: {answer.Status} {answer.Text}");
                Assert.Equal(answer.Status == 201 ? before + 1 : before, await CountAsync());
                if (answer.Status == 201)
                {
                    may += "c";
                    await RemoveAsync(answer.Json["id"]!.GetValue<long>());
                }
            }
            else
            {
                // Keys are made elsewhere, and who becomes a member is asked first: both have tests of their own.
                var answer = await world.Server.SendAsync("POST", $"/v7/{resource}", token, new JsonObject());
                Assert.True(answer.Status is 400 or 401, $"POST {resource}: {answer.Status} {answer.Text}");
            }

            if (Change(resource) is var (field, column, value))
            {
                var answer = await world.Server.SendAsync("PATCH", $"/v7/{resource}({row})", token, new JsonObject { [field] = value });
                Assert.True(answer.Status is 200 or 401, $"PATCH {resource}: {answer.Status} {answer.Text}");
                if (await world.Server.ScalarAsync<string>($"SELECT coalesce(CAST(\"{column}\" AS TEXT), '') FROM {table} WHERE id = @p0", row) == value)
                {
                    Assert.Equal(200, answer.Status);
                    may += "u";
                }
            }
            else
            {
                var answer = await world.Server.SendAsync("PATCH", $"/v7/{resource}({row})", token, new JsonObject { ["id"] = 1 });
                Assert.True(answer.Status is 401 or 400, $"PATCH {resource}: {answer.Status}");
            }

            var removal = await world.Server.SendAsync("DELETE", $"/v7/{resource}({row})", token);
            Assert.True(removal.Status is 200 or 401 or 404, $"DELETE {resource}: {removal.Status} {removal.Text}");
            if (await world.Server.ScalarAsync<long>($"SELECT count(*) FROM {table} WHERE id = @p0", row) == 0)
                may += "d";
            else if (made is not null && row != device && row != fleet)
                await RemoveAsync(row);
            return may.Length == 0 ? "-" : may;

            Task<long> CountAsync() => world.Server.ScalarAsync<long>($"SELECT count(*) FROM {table}");
            Task RemoveAsync(long id) => ChangeAsync($"DELETE FROM {table} WHERE id = @p0", id);
        }

        /// <summary>A row of the resource, made anew where callers can delete it.</summary>
        private async Task<long> RowAsync(string resource, string? token)
        {
            switch (resource)
            {
                // Keys of a fleet and of a device are judged by their own, which they cannot delete.
                case "application" when token is not null && (token == Tokens[1] || token == Tokens[3]):
                    return fleet;
                case "device" when token == Tokens[3]:
                    return device;
                case "api_key":
                    await ChangeAsync("INSERT INTO api_key (actor_id, key_hash, roles, created_at, modified_at) SELECT actor_id, CAST(@p1 AS BLOB), 'provisioning-api-key', 0, 0 FROM fleet WHERE id = @p0", fleet, Name());
                    return await world.Server.ScalarAsync<long>("SELECT max(id) FROM api_key");
                case "organization_membership":
                    await ChangeAsync("INSERT INTO actor (kind) VALUES ('user')");
                    await ChangeAsync("INSERT INTO account (actor_id, username, email, token_secret, created_at, modified_at) SELECT max(id), @p0, @p0, 's', 0, 0 FROM actor", Name());
                    await ChangeAsync("INSERT INTO organization_membership (organization_id, account_id, role, created_at, modified_at) SELECT @p0, max(id), 'observer', 0, 0 FROM account", organization);
                    return await world.Server.ScalarAsync<long>("SELECT max(id) FROM organization_membership");
                case "user":
                    return developerAccount;
                case "actor":
                    return await world.Server.ScalarAsync<long>("SELECT actor_id FROM fleet WHERE id = @p0", fleet);
                case "invitee":
                    return Id(await world.MakeAsync("invitee__is_invited_to__organization", Body("invitee__is_invited_to__organization")!));
                case "device_history":
                    return await world.Server.ScalarAsync<long>("SELECT max(id) FROM transition WHERE device_id = @p0 AND fleet_id = @p1", device, fleet);
                case "user__has__public_key":
                    return Id(await world.MakeAsync(resource, Body(resource)!, Tokens[7]));
                case "image_install" or "service_install":
                    return await world.Server.ScalarAsync<long>($"SELECT max(id) FROM {resource} WHERE device_id = @p0", device);
                case "organization":
                    // Its members are those of the scene's organization.
                    var made = Id(await world.MakeAsync(resource, Body(resource)!));
                    await ChangeAsync("DELETE FROM organization_membership WHERE organization_id = @p0", made);
                    await ChangeAsync("INSERT INTO organization_membership (organization_id, account_id, role, created_at, modified_at) SELECT @p0, account_id, role, 0, 0 FROM organization_membership WHERE organization_id = @p1", made, organization);
                    world.Server.Callers.Forget();
                    return made;
                case "service_instance":
                    return Id(await world.MakeAsync(resource, Body(resource)!, Tokens[11]));
                case var _ when Body(resource) is { } body:
                    return Id(await world.MakeAsync(resource, body));
                default:
                    return await world.Server.ScalarAsync<long>($"SELECT min(id) FROM {ResourceModel.Version7.Resource(resource)!.Table}");
            }
        }

        /// <summary>The body of a new row; null when nobody makes one over the API.</summary>
        private JsonObject? Body(string resource) => resource switch
        {
            "application" => new() { ["app_name"] = Name(), ["organization"] = organization, ["is_for__device_type"] = type },
            "application_config_variable" => new() { ["application"] = fleet, ["name"] = $"BALENA_{Name()}", ["value"] = "1" },
            "application_environment_variable" or "build_environment_variable" => new() { ["application"] = fleet, ["name"] = Name(), ["value"] = "1" },
            "application_tag" => new() { ["application"] = fleet, ["tag_key"] = Name(), ["value"] = "1" },
            "device" => new() { ["belongs_to__application"] = fleet, ["is_of__device_type"] = type },
            "device_config_variable" => new() { ["device"] = device, ["name"] = $"BALENA_{Name()}", ["value"] = "1" },
            "device_environment_variable" => new() { ["device"] = device, ["name"] = Name(), ["value"] = "1" },
            "device_service_environment_variable" => new() { ["service_install"] = (device << 20) | service, ["name"] = Name(), ["value"] = "1" },
            "device_tag" => new() { ["device"] = device, ["tag_key"] = Name(), ["value"] = "1" },
            "image" => new() { ["is_a_build_of__service"] = service, ["start_timestamp"] = "2026-01-01T00:00:00.000Z", ["status"] = "success" },
            "image_environment_variable" => new() { ["release_image"] = releaseImage, ["name"] = Name(), ["value"] = "1" },
            "image_label" => new() { ["release_image"] = releaseImage, ["label_name"] = Name(), ["value"] = "1" },
            "invitee__is_invited_to__application" => new() { ["is_invited_to__application"] = fleet, ["invitee"] = Name() },
            "invitee__is_invited_to__organization" => new() { ["is_invited_to__organization"] = organization, ["invitee"] = Name() },
            "organization" => new() { ["name"] = Name(), ["handle"] = Name() },
            "release" => new() { ["belongs_to__application"] = fleet, ["commit"] = Name(), ["status"] = "failed", ["source"] = "local", ["start_timestamp"] = "2026-01-01T00:00:00.000Z" },
            "release_asset" => new() { ["release"] = release, ["asset_key"] = Name() },
            "release_image" => new() { ["image"] = images.Dequeue(), ["is_part_of__release"] = release },
            "release_tag" => new() { ["release"] = release, ["tag_key"] = Name(), ["value"] = "1" },
            "service" => new() { ["application"] = fleet, ["service_name"] = Name() },
            "service_environment_variable" => new() { ["service"] = service, ["name"] = Name(), ["value"] = "1" },
            "service_instance" => new() { ["ip_address"] = "127.0.0.1" },
            "service_label" => new() { ["service"] = service, ["label_name"] = Name(), ["value"] = "1" },
            "user__has__public_key" => new() { ["user"] = developerAccount, ["title"] = Name(), ["public_key"] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f a@b" },
            _ => null,
        };

        /// <summary>A field that can be changed, its column, and a new value; null when nobody changes one over the API.</summary>
        private (string Field, string Column, string Value)? Change(string resource) => resource switch
        {
            "application" => ("app_name", "name", Name()),
            "api_key" => ("description", "description", Name()),
            "device" => ("note", "note", Name()),
            "image" => ("dockerfile", "dockerfile", Name()),
            "organization" => ("name", "name", Name()),
            "organization_membership" => ("muster_role", "role", "operator"),
            "release" => ("note", "note", Name()),
            "release_asset" => ("asset_key", "asset_key", Name()),
            "service" => ("service_name", "service_name", Name()),
            "service_instance" => ("ip_address", "ip_address", $"10.0.{++made / 250}.{made % 250}"),
            "user__has__public_key" => ("title", "title", Name()),
            _ when resource.EndsWith("_variable", StringComparison.Ordinal) || resource.EndsWith("_tag", StringComparison.Ordinal) || resource.EndsWith("_label", StringComparison.Ordinal) => ("value", "value", Name()),
            _ => null,
        };

        private string Name() => $"n{(++made).ToString(CultureInfo.InvariantCulture)}_name";

        private Task ChangeAsync(string sql, params object?[] parameters) => world.Server.Database.WriteAsync(async write =>
        {
            await using var command = write.Command(sql, parameters);
            await command.ExecuteNonQueryAsync();
        });
    }
}
