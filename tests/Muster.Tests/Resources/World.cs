using System.Text.Json.Nodes;
using Muster.Core.Access;

namespace Muster.Tests.Resources;

/// <summary>What tests of writes need around them: a started server, its administrator, and rows made over the API.</summary>
public sealed class World : IAsyncDisposable
{
    private World(StartedServer server, string admin)
    {
        Server = server;
        Admin = admin;
    }

    public StartedServer Server { get; }

    /// <summary>Token of the server's administrator.</summary>
    public string Admin { get; }

    public static async Task<World> StartAsync(string kind = Storage.TestDatabases.Sqlite, Action<Microsoft.AspNetCore.Builder.WebApplicationBuilder>? configure = null)
    {
        var server = await StartedServer.StartAsync(kind, configure);
        return new World(server, await server.LogInAsync());
    }

    public Task<Answer> GetAsync(string path, string? token = null) => Server.SendAsync("GET", path, token ?? Admin);

    public Task<Answer> PostAsync(string path, JsonNode body, string? token = null) => Server.SendAsync("POST", path, token ?? Admin, body);

    public Task<Answer> PatchAsync(string path, JsonNode body, string? token = null) => Server.SendAsync("PATCH", path, token ?? Admin, body);

    public Task<Answer> DeleteAsync(string path, string? token = null) => Server.SendAsync("DELETE", path, token ?? Admin);

    /// <summary>The rows of a read that must succeed.</summary>
    public async Task<JsonArray> RowsAsync(string path, string? token = null)
    {
        var answer = await GetAsync(path, token);
        Assert.True(answer.Status == 200, $"GET {path}: {answer.Status} {answer.Text}");
        return answer.Rows;
    }

    /// <summary>The only row of a read.</summary>
    public async Task<JsonNode> RowAsync(string path, string? token = null) => Assert.Single(await RowsAsync(path, token))!;

    /// <summary>A write that must succeed; the new row.</summary>
    public async Task<JsonNode> MakeAsync(string resource, JsonNode body, string? token = null)
    {
        var answer = await PostAsync($"/v7/{resource}", body, token);
        Assert.True(answer.Status == 201, $"POST {resource}: {answer.Status} {answer.Text}");
        return answer.Json;
    }

    public async Task<long> IdOfAsync(string resource, string field, string value) =>
        (await RowAsync($"/v7/{resource}?$select=id&$filter={field} eq '{value}'"))["id"]!.GetValue<long>();

    public async Task<long> OrganizationAsync() => (await RowsAsync("/v7/organization?$select=id&$orderby=id asc"))[0]!["id"]!.GetValue<long>();

    public async Task<JsonNode> FleetAsync(string name, string type = "raspberrypi4-64", long? organization = null, string? token = null) =>
        await MakeAsync("application", new JsonObject { ["app_name"] = name, ["organization"] = organization ?? await OrganizationAsync(), ["is_for__device_type"] = await IdOfAsync("device_type", "slug", type) }, token);

    public async Task<JsonNode> DeviceAsync(JsonNode fleet, string? name = null)
    {
        var body = new JsonObject { ["belongs_to__application"] = Id(fleet), ["is_of__device_type"] = fleet["is_for__device_type"]!["__id"]!.GetValue<long>() };
        if (name is not null)
            body["device_name"] = name;
        return await MakeAsync("device", body);
    }

    public Task<JsonNode> ReleaseAsync(JsonNode fleet, string? semver = null, string status = "success", bool final = true, long startedAt = 0)
    {
        var body = new JsonObject
        {
            ["belongs_to__application"] = Id(fleet),
            ["commit"] = Guid.NewGuid().ToString("N"),
            ["status"] = status,
            ["source"] = "local",
            ["composition"] = new JsonObject { ["services"] = new JsonObject() },
            ["is_final"] = final,
            ["start_timestamp"] = DateTimeOffset.FromUnixTimeMilliseconds(1795382493000 + startedAt).ToString("O"),
        };
        if (semver is not null)
            body["semver"] = semver;
        return MakeAsync("release", body);
    }

    /// <summary>A person with a role in an organization: the token of a session.</summary>
    public async Task<string> PersonAsync(string name, long organization, Role? role)
    {
        var id = await Server.People.CreateUserAsync($"{name}@muster.test", "a long password");
        if (role is { } held)
            await MakeAsync("organization_membership", new JsonObject { ["user"] = id, ["is_member_of__organization"] = organization, ["muster_role"] = held.Word() });
        return await Server.LogInAsync(name, "a long password");
    }

    /// <summary>A key that acts for a fleet or a device, as SDKs make them.</summary>
    public async Task<string> KeyAsync(string actorType, JsonNode actor, string role)
    {
        var answer = await PostAsync("/api-key/v2", new JsonObject { ["actorType"] = actorType, ["actorTypeId"] = Id(actor), ["roles"] = new JsonArray(role), ["expiryDate"] = null });
        Assert.Equal(200, answer.Status);
        return answer.Json.GetValue<string>();
    }

    public static long Id(JsonNode row) => row["id"]!.GetValue<long>();

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}
