using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Actions;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink;

/// <summary>Actions that wait for their device: durable, in order, once, and no longer than they may.</summary>
public sealed class ActionQueueTests
{
    private readonly ConcurrentQueue<string> calls = new();

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task An_action_for_a_device_that_is_away_is_done_once_when_it_is_back_and_its_result_kept(string kind)
    {
        using var tunnel = Tunnel();
        await using var server = await ServerWithFleet.StartAsync(tunnel, kind);
        var device = await server.AddDeviceAsync();
        var operatorsToken = await server.LogInAsAsync(Role.Operator);

        var answer = await QueueAsync(server, operatorsToken, "/supervisor/v1/reboot?muster_queue=true", new() { ["uuid"] = device.Uuid, ["data"] = new JsonObject { ["force"] = true } });
        Assert.Equal(202, answer.Status);
        var id = (long)answer.Json["muster_action_id"]!;
        var expires = DateTimeOffset.Parse((string)answer.Json["expires_at"]!, System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange(expires, DateTimeOffset.UtcNow.AddHours(23.9), DateTimeOffset.UtcNow.AddHours(24));
        Assert.Equal("queued", (string)(await ActionAsync(server, id))["state"]!);

        await ConnectAsync(server, device);
        await StateAsync(server, id, "done");
        var done = await ActionAsync(server, id);
        Assert.Equal(("POST", "/v1/reboot", 202, """{"Data":"OK","Error":""}"""), ((string)done["method"]!, (string)done["path"]!, (int)done["result_status"]!, (string)done["result_body"]!));
        Assert.NotNull(done["begun_at"]);
        Assert.NotNull(done["ended_at"]);

        await ConnectAsync(server, device, connected: false);
        await ConnectAsync(server, device);
        await server.Server.Services.GetRequiredService<QueuedActions>().TidyAsync(CancellationToken.None);
        Assert.Equal("""/v1/reboot {"force":true}""", Assert.Single(calls));

        var audit = (await server.GetAsync($"/muster/v1/audit?device={device.Uuid}", server.Admin)).Json["entries"]!.AsArray();
        Assert.Equal([("action.reboot", "done (202)"), ("action.queue", $"queued as {id}")], audit.Select(e => ((string)e!["what"]!, (string)e["outcome"]!)));
        Assert.All(audit, e => Assert.Equal(("127.0.0.1", (string)audit[0]!["who"]!), ((string)e!["from"]!, (string)e["who"]!)));
        Assert.Equal($"queued action {id}: POST /v1/reboot force=True", (string)audit[0]!["detail"]!);
    }

    [Fact]
    public async Task A_connected_device_is_asked_at_once_and_its_answer_passed_on()
    {
        using var tunnel = Tunnel();
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddConnectedDeviceAsync();
        var answer = await QueueAsync(server, server.Admin, "/supervisor/v1/reboot", new() { ["deviceId"] = device.Id, ["muster_queue"] = true });
        Assert.Equal((202, """{"Data":"OK","Error":""}"""), (answer.Status, answer.Text));
        Assert.Equal("done", (string)Assert.Single(await ActionsAsync(server))!["state"]!);
        Assert.Single(calls);
    }

    [Fact]
    public async Task Of_several_devices_those_that_are_connected_answer_and_the_others_action_waits()
    {
        using var tunnel = Tunnel();
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var (here, away) = (await server.AddConnectedDeviceAsync(), await server.AddDeviceAsync());
        var answer = await QueueAsync(server, server.Admin, "/supervisor/v1/blink?muster_queue=true", new() { ["appId"] = server.Fleet.Id });
        Assert.Equal(207, answer.Status);
        Assert.Equal([(here.Uuid, 202, null), (away.Uuid, 202, "queued")], answer.Json.AsArray().Select(a => ((string)a!["uuid"]!, (int)a["statusCode"]!, (string?)a["state"])));
        Assert.Equal("""{"Data":"OK","Error":""}""", (string)answer.Json[0]!["body"]!);
    }

    [Fact]
    public async Task Several_actions_of_a_device_are_done_in_their_order_one_after_another()
    {
        var under = 0;
        using var tunnel = TunnelServer.Slow(async call =>
        {
            Assert.Equal(1, Interlocked.Increment(ref under));
            calls.Enqueue(call.Url);
            await Task.Delay(20);
            Interlocked.Decrement(ref under);
            return TunnelServer.Http(200, "text/plain", "OK");
        });
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddDeviceAsync();
        var ids = new List<long>();
        foreach (var path in new[] { "blink", "purge", "restart", "reboot" })
            ids.Add(await QueuedAsync(server, server.Admin, $"/supervisor/v1/{path}?muster_queue=true", device));
        await ConnectAsync(server, device);
        await StateAsync(server, ids[^1], "done");
        Assert.Equal(["/v1/blink", "/v1/purge", "/v1/restart", "/v1/reboot"], calls.Select(c => c.Split('?')[0]));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task What_is_cancelled_or_expired_is_not_done(string kind)
    {
        using var tunnel = Tunnel();
        await using var server = await ServerWithFleet.StartAsync(tunnel, kind);
        var device = await server.AddDeviceAsync();
        var cancelled = await QueuedAsync(server, server.Admin, "/supervisor/v1/blink?muster_queue=true", device);
        var expired = await QueuedAsync(server, server.Admin, "/supervisor/v1/purge?muster_queue=true&muster_expires_in=3600", device);
        var last = await QueuedAsync(server, server.Admin, "/supervisor/v1/restart?muster_queue=true", device);

        Assert.Equal(401, (await server.Server.SendAsync("DELETE", $"/muster/v1/actions/{cancelled}", await server.LogInAsAsync(Role.Observer))).Status);
        Assert.Equal(204, (await server.Server.SendAsync("DELETE", $"/muster/v1/actions/{cancelled}", server.Admin)).Status);
        Assert.Equal(409, (await server.Server.SendAsync("DELETE", $"/muster/v1/actions/{cancelled}", server.Admin)).Status);
        await server.Fixture.DoAsync("UPDATE queued_action SET expires_at = 1 WHERE id = @p0", expired);
        Assert.Equal("expired", (string)(await ActionAsync(server, expired))["state"]!);
        Assert.Equal([expired], (await ActionsAsync(server, "?state=expired")).Select(a => (long)a!["id"]!));
        Assert.Equal([last], (await ActionsAsync(server, "?state=queued")).Select(a => (long)a!["id"]!));

        await ConnectAsync(server, device);
        await StateAsync(server, last, "done");
        Assert.Equal(["/v1/restart"], calls.Select(c => c.Split('?')[0]));
        Assert.Equal(["done", "expired", "cancelled"], (await ActionsAsync(server, $"?device={device.Uuid}")).Select(a => (string)a!["state"]!));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Of_what_a_process_that_died_had_begun_nobody_knows_the_end_and_nobody_tries_again(string kind)
    {
        using var tunnel = Tunnel();
        await using var server = await ServerWithFleet.StartAsync(tunnel, kind);
        var device = await server.AddDeviceAsync();
        var begun = await QueuedAsync(server, server.Admin, "/supervisor/v1/shutdown?muster_queue=true", device);
        var next = await QueuedAsync(server, server.Admin, "/supervisor/v1/blink?muster_queue=true", device);
        await server.Fixture.DoAsync("UPDATE queued_action SET state = 'running', begun_at = 1, node = '1', life = 'of the dead' WHERE id = @p0", begun);
        await ConnectAsync(server, device);
        await StateAsync(server, next, "done");
        Assert.Equal("unknown", (string)(await ActionAsync(server, begun))["state"]!);
        Assert.Contains("may have done it", (string)(await ActionAsync(server, begun))["sentence"]!, StringComparison.Ordinal);
        Assert.Equal(["/v1/blink"], calls.Select(c => c.Split('?')[0]));
    }

    [Fact]
    public async Task An_action_is_claimed_by_one_only()
    {
        await using var server = await ServerWithFleet.StartAsync(TestDatabases.Postgres);
        var device = await server.AddDeviceAsync();
        await QueuedAsync(server, server.Admin, "/supervisor/v1/blink?muster_queue=true", device);
        await QueuedAsync(server, server.Admin, "/supervisor/v1/blink?muster_queue=true", device);
        var actions = server.Server.Services.GetRequiredService<QueuedActions>();
        var claims = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() => actions.ClaimAsync(device.Id, CancellationToken.None))));
        Assert.Single(claims, claim => claim is not null);
    }

    [Fact]
    public async Task Who_has_lost_the_role_meanwhile_has_nothing_done()
    {
        using var tunnel = Tunnel();
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddDeviceAsync();
        var id = await QueuedAsync(server, await server.LogInAsAsync(Role.Operator), "/supervisor/v1/purge?muster_queue=true", device);
        await server.Fixture.DoAsync("UPDATE organization_membership SET role = 'observer' WHERE role = 'operator'");
        await ConnectAsync(server, device);
        await StateAsync(server, id, "failed");
        Assert.Equal("Who queued it may not do it any more; the device was not asked.", (string)(await ActionAsync(server, id))["sentence"]!);
        Assert.Empty(calls);
        var refused = (await server.GetAsync("/muster/v1/audit?what=action.purge", server.Admin)).Json["entries"]!.AsArray();
        Assert.Equal("refused", (string)Assert.Single(refused)!["outcome"]!);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task The_same_request_again_is_the_same_action(string kind)
    {
        using var tunnel = Tunnel();
        await using var server = await ServerWithFleet.StartAsync(tunnel, kind);
        var device = await server.AddDeviceAsync();
        async Task<Answer> Ask(string path) => await QueueAsync(server, server.Admin, path, new() { ["uuid"] = device.Uuid }, key: "once");
        var first = await Ask("/supervisor/v1/reboot?muster_queue=true");
        var again = await Ask("/supervisor/v1/reboot?muster_queue=true");
        Assert.Equal((long)first.Json["muster_action_id"]!, (long)again.Json["muster_action_id"]!);
        var other = await Ask("/supervisor/v1/purge?muster_queue=true");
        Assert.Equal((409, "The Idempotency-Key was used before, for another action."), (other.Status, other.Sentence));
        await ConnectAsync(server, device);
        await StateAsync(server, (long)first.Json["muster_action_id"]!, "done");
        Assert.Equal((202, """{"Data":"OK","Error":""}"""), await Ask("/supervisor/v1/reboot?muster_queue=true") is var late ? (late.Status, late.Text) : default);
        Assert.Single(calls);
    }

    [Fact]
    public async Task What_is_frozen_or_gone_takes_nothing()
    {
        using var tunnel = Tunnel();
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var (frozen, gone) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        var onFrozen = await QueuedAsync(server, server.Admin, "/supervisor/v1/blink?muster_queue=true", frozen);
        var onGone = await QueuedAsync(server, server.Admin, "/supervisor/v1/blink?muster_queue=true", gone);
        await server.Fixture.DoAsync("UPDATE device SET is_frozen = 1 WHERE id = @p0", frozen.Id);
        Assert.Equal(200, (await server.Server.SendAsync("DELETE", $"/v7/device({gone.Id})", server.Admin)).Status);
        await StateAsync(server, onFrozen, "failed");
        await StateAsync(server, onGone, "failed");
        Assert.Equal("The device is frozen and takes no actions.", (string)(await ActionAsync(server, onFrozen))["sentence"]!);
        Assert.Equal("The device was deleted.", (string)(await ActionAsync(server, onGone))["sentence"]!);
        Assert.Equal(404, (await QueueAsync(server, server.Admin, "/supervisor/v1/blink?muster_queue=true", new() { ["deviceId"] = frozen.Id })).Status);
    }

    [Fact]
    public async Task Nothing_that_reached_the_device_is_lost_or_done_twice_when_the_tunnel_is_broken()
    {
        using var tunnel = Tunnel();
        tunnel.ConnectAnswer = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddConnectedDeviceAsync();
        var answer = await QueueAsync(server, server.Admin, "/supervisor/v1/reboot?muster_queue=true", new() { ["uuid"] = device.Uuid });
        Assert.Equal((202, "queued"), (answer.Status, (string)answer.Json["state"]!));
        Assert.Equal(["action.queue"], (await server.GetAsync("/muster/v1/audit", server.Admin)).Json["entries"]!.AsArray().Select(e => (string)e!["what"]!));
        tunnel.ConnectAnswer = "HTTP/1.1 200 OK\r\n\r\n";
        await ConnectAsync(server, device, connected: false);
        await ConnectAsync(server, device);
        await StateAsync(server, (long)answer.Json["muster_action_id"]!, "done");
        Assert.Single(calls);
    }

    [Fact]
    public async Task A_device_that_breaks_off_in_the_middle_may_have_done_it()
    {
        using var tunnel = new TunnelServer(_ => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddDeviceAsync();
        var id = await QueuedAsync(server, server.Admin, "/supervisor/v1/reboot?muster_queue=true", device);
        await ConnectAsync(server, device);
        await StateAsync(server, id, "unknown");
    }

    [Theory]
    [InlineData("muster_queue=yes", 400, "muster_queue must be true or false")]
    [InlineData("muster_queue=true&muster_expires_in=0", 400, "muster_expires_in must be a number of seconds from 1 to 2592000")]
    [InlineData("muster_queue=true&muster_expires_in=soon", 400, "muster_expires_in must be a number of seconds from 1 to 2592000")]
    public async Task What_makes_no_sense_is_refused_in_words(string query, int status, string sentence)
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        var answer = await QueueAsync(server, server.Admin, $"/supervisor/v1/blink?{query}", new() { ["uuid"] = device.Uuid });
        Assert.Equal((status, sentence), (answer.Status, answer.Sentence));
    }

    [Fact]
    public async Task A_queue_has_an_end()
    {
        await using var server = await ServerWithFleet.StartAsync(configure: builder =>
        {
            builder.Configuration["Cloudlink:QueuedPerDevice"] = "2";
            builder.Configuration["Cloudlink:QueuedActions"] = "3";
        });
        var (one, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        const string path = "/supervisor/v1/blink?muster_queue=true";
        await QueuedAsync(server, server.Admin, path, one);
        await QueuedAsync(server, server.Admin, path, one);
        var full = await QueueAsync(server, server.Admin, path, new() { ["uuid"] = one.Uuid });
        Assert.Equal((429, $"2 actions wait for device {one.Uuid}; cancel some, or wait."), (full.Status, full.Sentence));
        await QueuedAsync(server, server.Admin, path, other);
        Assert.Equal(429, (await QueueAsync(server, server.Admin, path, new() { ["uuid"] = other.Uuid })).Status);
        Assert.Equal(3, (await ActionsAsync(server)).Count);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Its_end_holds_for_those_who_queue_at_once(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind, builder =>
        {
            builder.Configuration["Cloudlink:QueuedPerDevice"] = "2";
            builder.Configuration["Cloudlink:QueuedActions"] = "3";
        });
        FixtureDevice[] devices = [await server.AddDeviceAsync(), await server.AddDeviceAsync(), await server.AddDeviceAsync()];
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(i =>
            QueueAsync(server, server.Admin, "/supervisor/v1/blink?muster_queue=true", new() { ["uuid"] = devices[i % 3].Uuid })));
        Assert.Equal(9, answers.Count(a => a.Status == 429));
        var queued = await ActionsAsync(server);
        Assert.Equal(3, queued.Count);
        Assert.All(queued.CountBy(a => (string)a!["device_uuid"]!), d => Assert.InRange(d.Value, 1, 2));
    }

    [Fact]
    public async Task Only_those_who_may_act_queue_and_only_those_who_see_the_device_read_of_it()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        const string path = "/supervisor/v1/blink?muster_queue=true";
        var body = new JsonObject { ["uuid"] = device.Uuid };
        var elsewhere = await server.LogInAsAsync(Role.Administrator, await server.Fixture.AddFleetAsync());
        Assert.Equal(401, (await QueueAsync(server, await server.LogInAsAsync(Role.Observer), path, (JsonObject)body.DeepClone())).Status);
        Assert.Equal(404, (await QueueAsync(server, elsewhere, path, (JsonObject)body.DeepClone())).Status);
        Assert.Equal(400, (await QueueAsync(server, device.Key, path, (JsonObject)body.DeepClone())).Status);
        var id = await QueuedAsync(server, server.Admin, path, device);
        Assert.Equal(404, (await server.GetAsync($"/muster/v1/actions/{id}", elsewhere)).Status);
        Assert.Empty((await server.GetAsync("/muster/v1/actions", elsewhere)).Json["actions"]!.AsArray());
        Assert.Equal(200, (await server.GetAsync($"/muster/v1/actions/{id}", await server.LogInAsAsync(Role.Observer))).Status);
        Assert.Equal(401, (await server.GetAsync("/muster/v1/actions", device.Key)).Status);
    }

    [Fact]
    public async Task What_ended_long_ago_is_forgotten()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        var (old, recent) = (await QueuedAsync(server, server.Admin, "/supervisor/v1/blink?muster_queue=true", device), await QueuedAsync(server, server.Admin, "/supervisor/v1/blink?muster_queue=true", device));
        foreach (var id in new[] { old, recent })
            await server.Server.SendAsync("DELETE", $"/muster/v1/actions/{id}", server.Admin);
        await server.Fixture.DoAsync("UPDATE queued_action SET ended_at = 1 WHERE id = @p0", old);
        await server.Server.Services.GetRequiredService<QueuedActions>().PruneAsync(CancellationToken.None);
        Assert.Equal([recent], (await ActionsAsync(server)).Select(a => (long)a!["id"]!));
    }

    private TunnelServer Tunnel() => new(call =>
    {
        calls.Enqueue($"{call.Url} {call.Body}".Trim());
        return TunnelServer.Http(202, "application/json", """{"Data":"OK","Error":""}""");
    });

    private static async Task ConnectAsync(ServerWithFleet server, FixtureDevice device, bool connected = true)
    {
        var instance = await server.Fixture.ReadAsync("SELECT service_instance_id FROM device WHERE id = @p0", device.Id) as long? ?? await server.Fixture.AddServiceInstanceAsync();
        await server.Presence.CloudlinkAsync(instance, [device.Uuid], connected, epoch: 0, CancellationToken.None);
    }

    private static async Task<Answer> QueueAsync(ServerWithFleet server, string token, string path, JsonObject body, string? key = null)
    {
        using var content = new StringContent(body.ToJsonString(), Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        if (key is not null)
            return await server.Server.SendAsync("POST", path, token, content, ("Idempotency-Key", key));
        return await server.Server.SendAsync("POST", path, token, content);
    }

    private static async Task<long> QueuedAsync(ServerWithFleet server, string token, string path, FixtureDevice device)
    {
        var answer = await QueueAsync(server, token, path, new() { ["uuid"] = device.Uuid });
        Assert.Equal((202, "queued"), (answer.Status, (string?)answer.Json["state"]));
        return (long)answer.Json["muster_action_id"]!;
    }

    private static async Task<JsonNode> ActionAsync(ServerWithFleet server, long id) => (await server.GetAsync($"/muster/v1/actions/{id}", server.Admin)).Json;

    private static async Task<JsonArray> ActionsAsync(ServerWithFleet server, string query = "") => (await server.GetAsync($"/muster/v1/actions{query}", server.Admin)).Json["actions"]!.AsArray();

    private static Task StateAsync(ServerWithFleet server, long id, string state) => Eventually.HoldsAsync(async () => (string)(await ActionAsync(server, id))["state"]! == state);
}
