using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Diagnostics;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink;

/// <summary>Health checks and diagnostics: asked over the tunnel, kept, and on record.</summary>
public sealed class ExaminationTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_device_without_heartbeat_is_examined_over_its_cloudlink_and_the_result_kept(string kind)
    {
        using var tunnel = Supervisor();
        await using var server = await ServerWithFleet.StartAsync(tunnel, kind);
        var device = await server.AddConnectedDeviceAsync();
        var observer = await server.LogInAsAsync(Role.Observer);
        var run = await server.PostAsync($"/muster/v1/devices/{device.Uuid}/health-checks", observer, null);
        Assert.Equal(200, run.Status);
        var levels = run.Json["checks"]!.AsArray().ToDictionary(c => (string)c!["name"]!, c => (string)c!["level"]!);
        Assert.Equal(("ok", "ok", "ok", "ok", "ok", "unknown"), (levels["tunnel"], levels["supervisor-health"], levels["release-state"], levels["services"], levels["cloudlink"], levels["heartbeat"]));
        Assert.Equal("fail", levels["device-clock"]);
        Assert.Equal("fail", (string)run.Json["level"]!);

        var kept = (await server.GetAsync($"/muster/v1/devices/{device.Uuid}/health-checks", observer)).Json["health_checks"]!.AsArray();
        Assert.True(JsonNode.DeepEquals(Assert.Single(kept), run.Json));
        var one = await server.GetAsync($"/muster/v1/devices/{device.Uuid}/health-checks/{run.Json["id"]}", observer);
        Assert.True(JsonNode.DeepEquals(one.Json, run.Json));
        var audit = Assert.Single((await server.GetAsync($"/muster/v1/audit?device={device.Uuid}", server.Admin)).Json["entries"]!.AsArray())!;
        Assert.Equal(("health-check.run", "fail", (string)run.Json["who"]!), ((string)audit["what"]!, (string)audit["outcome"]!, (string)audit["who"]!));
    }

    [Fact]
    public async Task A_device_that_is_away_is_judged_by_the_record_alone()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        await server.PollAsync(device);
        var run = (await server.PostAsync($"/muster/v1/devices/{device.Uuid}/health-checks", server.Admin, null)).Json;
        var checks = run["checks"]!.AsArray().ToDictionary(c => (string)c!["name"]!, c => c!);
        Assert.Equal(("unknown", "Not asked: the cloudlink is down."), ((string)checks["tunnel"]["level"]!, (string)checks["tunnel"]["sentence"]!));
        Assert.Equal("ok", (string)checks["heartbeat"]["level"]!);
    }

    [Fact]
    public async Task A_device_is_examined_once_at_a_time()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var tunnel = TunnelServer.Slow(async _ =>
        {
            asked.TrySetResult();
            await go.Task;
            return TunnelServer.Http(200, "text/plain", "OK");
        });
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddConnectedDeviceAsync();
        var path = $"/muster/v1/devices/{device.Uuid}/health-checks";
        var first = server.PostAsync(path, server.Admin, null);
        await asked.Task;
        var second = await server.PostAsync(path, server.Admin, null);
        Assert.Equal((409, "The device is being examined; its result follows in a moment."), (second.Status, second.Sentence));
        go.SetResult();
        Assert.Equal(200, (await first).Status);
        Assert.Equal(200, (await server.PostAsync(path, server.Admin, null)).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Diagnostics_are_one_file_of_the_devices_words_its_journal_and_musters_evidence(string kind)
    {
        var asked = new ConcurrentQueue<string>();
        using var tunnel = Supervisor(asked);
        await using var server = await ServerWithFleet.StartAsync(tunnel, kind);
        var device = await server.AddConnectedDeviceAsync();
        await server.PollAsync(device);
        var path = $"/muster/v1/devices/{device.Uuid}/diagnostics";
        var made = await server.PostAsync(path, await server.LogInAsAsync(Role.Operator), null);
        Assert.Equal(201, made.Status);
        Assert.Contains("/v2/journal-logs", asked);

        var file = await server.GetAsync($"{path}/{made.Json["id"]}", server.Admin);
        Assert.Equal((200, "application/json"), (file.Status, file.ContentType));
        Assert.Equal((long)made.Json["size"]!, Encoding.UTF8.GetByteCount(file.Text));
        Assert.Equal("applied", (string)file.Json["supervisor"]!["/v2/state/status"]!["body"]!["appState"]!);
        Assert.Equal("systemd[1]: Started balena.", (string)file.Json["journal"]!["body"]![0]!);
        Assert.Equal("online", (string)file.Json["status"]!["heartbeat"]!["state"]!);
        Assert.Contains(file.Json["transitions"]!.AsArray(), t => (string)t!["fact"]! == "heartbeat");
        Assert.DoesNotContain("supsecret", file.Text, StringComparison.Ordinal);
        Assert.Single((await server.GetAsync(path, server.Admin)).Json["diagnostics"]!.AsArray());
    }

    [Fact]
    public async Task Diagnostics_are_for_those_who_may_act_and_results_for_those_who_see_the_device()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        var observer = await server.LogInAsAsync(Role.Observer);
        var elsewhere = await server.LogInAsAsync(Role.Administrator, await server.Fixture.AddFleetAsync());
        var path = $"/muster/v1/devices/{device.Uuid}";
        Assert.Equal(401, (await server.PostAsync($"{path}/diagnostics", observer, null)).Status);
        Assert.Equal(404, (await server.GetAsync($"{path}/diagnostics", observer)).Status);
        Assert.Equal(401, (await server.PostAsync($"{path}/health-checks", null, null)).Status);
        Assert.Equal(404, (await server.PostAsync($"{path}/health-checks", elsewhere, null)).Status);
        Assert.Equal(404, (await server.GetAsync($"{path}/health-checks/7", observer)).Status);
        Assert.Equal(400, (await server.GetAsync($"{path}/health-checks?limit=1000", observer)).Status);
        var refused = Assert.Single((await server.GetAsync("/muster/v1/audit", server.Admin)).Json["entries"]!.AsArray())!;
        Assert.Equal(("diagnostics.collect", "refused"), ((string)refused["what"]!, (string)refused["outcome"]!));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Of_each_device_the_newest_are_kept_and_nothing_for_ever(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var (device, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        const string old = "INSERT INTO health_check (device_id, at, took, who_kind, who_id, who, level, checks) VALUES (@p0, @p1, 1, 'user', 1, 'me', 'ok', '[]')";
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        for (var i = 0; i < HealthChecks.MostPerDevice + 5; i++)
            await server.Fixture.DoAsync(old, device.Id, now);
        await server.Fixture.DoAsync(old, other.Id, now - (long)TimeSpan.FromDays(91).TotalMilliseconds);
        await server.PostAsync($"/muster/v1/devices/{device.Uuid}/health-checks", server.Admin, null);
        Assert.Equal(HealthChecks.MostPerDevice, await server.Server.ScalarAsync<long>("SELECT count(*) FROM health_check"));
        for (var i = 0; i < DeviceDiagnostics.MostPerDevice + 2; i++)
            Assert.Equal(201, (await server.PostAsync($"/muster/v1/devices/{device.Uuid}/diagnostics", server.Admin, null)).Status);
        Assert.Equal(DeviceDiagnostics.MostPerDevice, await server.Server.ScalarAsync<long>("SELECT count(*) FROM diagnostics"));
    }

    private static TunnelServer Supervisor(ConcurrentQueue<string>? asked = null) => new(call =>
    {
        var path = call.Url.Split('?')[0];
        asked?.Enqueue(path);
        return path switch
        {
            "/ping" => $"HTTP/1.1 200 OK\r\nDate: {DateTimeOffset.UtcNow.AddHours(-2).ToString("R", CultureInfo.InvariantCulture)}\r\nContent-Length: 2\r\n\r\nOK",
            "/v1/healthy" => TunnelServer.Http(200, "text/plain", "OK"),
            "/v2/state/status" => TunnelServer.Http(200, "application/json", """{"appState":"applied","containers":[{"serviceName":"main","status":"Running"}]}"""),
            "/v2/journal-logs" => TunnelServer.Http(200, "text/plain", "systemd[1]: Started balena.\nsystemd[1]: Stopped."),
            _ => TunnelServer.Http(404, "text/plain", "Not Found"),
        };
    });
}
