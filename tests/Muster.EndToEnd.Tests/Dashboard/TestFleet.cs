using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Muster.EndToEnd.Tests.Dashboard;

/// <summary>A fleet made through the API, as a person with the SDK would.</summary>
internal sealed class TestFleet : IDisposable
{
    private readonly HttpClient http;

    private TestFleet(HttpClient http, long organization, long id, string slug)
    {
        this.http = http;
        Organization = organization;
        Id = id;
        Slug = slug;
    }

    public long Organization { get; }

    public long Id { get; }

    public string Slug { get; }

    /// <param name="organization">Handle; null for the administrator's own.</param>
    public static async Task<TestFleet> CreateAsync(ServerProcess server, string name, string? organization = null)
    {
        var http = new HttpClient { BaseAddress = server.Address };
        using var login = await http.PostAsJsonAsync("/login_", new { username = ServerProcess.Email, password = ServerProcess.Password });
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", await login.Content.ReadAsStringAsync());
        var owner = (long)(await RowsAsync(http, organization is null ? "organization?$select=id&$top=1" : $"organization?$select=id&$filter=handle eq '{organization}'"))[0]!["id"]!;
        var type = (long)(await RowsAsync(http, "device_type?$select=id&$filter=slug eq 'raspberrypi4-64'"))[0]!["id"]!;
        var fleetType = (long)(await RowsAsync(http, "application_type?$select=id&$filter=slug eq 'microservices'"))[0]!["id"]!;
        var fleet = await SendAsync(http, HttpMethod.Post, "/v7/application", new JsonObject
        {
            ["app_name"] = name,
            ["organization"] = owner,
            ["is_for__device_type"] = type,
            ["application_type"] = fleetType,
        });
        return new(http, owner, (long)fleet!["id"]!, (string)fleet["slug"]!);
    }

    /// <summary>A device that was registered in the field's way and is not yet heard of.</summary>
    public async Task<TestDevice> AddDeviceAsync(string name)
    {
        var key = (string)(await SendAsync(http, HttpMethod.Post, $"/api-key/application/{Id}/provisioning", []))!;
        var uuid = Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(16));
        var device = await SendAsync(new HttpClient { BaseAddress = http.BaseAddress, DefaultRequestHeaders = { Authorization = new("Bearer", key) } }, HttpMethod.Post, "/device/register", new JsonObject
        {
            ["application"] = Id,
            ["uuid"] = uuid,
            ["device_type"] = "raspberrypi4-64",
            ["supervisor_version"] = "17.0.1",
            ["os_version"] = "balenaOS 6.1.24",
            ["os_variant"] = "prod",
        });
        await ChangeAsync($"device(uuid='{uuid}')", new JsonObject { ["device_name"] = name });
        return new(http.BaseAddress!, uuid, (long)device!["id"]!, (string)device["api_key"]!);
    }

    /// <summary>Moves a device to a new organization, in which nobody is but who made the fleet.</summary>
    public async Task MoveAwayAsync(TestDevice device)
    {
        var organization = (long)(await CreateAsync("organization", new() { ["name"] = "Elsewhere" }))!["id"]!;
        var type = (long)(await RowsAsync($"application({Id})?$select=is_for__device_type"))[0]!["is_for__device_type"]!["__id"]!;
        var away = (long)(await CreateAsync("application", new() { ["app_name"] = "away", ["organization"] = organization, ["is_for__device_type"] = type }))!["id"]!;
        await ChangeAsync($"device({device.Id})", new() { ["belongs_to__application"] = away });
    }

    /// <summary>A successful release with one service, made as a builder does.</summary>
    public async Task<TestRelease> ReleaseAsync(string commit, string serviceName)
    {
        var now = DateTimeOffset.UtcNow.ToString("O", CultureInfo.InvariantCulture);
        var service = (long)(await CreateAsync("service", new() { ["application"] = Id, ["service_name"] = serviceName }))!["id"]!;
        var release = (long)(await CreateAsync("release", new()
        {
            ["belongs_to__application"] = Id,
            ["commit"] = commit,
            ["status"] = "running",
            ["source"] = "cloud",
            ["composition"] = new JsonObject(),
            ["start_timestamp"] = now,
        }))!["id"]!;
        var image = (await CreateAsync("image", new() { ["is_a_build_of__service"] = service, ["status"] = "success", ["start_timestamp"] = now }))!;
        await CreateAsync("release_image", new() { ["image"] = (long)image["id"]!, ["is_part_of__release"] = release });
        await ChangeAsync($"release({release})", new() { ["status"] = "success" });
        var uuid = (string)(await RowsAsync($"application({Id})?$select=uuid"))[0]!["uuid"]!;
        return new(uuid, commit, serviceName, service, (string)image["is_stored_at__image_location"]!);
    }

    public Task<JsonArray> RowsAsync(string path) => RowsAsync(http, path);

    /// <summary>Any answer of the server to the person who made the fleet.</summary>
    public Task<JsonNode?> GetAsync(string path) => http.GetFromJsonAsync<JsonNode>(path);

    public Task<JsonNode?> CreateAsync(string resource, JsonObject fields) => SendAsync(http, HttpMethod.Post, $"/v7/{resource}", fields);

    public Task ChangeAsync(string path, JsonObject fields) => SendAsync(http, HttpMethod.Patch, $"/v7/{path}", fields);

    /// <summary>Of the person's session.</summary>
    public string Token => http.DefaultRequestHeaders.Authorization!.Parameter!;

    public Task DeleteAsync(string path) => SendAsync(http, HttpMethod.Delete, $"/v7/{path}", []);

    public void Dispose() => http.Dispose();

    private static async Task<JsonArray> RowsAsync(HttpClient http, string path) => (await http.GetFromJsonAsync<JsonNode>("/v7/" + path))!["d"]!.AsArray();

    private static async Task<JsonNode?> SendAsync(HttpClient http, HttpMethod method, string path, JsonObject body)
    {
        using var request = new HttpRequestMessage(method, path) { Content = JsonContent.Create(body) };
        using var answer = await http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, $"{method} {path}: {(int)answer.StatusCode} {text}");
        return text.Length == 0 ? null : JsonNode.Parse(text);
    }
}

/// <summary>A device as far as the server can tell: it polls and reports with its own key.</summary>
internal sealed class TestDevice(Uri server, string uuid, long id, string key)
{
    public string Uuid => uuid;

    public long Id => id;

    /// <summary>Asks for the target state: the heartbeat is online from here on.</summary>
    public Task PollAsync() => SendAsync(HttpMethod.Get, $"/device/v3/{uuid}/state", null);

    /// <summary>A state report of the device's own part: <c>{"status": …}</c> stands under its uuid.</summary>
    public Task ReportAsync(JsonObject state) => SendAsync(HttpMethod.Patch, "/device/v3/state", new JsonObject { [uuid] = state });

    /// <summary>Lines of its log, as its supervisor uploads them.</summary>
    public Task LogAsync(params JsonNode[] lines) => SendAsync(HttpMethod.Post, $"/device/v2/{uuid}/logs", new JsonArray([.. lines]));

    private async Task SendAsync(HttpMethod method, string path, JsonNode? body)
    {
        using var http = new HttpClient { BaseAddress = server, DefaultRequestHeaders = { Authorization = new("Bearer", key) } };
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        using var answer = await http.SendAsync(request);
        Assert.True(answer.IsSuccessStatusCode, $"{method} {path}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
    }
}

/// <param name="Fleet">Its uuid.</param>
/// <param name="Service">The name of its one service.</param>
/// <param name="Image">Where the service's image is.</param>
internal sealed record TestRelease(string Fleet, string Commit, string Service, long ServiceId, string Image)
{
    /// <summary>A report of a download under way.</summary>
    public JsonObject Report(int percent, JsonObject? more = null) =>
        Report("downloading", new() { ["image"] = Image, ["status"] = "Downloading", ["download_progress"] = percent }, more ?? []);

    /// <summary>A report that all of it runs.</summary>
    public JsonObject Runs() => Report("done", new() { ["image"] = Image, ["status"] = "Running" }, []);

    /// <summary>A report that the device cannot run it; of its services such a report says nothing.</summary>
    public JsonObject Rejected() => Report(new JsonObject { ["update_status"] = "rejected" }, []);

    private JsonObject Report(string status, JsonObject service, JsonObject state) =>
        Report(new JsonObject { ["update_status"] = status, ["services"] = new JsonObject { [Service] = service } }, state);

    private JsonObject Report(JsonObject release, JsonObject state)
    {
        state["apps"] = new JsonObject { [Fleet] = new JsonObject { ["releases"] = new JsonObject { [Commit] = release } } };
        return state;
    }
}
