using System.Globalization;
using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Server.Presence;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Devices.Reports;

/// <summary>Reports that name releases: built twice, deleted, of a former fleet, rejected, or with a status no longer.</summary>
public sealed class ReportedReleasesTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Of_a_commit_that_was_built_twice_the_build_that_succeeded_runs(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var good = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        var device = await AddAsync(server);
        foreach (var status in new[] { "failed", "cancelled", "running" })
        {
            await RebuildAsync(server, good.Commit, status);
            Assert.Equal(200, (await ReportAsync(server, device, await RunsAsync(server, good))).Status);
            Assert.Equal(good.Id, await RunningAsync(server, device));
            Assert.Equal(good.Id, await NumberAsync(server, "SELECT release_id FROM image_install WHERE device_id = @p0 AND status = 'Running'", device.Id));
            Assert.Equal(200, (await ReportAsync(server, device, Apps(server.Fleet, null))).Status);
        }

        var preload = await server.GetAsync($"/device/v3/fleet/{server.Fleet.Uuid}/state?releaseUuid={good.Commit}", server.Admin);
        Assert.Equal(good.Id, (long)preload.Json[server.Fleet.Uuid]!["apps"]![server.Fleet.Uuid]!["releases"]![good.Commit]!["id"]!);

        var old = await AddAsync(server);
        var body = new JsonObject { ["local"] = new JsonObject { ["is_on__commit"] = good.Commit } };
        Assert.Equal(200, (await server.Server.SendAsync("PATCH", $"/device/v2/{old.Uuid}/state", old.Key, body)).Status);
        Assert.Equal(good.Id, await RunningAsync(server, old));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Of_two_builds_that_succeeded_that_one_runs_whose_images_do(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var first = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        var second = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        await server.Fixture.DoAsync("UPDATE release SET \"commit\" = @p1 WHERE id = @p0", second.Id, first.Commit);
        var device = await AddAsync(server);
        await ReportAsync(server, device, await RunsAsync(server, first));
        Assert.Equal(first.Id, await RunningAsync(server, device));
        await ReportAsync(server, device, await RunsAsync(server, second with { Commit = first.Commit }));
        Assert.Equal(second.Id, await RunningAsync(server, device));
        await ReportAsync(server, device, Apps(server.Fleet, first.Commit));
        Assert.Equal(second.Id, await RunningAsync(server, device));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task What_a_deleted_release_held_ends_and_reports_that_still_name_it_are_taken(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var gone = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        var stays = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        var device = await AddAsync(server);
        var both = Apps(server.Fleet, stays.Commit,
            (stays.Commit, "done", await ImageAsync(server, stays), "Running", null), (gone.Commit, "downloading", await ImageAsync(server, gone), "Downloading", 40));
        Assert.Equal(200, (await ReportAsync(server, device, both)).Status);
        Assert.Equal(("updating", "downloading"), await StatusAsync(server, device));

        Assert.Equal(200, (await server.Server.SendAsync("DELETE", $"/v7/release({gone.Id})", server.Admin)).Status);
        Assert.Equal(("reduced-functionality", "done"), await StatusAsync(server, device));

        both["cpu_usage"] = 37;
        var answer = await ReportAsync(server, device, both);
        Assert.Equal(200, answer.Status);
        Assert.Contains(gone.Commit, answer.Sentence, StringComparison.Ordinal);
        Assert.Equal(37, await NumberAsync(server, "SELECT cpu_usage FROM device WHERE id = @p0", device.Id));
        Assert.Equal(("reduced-functionality", "done"), await StatusAsync(server, device));
        // Nothing but what is foreign: as recorded.
        Assert.Equal(401, (await ReportAsync(server, device, Apps(server.Fleet, gone.Commit))).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_device_that_was_moved_runs_nothing_of_its_new_fleet_yet(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var release = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        var next = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        var fleet = await server.Fixture.AddFleetAsync();
        var device = await AddAsync(server);
        var old = Apps(server.Fleet, release.Commit,
            (release.Commit, "done", await ImageAsync(server, release), "Running", null), (next.Commit, "downloading", await ImageAsync(server, next), "Downloading", 5));
        await ReportAsync(server, device, old);
        Assert.Equal(("updating", "downloading"), await StatusAsync(server, device));
        var moved = await server.Server.SendAsync("PATCH", $"/v7/device({device.Id})", server.Admin, new JsonObject { ["belongs_to__application"] = fleet.Id });
        Assert.True(moved.Status == 200, moved.Text);
        Assert.Equal(("reduced-functionality", null), await StatusAsync(server, device));

        old["cpu_usage"] = 38;
        Assert.Equal(200, (await ReportAsync(server, device, old)).Status);
        Assert.Equal(38, await NumberAsync(server, "SELECT cpu_usage FROM device WHERE id = @p0", device.Id));
        Assert.Null(await RunningAsync(server, device));
        Assert.Equal(("reduced-functionality", null), await StatusAsync(server, device));
    }

    [Fact]
    public async Task A_status_that_a_downgraded_supervisor_tells_no_longer_ends()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var release = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        var next = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        var device = await AddAsync(server);
        await ReportAsync(server, device, Apps(server.Fleet, release.Commit,
            (release.Commit, "done", await ImageAsync(server, release), "Running", null), (next.Commit, "downloading", await ImageAsync(server, next), "Downloading", 50)));
        var older = Apps(server.Fleet, release.Commit, (release.Commit, null, await ImageAsync(server, release), "Running", null));
        older["supervisor_version"] = "14.0.0";
        await ReportAsync(server, device, older);
        Assert.Equal(("reduced-functionality", null), await StatusAsync(server, device));
    }

    [Fact]
    public async Task A_release_that_is_rejected_says_nothing_of_the_services_that_run_on()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var runs = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        var target = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        var device = await AddAsync(server);
        await ReportAsync(server, device, await RunsAsync(server, runs));
        // As recorded of a supervisor 19 (supervisor/04-contract-rejected).
        static JsonObject Rejected() => new() { ["update_status"] = "rejected" };
        var app = new JsonObject { ["release_uuid"] = runs.Commit, ["releases"] = new JsonObject { [target.Commit] = Rejected(), [runs.Commit] = Rejected() } };
        Assert.Equal(200, (await ReportAsync(server, device, new() { ["apps"] = new JsonObject { [server.Fleet.Uuid] = app } })).Status);
        Assert.Equal("rejected", (await StatusAsync(server, device)).Update);
        Assert.Equal("Running", await server.Fixture.ReadAsync("SELECT status FROM image_install WHERE device_id = @p0", device.Id));

        var status = (await server.GetAsync($"/muster/v1/devices/{device.Uuid}/status", server.Admin)).Json;
        Assert.Equal(("reduced-functionality", "rejected"), ((string)status["overall_status"]!, (string)status["trouble"]!["kind"]!));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_download_that_fails_is_told_with_what_the_log_says(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var release = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        var device = await AddAsync(server);
        await ReportAsync(server, device, Apps(server.Fleet, null, (release.Commit, "downloading", await ImageAsync(server, release), "Downloading", 0)));
        await server.Fixture.DoAsync(
            "INSERT INTO device_log (device_id, at, received_at, is_system, is_stderr, message) VALUES (@p0, @p1, @p1, 1, 0, @p2)",
            device.Id, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + 1, "Failed to download image 'registry/v2/x' due to 'unauthorized: authentication required'");
        var status = (await server.GetAsync($"/muster/v1/devices/{device.Uuid}/status", server.Admin)).Json;
        Assert.Equal(("updating", "download-fails"), ((string)status["overall_status"]!, (string)status["trouble"]!["kind"]!));
        Assert.Contains("unauthorized", (string)status["trouble"]!["said"]!, StringComparison.Ordinal);
        var health = (await server.GetAsync($"/muster/v1/devices/{device.Uuid}/health", await server.LogInAsAsync(Role.Observer))).Json;
        var check = health["checks"]!.AsArray().Single(c => (string)c!["name"]! == "update")!;
        Assert.Equal("fail", (string)check["level"]!);
        Assert.Contains("unauthorized", (string)check["sentence"]!, StringComparison.Ordinal);
        Assert.Contains("registry", (string)check["advice"]!, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Only_a_device_that_is_offline_can_be_deactivated(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var (polling, tunnelled, silent) = (await AddAsync(server), await server.AddConnectedDeviceAsync(), await server.AddDeviceAsync());
        await server.Fixture.DoAsync("UPDATE device SET is_active = 1 WHERE id = @p0", silent.Id);
        Task<Answer> DeactivateAsync(string which) => server.Server.SendAsync("PATCH", $"/v7/device{which}", server.Admin, new JsonObject { ["is_active"] = false });
        foreach (var which in new[] { $"({polling.Id})", $"({tunnelled.Id})", $"?$filter=id in ({polling.Id},{silent.Id})" })
        {
            var refused = await DeactivateAsync(which);
            Assert.Equal(400, refused.Status);
            Assert.Contains("online", refused.Sentence, StringComparison.Ordinal);
        }

        Assert.Equal(3L, await server.Server.ScalarAsync<long>("SELECT count(*) FROM device WHERE is_active = 1"));
        Assert.Equal(200, (await DeactivateAsync($"({silent.Id})")).Status);
        // Its tunnel comes up while somebody deactivates it, and the write is told after.
        await server.Fixture.DoAsync("UPDATE device SET is_active = 0 WHERE id = @p0", tunnelled.Id);
        await server.Presence.ChangedAsync(new InputChange("deactivated") { Devices = [tunnelled.Id] });
        Assert.Equal(1, await NumberAsync(server, "SELECT is_active FROM device WHERE id = @p0", tunnelled.Id));
    }

    [Fact]
    public async Task Two_machines_with_one_identity_are_named_as_such()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await AddAsync(server);
        foreach (var processor in new[] { "aaaa1111", "bbbb2222", "aaaa1111" })
            await ReportAsync(server, device, new() { ["cpu_id"] = processor });
        var status = (await server.GetAsync($"/muster/v1/devices/{device.Uuid}/status", server.Admin)).Json;
        Assert.Contains("aaaa1111 and bbbb2222", (string)status["twin"]!["sentence"]!, StringComparison.Ordinal);
        var health = (await server.GetAsync($"/muster/v1/devices/{device.Uuid}/health", server.Admin)).Json;
        Assert.Equal("identity", (string)health["checks"]![0]!["name"]!);

        var other = await AddAsync(server);
        Assert.Equal(DeviceAuth.Ok, server.Presence.Authenticate(other.Uuid, other.Key, out var slot));
        for (var i = 0; i < 6; i++)
            server.Presence.SeenFrom(slot, System.Net.IPAddress.Parse(i % 2 == 0 ? "192.0.2.1" : "192.0.2.2"));
        Assert.Contains("by turns", server.Presence.Evidence(slot)!.Twin!.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_old_supervisors_wish_to_run_a_foreign_release_is_passed_over()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await AddAsync(server);
        Task<Answer> WishAsync(JsonObject local) =>
            server.Server.SendAsync("PATCH", $"/device/v2/{device.Uuid}/state", device.Key, new JsonObject { ["local"] = local });
        var answer = await WishAsync(new() { ["should_be_running__release"] = 999_999, ["name"] = "renamed", ["status"] = "Idle" });
        Assert.Equal(200, answer.Status);
        Assert.Contains("999999", answer.Sentence, StringComparison.Ordinal);
        Assert.Equal("renamed", await server.Fixture.ReadAsync("SELECT name FROM device WHERE id = @p0", device.Id));
        Assert.Equal("Idle", await server.Fixture.ReadAsync("SELECT status FROM device WHERE id = @p0", device.Id));
        Assert.Equal(401, (await WishAsync(new() { ["should_be_running__release"] = 999_999 })).Status);
    }

    private static async Task<FixtureDevice> AddAsync(ServerWithFleet server)
    {
        // The fixture writes past the server: what it wrote is told here.
        await server.Presence.ChangedAsync(new InputChange("fixture") { Fleets = [server.Fleet.Id] });
        var device = await server.AddDeviceAsync();
        await server.PollAsync(device);
        return device;
    }

    private static Task RebuildAsync(ServerWithFleet server, string commit, string status) => server.Fixture.DoAsync(
        "INSERT INTO release (fleet_id, \"commit\", composition, status, start_timestamp, update_timestamp, created_at, modified_at) VALUES (@p0, @p1, '{}', @p2, 0, 0, 0, 0)", server.Fleet.Id, commit, status);

    private static async Task<string> ImageAsync(ServerWithFleet server, FixtureRelease release) => (string)(await server.Fixture.ReadAsync("SELECT location FROM image WHERE id = @p0", release.Images[0]))!;

    private static async Task<JsonObject> RunsAsync(ServerWithFleet server, FixtureRelease release) =>
        Apps(server.Fleet, release.Commit, (release.Commit, "done", await ImageAsync(server, release), "Running", null));

    private static JsonObject Apps(FixtureFleet fleet, string? running, params (string Commit, string? Update, string Image, string Status, int? Progress)[] releases)
    {
        var app = new JsonObject { ["releases"] = new JsonObject() };
        if (running is not null)
            app["release_uuid"] = running;
        foreach (var release in releases)
        {
            var service = new JsonObject { ["image"] = release.Image, ["status"] = release.Status };
            if (release.Progress is { } percent)
                service["download_progress"] = percent;
            var told = new JsonObject { ["services"] = new JsonObject { ["main"] = service } };
            if (release.Update is not null)
                told["update_status"] = release.Update;
            app["releases"]![release.Commit] = told;
        }

        return new() { ["apps"] = new JsonObject { [fleet.Uuid] = app } };
    }

    private static Task<Answer> ReportAsync(ServerWithFleet server, FixtureDevice device, JsonObject fields) =>
        server.Server.SendAsync("PATCH", "/device/v3/state", device.Key, new JsonObject { [device.Uuid] = fields.DeepClone() });

    private static Task<long?> RunningAsync(ServerWithFleet server, FixtureDevice device) => NumberAsync(server, "SELECT running_release_id FROM device WHERE id = @p0", device.Id);

    private static async Task<long?> NumberAsync(ServerWithFleet server, string sql, long id) =>
        await server.Fixture.ReadAsync(sql, id) is { } value ? Convert.ToInt64(value, CultureInfo.InvariantCulture) : null;

    private static async Task<(string? Overall, string? Update)> StatusAsync(ServerWithFleet server, FixtureDevice device)
    {
        var row = (await server.GetAsync($"/v7/device({device.Id})?$select=overall_status,update_status", server.Admin)).Rows[0]!;
        return ((string?)row["overall_status"], (string?)row["update_status"]);
    }
}
