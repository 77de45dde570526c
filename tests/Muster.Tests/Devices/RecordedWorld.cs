using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Muster.Server;
using Muster.Server.Presence;
using Muster.Storage;
using Muster.Tests.Storage;

namespace Muster.Tests.Devices;

/// <summary>An answer of the server under test.</summary>
public sealed record WireAnswer(int Status, string? ContentType, string? Version, string Text, bool HasRetryAfter)
{
    public JsonNode? Json => ContentType?.StartsWith("application/json", StringComparison.Ordinal) == true ? JsonNode.Parse(Text) : null;
}

/// <summary>
/// A started server that knows the fleets, releases, devices and keys of the recordings by the very ids and secrets that
/// stand there, so that a recorded request can be sent as it is. A person's recorded token is replaced by one of ours.
/// </summary>
public sealed class RecordedWorld : IAsyncDisposable
{
    private const string Email = "admin@reference.test", Password = "correct horse 7";

    private readonly WebApplication app;
    private readonly string directory;
    private string token = "";

    private RecordedWorld(WebApplication app, string directory)
    {
        this.app = app;
        this.directory = directory;
        Http = new() { BaseAddress = new(app.Urls.First()), Timeout = TimeSpan.FromSeconds(60) };
    }

    public HttpClient Http { get; }

    public Database Database => app.Services.GetRequiredService<Database>();

    internal FleetPresence Presence => app.Services.GetRequiredService<FleetPresence>();

    /// <summary>Settings beside those that make the recordings' figures.</summary>
    public static async Task<RecordedWorld> StartAsync(string kind, params string[] settings)
    {
        var (connection, directory) = await TestDatabases.LocationAsync(kind);
        string[] args =
        [
            "--urls=http://127.0.0.1:0", $"--data={directory}", $"--Admin:Email={Email}", $"--Admin:Password={Password}", "--Logging:LogLevel:Default=Warning",
            "--Presence:DefaultPollInterval=00:10:00", "--Logs:Gather=00:00:00.010", "--Logs:RefusalDelay=00:00:00.200", .. settings,
        ];
        var app = ServerHost.Build(connection is null ? args : [.. args, $"--database={connection}"]);
        await app.StartAsync();
        var world = new RecordedWorld(app, directory);
        await world.SeedAsync(isPostgres: connection is not null);
        world.token = (await world.SendAsync("POST", "/login_", [], new JsonObject { ["username"] = Email, ["password"] = Password }.ToJsonString(), "application/json")).Text;
        return world;
    }

    public async Task<WireAnswer> SendAsync(string method, string path, IEnumerable<(string Name, string Value)> headers, string? body, string? contentType)
    {
        using var content = body is null ? null : new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        return await SendAsync(method, path, headers, content, contentType);
    }

    public async Task<WireAnswer> SendAsync(string method, string path, IEnumerable<(string Name, string Value)> headers, HttpContent? content, string? contentType)
    {
        using var request = new HttpRequestMessage(new(method), path) { Content = content };
        if (content is not null && contentType is not null)
            content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        foreach (var (name, value) in headers)
        {
            var given = value.StartsWith("Bearer eyJ", StringComparison.Ordinal) ? $"Bearer {token}" : value;
            if (name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase))
                content?.Headers.TryAddWithoutValidation(name, given);
            else
                request.Headers.TryAddWithoutValidation(name, given);
        }

        using var response = await Http.SendAsync(request);
        return new((int)response.StatusCode, response.Content.Headers.ContentType?.ToString(), response.Headers.ETag?.ToString(), await response.Content.ReadAsStringAsync(), response.Headers.RetryAfter is not null);
    }

    /// <summary>Headers for a device's or a person's own request.</summary>
    public static (string, string)[] As(string secret) => [("Authorization", $"Bearer {secret}")];

    public (string, string)[] AsPerson => As(token);

    public async Task DoAsync(string sql, params object?[] parameters) => await Database.WriteAsync(async write =>
    {
        await using var command = write.Command(sql, parameters);
        await command.ExecuteNonQueryAsync();
    });

    public Task<long> InsertAsync(string sql, params object?[] parameters) => Database.WriteAsync(async write =>
    {
        await using var command = write.Command(sql, parameters);
        return (long)(await command.ExecuteScalarAsync())!;
    });

    public async Task<object?> ReadAsync(string sql, params object?[] parameters)
    {
        await using var connection = await Database.OpenReadAsync();
        await using var command = connection.Statement(sql, parameters);
        return await command.ExecuteScalarAsync() is { } value and not DBNull ? value : null;
    }

    /// <summary>A registered device with a key, as after <c>POST /device/register</c>.</summary>
    public async Task<long> AddDeviceAsync(string uuid, string key, string name = "quiet-harbour", long fleet = 1)
    {
        var actor = await InsertAsync("INSERT INTO actor (kind) VALUES ('device') RETURNING id");
        var id = await InsertAsync(
            "INSERT INTO device (actor_id, uuid, name, fleet_id, device_type_id, os_version, supervisor_version, created_at, modified_at) SELECT @p0, @p1, @p2, id, device_type_id, 'balenaOS 6.0.24', '17.0.1', 0, 0 FROM fleet WHERE id = @p3 RETURNING id",
            actor, uuid, name, fleet);
        await AddKeyAsync(actor, key, "device-api-key");
        await Presence.ChangedAsync(new("registered") { Added = [id] });
        return id;
    }

    public Task AddKeyAsync(long actor, string key, string roles) =>
        DoAsync("INSERT INTO api_key (actor_id, key_hash, roles, created_at, modified_at) VALUES (@p0, @p1, @p2, 0, 0)", actor, SHA256.HashData(Encoding.UTF8.GetBytes(key)), roles);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await app.StopAsync();
        await app.DisposeAsync();
        Directory.Delete(directory, recursive: true);
    }

    private async Task SeedAsync(bool isPostgres)
    {
        await AddFleetAsync(1, "f4b14237356c48ccaba517d83ac1bef3", "fleet-amd64", "generic-amd64", "3g55zn7FgeYWKmoa7BwoL8AVVpTmpwtG");
        await AddFleetAsync(2, "0e1f2a3b4c5d6e7f8091a2b3c4d5e6f7", "fleet-pi", "raspberrypi4-64", "provisioningkeyofanotherfleet000");
        await DoAsync("INSERT INTO fleet_environment_variable (fleet_id, name, value, created_at, modified_at) VALUES (1, 'FLEET_VAR', 'fleet', 0, 0)");
        await DoAsync("INSERT INTO fleet_config_variable (fleet_id, name, value, created_at, modified_at) VALUES (1, 'BALENA_HOST_CONFIG_gpu_mem', '16', 0, 0)");
        await DoAsync("INSERT INTO service (id, fleet_id, service_name, created_at, modified_at) VALUES (1, 1, 'main', 0, 0), (2, 1, 'sidecar', 0, 0)");
        await DoAsync("INSERT INTO service_environment_variable (service_id, name, value, created_at, modified_at) VALUES (1, 'SVC_VAR', 'svc', 0, 0)");
        await DoAsync("INSERT INTO service_label (service_id, label_name, value, created_at, modified_at) VALUES (1, 'io.balena.features.supervisor-api', '1', 0, 0)");
        await AddReleaseAsync(1, 1, "29914a4744322dd3da1cd57cd45be1b3");
        await AddReleaseAsync(2, 1, "abf78a2617a810b1e36dfe971522b937");
        await AddReleaseAsync(3, 2, "134b92dedf2c3d90506fc7876c6bdb74");
        await AddImageAsync(1, 1, 1, "590848e7bf76378e731f18b71e93c8dc", "0f053733228d4ec5881f5e291fa288ba93e5f3069858ed3d9b8e64548c83c485");
        await AddImageAsync(2, 2, 1, "68077bea517f7a9a6c3f563a0675742d", "50e2b4c05a828aabab4e4b738d6b136f58eb03b65893fb6dc11eb1948f92bda0");
        await AddImageAsync(3, 1, 2, "b9669b05add8d2c7f65cfbcc1de1590c", "8c6d6a762dcbd6d214cbbbfd518143573c9f6ab1d0a7ff3bad34eb931b22e317");
        await AddImageAsync(4, 2, 2, "36e5c41ef050957cbd64fec6ed269989", "140ebabe5e7e5f5b04966fff4986d42be69623ba27dfdafe77d07097dc363d0c");
        await DoAsync("UPDATE fleet SET target_release_id = 2 WHERE id = 1");
        if (isPostgres)
        {
            foreach (var table in new[] { "fleet", "service", "release", "image", "release_image" })
                await ReadAsync($"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1000000)");
        }

        await Presence.ChangedAsync(new("seed") { Fleets = [1, 2] });
        var sneakyHill = await AddDeviceAsync("6713349f7fb2bbb0ac01a02bc0c32d9b", "b08c8fe31c4a9fa3b64f24d586ef0e2b", "sneaky-hill");
        await DoAsync("INSERT INTO device_environment_variable (device_id, name, value, created_at, modified_at) VALUES (@p0, 'DEV_VAR', 'dev', 0, 0)", sneakyHill);
        await DoAsync("INSERT INTO device_config_variable (device_id, name, value, created_at, modified_at) VALUES (@p0, 'BALENA_HOST_CONFIG_gpu_mem', '32', 0, 0)", sneakyHill);
        await DoAsync("INSERT INTO device_service_environment_variable (device_id, service_id, name, value, created_at, modified_at) VALUES (@p0, 1, 'DSVC_VAR', 'dsvc', 0, 0)", sneakyHill);
        await Presence.ChangedAsync(new("variables") { Devices = [sneakyHill] });
        await AddDeviceAsync("b71bc83976c1b303edea3196e3845681", "hg58EwBWw7zix9SIKvLrhBmQswvAKXIQ");
        await AddDeviceAsync("9b6232dca204209e1fed310811527762", "88368c0664c3d10f9575c228fabfe1e8", "fried-tornado");

        var admin = (long)(await ReadAsync("SELECT actor_id FROM account WHERE email = @p0", Email))!;
        await AddKeyAsync(admin, "e5iWMnI9BAZDMNm3Qs1fmnjXZEx0siCr", "named-user-api-key");
        await AddKeyAsync(await InsertAsync("INSERT INTO actor (kind) VALUES ('service') RETURNING id"), "reference_vpn_service_api_key", "service.vpn");
    }

    private async Task AddFleetAsync(long id, string uuid, string name, string deviceType, string provisioningKey)
    {
        var actor = await InsertAsync("INSERT INTO actor (kind) VALUES ('fleet') RETURNING id");
        await DoAsync(
            """
            INSERT INTO fleet (id, actor_id, uuid, name, slug, organization_id, device_type_id, fleet_type_id, created_at, modified_at)
            SELECT @p0, @p1, @p2, @p3, @p3, (SELECT min(id) FROM organization), (SELECT id FROM device_type WHERE slug = @p4), (SELECT min(id) FROM fleet_type WHERE needs_paid_plan = 0), 0, 0
            """, id, actor, uuid, name, deviceType);
        await AddKeyAsync(actor, provisioningKey, "provisioning-api-key");
    }

    private Task AddReleaseAsync(long id, long fleet, string commit) => DoAsync(
        "INSERT INTO release (id, fleet_id, \"commit\", composition, status, start_timestamp, update_timestamp, created_at, modified_at) VALUES (@p0, @p1, @p2, @p3, 'success', 0, 0, 0, 0)",
        id, fleet, commit,
        """{"version":"2.4","volumes":{"data":{}},"networks":{},"services":{"main":{"build":{"context":"."},"restart":"always","volumes":["data:/data"],"privileged":true},"sidecar":{"image":"x","network_mode":"host"}}}""");

    private async Task AddImageAsync(long id, long service, long release, string location, string digest)
    {
        await DoAsync(
            "INSERT INTO image (id, service_id, location, content_hash, status, start_timestamp, created_at, modified_at) VALUES (@p0, @p1, @p2, @p3, 'success', 0, 0, 0)",
            id, service, $"registry2.reference.test/v2/{location}", $"sha256:{digest}");
        var releaseImage = await InsertAsync("INSERT INTO release_image (release_id, image_id, created_at, modified_at) VALUES (@p0, @p1, 0, 0) RETURNING id", release, id);
        if (service == 1)
            await DoAsync("INSERT INTO image_environment_variable (release_image_id, name, value, created_at, modified_at) VALUES (@p0, 'IMG_VAR', 'img', 0, 0)", releaseImage);
    }
}
