using System.Globalization;
using System.Text.Json.Nodes;
using Muster.Tests.Storage;

namespace Muster.Tests.Devices;

/// <summary>
/// What a real balena-supervisor v19.0.5 said to its cloud (tests/recordings/supervisor), said again to Muster, request by
/// request; after each report the statuses are those that docs/device-protocol.md describes.
/// </summary>
public sealed class SupervisorReplayTests
{
    [Theory]
    [InlineData("01-provision-install-update", TestDatabases.Sqlite)]
    [InlineData("01-provision-install-update", TestDatabases.Postgres)]
    [InlineData("02-update-lock", TestDatabases.Sqlite)]
    [InlineData("04-contract-rejected", TestDatabases.Sqlite)]
    [InlineData("09-applying-changes", TestDatabases.Sqlite)]
    [InlineData("12-reference-api-with-cloudlink", TestDatabases.Sqlite)]
    [InlineData("12-reference-api-with-cloudlink", TestDatabases.Postgres)]
    public async Task A_supervisors_session_is_served_and_its_statuses_are_true(string file, string kind)
    {
        await using var world = await RecordedWorld.StartAsync(kind, "--Presence:PollIntervalFloor=00:00:30");
        var session = new Session(world);
        await session.PrepareAsync(Lines(file));
        foreach (var line in Lines(file).Where(l => (string)l["kind"]! == "http"))
            await session.ReplayAsync(line);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_device_that_is_known_already_exchanges_its_key(string kind)
    {
        const string uuid = "33cc44dd55ee66ff7700889900aabbcc", key = "deadbeefdeadbeefdeadbeefdeadbeef", provisioning = "3g55zn7FgeYWKmoa7BwoL8AVVpTmpwtG";
        const string registration = $$"""{"application":1,"uuid":"{{uuid}}","device_type":"genericx86-64-ext","api_key":"{{key}}","supervisor_version":"19.0.5","os_version":"balenaOS 6.5.39","os_variant":"prod","mac_address":"52:EB"}""";
        await using var world = await RecordedWorld.StartAsync(kind);
        var id = await world.AddDeviceAsync(uuid, "anotherkeyofthesamedevice0000000");
        Assert.Equal(409, (await world.SendAsync("POST", "/device/register", RecordedWorld.As(provisioning), registration, "application/json")).Status);
        Assert.Equal(401, (await world.SendAsync("GET", $"/device/v3/{uuid}/state", RecordedWorld.As(key), (string?)null, null)).Status);
        foreach (var _ in new[] { "once", "again, as a supervisor may" })
        {
            var exchange = await world.SendAsync("POST", $"/api-key/device/{id}/device-key", RecordedWorld.As(provisioning), $$"""{"apiKey":"{{key}}"}""", "application/json");
            Assert.Equal((200, key), (exchange.Status, (string?)exchange.Json));
        }

        Assert.Equal(200, (await world.SendAsync("GET", $"/device/v3/{uuid}/state", RecordedWorld.As(key), (string?)null, null)).Status);
        Assert.Equal(401, (await world.SendAsync("POST", $"/api-key/device/{id}/device-key", RecordedWorld.As("provisioningkeyofanotherfleet000"), "{}", "application/json")).Status);
        Assert.Equal(401, (await world.SendAsync("POST", $"/api-key/device/{id}/device-key", RecordedWorld.As(key), "{}", "application/json")).Status);
        var generated = await world.SendAsync("POST", $"/api-key/device/{id}/device-key", world.AsPerson, """{"name":"second","description":"another key"}""", "application/json");
        Assert.Matches("^[A-Za-z0-9]{32}$", (string?)generated.Json);
        Assert.Equal(200, (await world.SendAsync("GET", $"/device/v3/{uuid}/state", RecordedWorld.As((string)generated.Json!), (string?)null, null)).Status);
    }

    private static IEnumerable<JsonObject> Lines(string file) => File.ReadLines(TestFiles.At($"recordings/supervisor/{file}.jsonl")).Select(l => JsonNode.Parse(l)!.AsObject());

    /// <summary>One recorded device, with its fleet as ours.</summary>
    private sealed class Session(RecordedWorld world)
    {
        private const string ProvisioningKey = "provisioningkeyofthesession00000";

        private readonly Dictionary<string, long> releases = [];
        private long fleet;
        private long service;
        private long device;
        private string fleetUuid = "";
        private string uuid = "";
        private string key = "0123456789abcdef0123456789abcdef";
        private string? version;
        private string? target;
        private bool isNew = true;

        /// <summary>The fleet with every release that the session will speak of.</summary>
        public async Task PrepareAsync(IEnumerable<JsonObject> lines)
        {
            var http = lines.Where(l => (string)l["kind"]! == "http").ToList();
            var bodies = http.SelectMany(l => new[] { l["body"], l["resBody"] }).OfType<JsonObject>().SelectMany(b => b).Where(p => p.Value is JsonObject).ToList();
            uuid = bodies.First(p => p.Key.Length == 32).Key;
            var apps = bodies.SelectMany(p => p.Value!["apps"]?.AsObject() ?? []).ToList();
            fleetUuid = apps[0].Key;
            var isKnown = http.All(l => (string)l["url"]! != "/device/register");
            var actor = await world.InsertAsync("INSERT INTO actor (kind) VALUES ('fleet') RETURNING id");
            fleet = await world.InsertAsync(
                "INSERT INTO fleet (actor_id, uuid, name, slug, organization_id, device_type_id, fleet_type_id, created_at, modified_at) SELECT @p0, @p1, 'session', 'session', organization_id, device_type_id, fleet_type_id, 0, 0 FROM fleet WHERE id = 1 RETURNING id",
                actor, fleetUuid);
            await world.AddKeyAsync(actor, ProvisioningKey, "provisioning-api-key");
            service = await world.InsertAsync("INSERT INTO service (fleet_id, service_name, created_at, modified_at) VALUES (@p0, 'main', 0, 0) RETURNING id", fleet);
            foreach (var (commit, release) in apps.SelectMany(a => a.Value!["releases"]?.AsObject() ?? []))
                await AddReleaseAsync(commit, (string?)release?["services"]?["main"]?["image"]);
            if (isKnown)
                device = await world.AddDeviceAsync(uuid, key, fleet: fleet);
        }

        public async Task ReplayAsync(JsonObject line)
        {
            var (method, url, status) = ((string)line["method"]!, (string)line["url"]!, (int)line["status"]!);
            if (url == "/device/register")
                await RegisterAsync(line);
            else if (url.StartsWith("/v7/device_config_variable", StringComparison.Ordinal))
                await ConfigureAsync(line["body"]!);
            else if (url.StartsWith("/auth/v1/token", StringComparison.Ordinal))
                await AskForRegistryAsync(url);
            else if (method == "GET")
                await PollAsync(line, status);
            else
                await ReportAsync(line);
        }

        private async Task RegisterAsync(JsonObject line)
        {
            var body = line["body"]!.DeepClone();
            body["application"] = fleet;
            key = (string)body["api_key"]!;
            var answer = await world.SendAsync("POST", "/device/register", [.. Agent(line), .. RecordedWorld.As(ProvisioningKey)], body.ToJsonString(), "application/json");
            Assert.Equal(201, answer.Status);
            device = (long)answer.Json!["id"]!;
            Assert.Equal("inactive", await StatusAsync("overall_status"));
        }

        // The resource endpoint is another room's; the row is what matters here.
        private async Task ConfigureAsync(JsonNode body)
        {
            await world.DoAsync("INSERT INTO device_config_variable (device_id, name, value, created_at, modified_at) VALUES (@p0, @p1, @p2, 0, 0)", device, (string)body["name"]!, (string)body["value"]!);
            await world.Presence.ChangedAsync(new("config-variable") { Devices = [device] });
            isNew = true;
        }

        private async Task AskForRegistryAsync(string url)
        {
            var basic = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"d_{uuid}:{key}"));
            Assert.Equal(501, (await world.SendAsync("GET", url, [("Authorization", $"Basic {basic}")], (string?)null, null)).Status);
        }

        private async Task PollAsync(JsonObject line, int status)
        {
            // What the cloud of the recording had been told meanwhile: the target that it then handed out.
            if (status == 200 && line["resBody"]![uuid]!["apps"]!.AsObject().FirstOrDefault().Value?["releases"]?.AsObject().FirstOrDefault().Key is { } commit && commit != target)
            {
                (target, isNew) = (commit, true);
                await world.DoAsync("UPDATE fleet SET target_release_id = @p0 WHERE id = @p1", releases[commit], fleet);
                await world.Presence.ChangedAsync(new("target") { Fleets = [fleet] });
            }

            List<(string, string)> headers = [.. Agent(line), .. RecordedWorld.As(key)];
            var knows = line["headers"]!["if-none-match"] is not null && version is not null;
            if (knows)
                headers.Add(("If-None-Match", version!));
            var answer = await world.SendAsync("GET", (string)line["url"]!, headers, (string?)null, null);
            // Not the recorded status: that cloud forgot the variables that the device told it, and parts of its time are left out.
            Assert.Equal(isNew || !knows ? 200 : 304, answer.Status);
            (version, isNew) = (answer.Version, false);
            if (answer.Status == 200)
                AssertTarget(line, answer);
            Assert.Equal("online", await StatusAsync("heartbeat"));
        }

        private void AssertTarget(JsonObject line, WireAnswer answer)
        {
            var recorded = line["resBody"] is JsonObject whole ? whole[uuid]!["apps"]!.AsObject().FirstOrDefault().Value?["releases"]?.AsObject() : null;
            foreach (var (commit, release) in recorded ?? [])
            {
                var ours = answer.Json![uuid]!["apps"]![fleetUuid]!["releases"]![commit]!["services"]!["main"]!;
                Assert.Equal((string?)release!["services"]!["main"]!["image"], (string?)ours["image"]);
            }
        }

        private async Task ReportAsync(JsonObject line)
        {
            var body = line["body"]!.AsObject();
            var answer = await world.SendAsync("PATCH", (string)line["url"]!, [.. Agent(line), .. RecordedWorld.As(key)], body.ToJsonString(), "application/json");
            Assert.Equal((200, ""), (answer.Status, answer.Text));
            var reported = body[uuid]!.AsObject();
            if (reported["apps"]?[fleetUuid] is not { } app)
                return;

            string[] order = ["rejected", "aborted", "downloading", "downloaded", "applying changes", "done"];
            var all = app["releases"]!.AsObject().Select(r => r.Value!).ToList();
            var updateStatus = all.Select(r => (string)r["update_status"]!).MinBy(s => Array.IndexOf(order, s));
            Assert.Equal(updateStatus, await StatusAsync("update_status"));
            if ((string?)app["release_uuid"] is { } running)
                Assert.Equal(releases[running].ToString(CultureInfo.InvariantCulture), await StatusAsync("running_release_id"));
            var isDownloading = all.Any(r => (string?)r["services"]?["main"]?["status"] == "Downloading");
            // No tunnel in these replays: what works is the heartbeat alone.
            Assert.Equal(isDownloading ? "updating" : "reduced-functionality", await StatusAsync("overall_status"));
            var installed = all.Count(r => r["services"]?["main"] is not null);
            Assert.Equal((long)installed, Convert.ToInt64(await world.ReadAsync("SELECT count(*) FROM image_install WHERE device_id = @p0 AND status <> 'deleted'", device), CultureInfo.InvariantCulture));
        }

        private async Task AddReleaseAsync(string commit, string? image)
        {
            if (!releases.TryGetValue(commit, out var release))
            {
                release = releases[commit] = await world.InsertAsync(
                    "INSERT INTO release (fleet_id, \"commit\", composition, status, start_timestamp, update_timestamp, created_at, modified_at) VALUES (@p0, @p1, '{}', 'success', 0, 0, 0, 0) RETURNING id", fleet, commit);
            }

            if (image?.Split('@') is not [var location, var digest])
                return;
            // One image may stand in several releases.
            var id = await world.ReadAsync("SELECT id FROM image WHERE location = @p0", location) is long known ? known : await world.InsertAsync(
                "INSERT INTO image (service_id, location, content_hash, status, start_timestamp, created_at, modified_at) VALUES (@p0, @p1, @p2, 'success', 0, 0, 0) RETURNING id", service, location, digest);
            await world.DoAsync("INSERT INTO release_image (release_id, image_id, created_at, modified_at) VALUES (@p0, @p1, 0, 0) ON CONFLICT (release_id, image_id) DO NOTHING", release, id);
        }

        private async Task<string?> StatusAsync(string column) => Convert.ToString(await world.ReadAsync($"SELECT {column} FROM device WHERE id = @p0", device), CultureInfo.InvariantCulture);

        private static (string, string)[] Agent(JsonObject line) => [("User-Agent", (string)line["headers"]!["user-agent"]!)];
    }
}
