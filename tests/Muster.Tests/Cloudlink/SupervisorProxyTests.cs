using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink;

/// <summary>Calls to supervisors, as recorded (recordings/supervisor-proxy.json).</summary>
public sealed class SupervisorProxyTests
{
    [Theory]
    [InlineData("""{}""", 400, "\"At least one filter must be specified\"")]
    [InlineData("""{"deviceId":"abc"}""", 400, "\"Device ID must be a valid integer if specified\"")]
    [InlineData("""{"appId":1.5}""", 400, "\"App ID must be a valid integer if specified\"")]
    [InlineData("""{"uuid":7}""", 400, "\"UUID must be a valid string if specified\"")]
    [InlineData("""{"uuid":"b0055ea600a49135200a91074580da71","method":"TRACE"}""", 400, "")]
    [InlineData("""{"uuid":"b0055ea600a49135200a91074580da71","method":"GET"}""", 404, "\"No online device(s) found\"")]
    public async Task Nobody_to_call_is_answered_as_clients_know_it(string body, int status, string text)
    {
        await using var server = await ServerWithFleet.StartAsync();
        var answer = await server.PostAsync("/supervisor/ping", server.Admin, JsonNode.Parse(body));
        Assert.Equal((status, text), (answer.Status, answer.Text));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_call_goes_through_the_tunnel_and_its_answer_comes_back(string kind)
    {
        var calls = new ConcurrentQueue<SupervisorCall>();
        using var tunnel = new TunnelServer(call =>
        {
            calls.Enqueue(call);
            return TunnelServer.Http(202, "application/json", """{"Data":"OK","Error":""}""");
        });
        await using var server = await ServerWithFleet.StartAsync(tunnel, kind);
        var device = await server.AddConnectedDeviceAsync();

        var answer = await server.PostAsync("/supervisor/v1/reboot", server.Admin, new JsonObject { ["deviceId"] = device.Id, ["data"] = new JsonObject { ["force"] = true } });
        Assert.Equal((202, """{"Data":"OK","Error":""}"""), (answer.Status, answer.Text));
        Assert.Equal(new($"{device.Uuid}.balena:48484", "POST", "/v1/reboot?apikey=supsecret", """{"force":true}"""), Assert.Single(calls));

        await server.PostAsync("/supervisor//ping", server.Admin, new JsonObject { ["uuid"] = device.Uuid, ["method"] = "GET" });
        Assert.Equal(("GET", "/ping?apikey=supsecret", ""), (calls.Last().Method, calls.Last().Url, calls.Last().Body));
    }

    [Theory]
    [InlineData(200, "text/plain", "OK", 200, "OK")]
    [InlineData(423, "application/json", """{"Data":"","Error":"Updates are locked"}""", 423, """{"Data":"","Error":"Updates are locked"}""")]
    [InlineData(204, null, "", 204, "")]
    [InlineData(200, "application/octet-stream", "OK", 500, """{"error":"Bad API response from supervisor"}""")]
    [InlineData(200, "application/json", "{", 500, """{"error":"Bad API response from supervisor"}""")]
    [InlineData(200, "text/html", "<script>", 500, """{"error":"Bad API response from supervisor"}""")]
    public async Task Only_harmless_answers_of_a_device_pass(int status, string? type, string body, int expectedStatus, string expected)
    {
        using var tunnel = new TunnelServer(_ => TunnelServer.Http(status, type, body));
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddConnectedDeviceAsync();
        var answer = await server.PostAsync("/supervisor/v1/blink", server.Admin, new JsonObject { ["uuid"] = device.Uuid });
        Assert.Equal((expectedStatus, expected), (answer.Status, answer.Text));
    }

    [Fact]
    public async Task A_fleet_call_reaches_every_connected_device_of_the_fleet()
    {
        using var tunnel = new TunnelServer(call => TunnelServer.Http(200, "text/plain", call.Target));
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var (one, other) = (await server.AddConnectedDeviceAsync(), await server.AddConnectedDeviceAsync());
        await server.AddDeviceAsync();
        var answer = await server.PostAsync("/supervisor/v1/reboot", server.Admin, new JsonObject { ["appId"] = server.Fleet.Id });
        Assert.Equal(207, answer.Status);
        Assert.Equal([$"{one.Uuid}.balena:48484", $"{other.Uuid}.balena:48484"], answer.Json.AsArray().Select(a => (string)a!["body"]!));
        Assert.All(answer.Json.AsArray(), a => Assert.Equal(200, (int)a!["statusCode"]!));
    }

    [Fact]
    public async Task A_tunnel_that_is_closed_at_its_other_end_is_said_so()
    {
        using var tunnel = new TunnelServer(_ => throw new InvalidOperationException()) { ConnectAnswer = "HTTP/1.1 503 Service Unavailable\r\n\r\n" };
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddConnectedDeviceAsync();
        var answer = await server.PostAsync("/supervisor/v1/blink", server.Admin, new JsonObject { ["uuid"] = device.Uuid });
        Assert.Equal((502, "The device could not be reached through its tunnel."), (answer.Status, answer.Text));
    }

    [Fact]
    public async Task Who_may_act_is_an_operator_or_the_device_itself()
    {
        using var tunnel = new TunnelServer(_ => TunnelServer.Http(200, "text/plain", "OK"));
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var (device, other) = (await server.AddConnectedDeviceAsync(), await server.AddConnectedDeviceAsync());
        var elsewhere = await server.LogInAsAsync(Role.Administrator, await server.Fixture.AddFleetAsync());
        async Task<int> Blink(string? token) => (await server.PostAsync("/supervisor/v1/blink", token, new JsonObject { ["uuid"] = device.Uuid })).Status;

        Assert.Equal(401, await Blink(null));
        Assert.Equal(401, await Blink(await server.LogInAsAsync(Role.Observer)));
        Assert.Equal(200, await Blink(await server.LogInAsAsync(Role.Operator)));
        Assert.Equal(404, await Blink(elsewhere));
        Assert.Equal(200, await Blink(device.Key));
        Assert.Equal(404, await Blink(other.Key));
        Assert.Equal(404, (await server.GetAsync("/supervisor/ping", server.Admin)).Status);
    }

    [Fact]
    public async Task Every_action_is_on_record_with_the_devices_own_outcome_and_questions_are_not()
    {
        using var tunnel = new TunnelServer(call => call.Url.Contains("purge", StringComparison.Ordinal) ? TunnelServer.Http(423, "application/json", """{"Error":"Updates are locked"}""") : TunnelServer.Http(200, "text/plain", "OK"));
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var (device, other) = (await server.AddConnectedDeviceAsync(), await server.AddConnectedDeviceAsync());
        var observer = await server.LogInAsAsync(Role.Observer);
        async Task Ask(string path, string token, JsonObject body) => await server.PostAsync(path, token, body);
        await Ask("/supervisor/ping", server.Admin, new() { ["uuid"] = device.Uuid, ["method"] = "GET" });
        await Ask("/supervisor/v1/purge", server.Admin, new() { ["uuid"] = device.Uuid });
        await Ask($"/supervisor/v2/applications/{server.Fleet.Id}/stop-service", server.Admin, new() { ["uuid"] = device.Uuid, ["data"] = new JsonObject { ["serviceName"] = "main", ["secret"] = "x" } });
        await Ask("/supervisor/v1/blink", observer, new() { ["uuid"] = device.Uuid });
        await Ask("/supervisor/v1/reboot", observer, new() { ["appId"] = server.Fleet.Id });
        await server.PostAsync($"/application/{server.Fleet.Id}/restart", server.Admin, null);

        var audit = (await server.GetAsync("/muster/v1/audit", server.Admin)).Json["entries"]!.AsArray().Reverse().Select(e => $"{e!["who"]} {e["what"]} {e["device_uuid"]} {e["detail"]} {e["outcome"]}").ToList();
        var nobody = audit[2].Split(' ')[0];
        Assert.Equal(
            [
                $"admin action.purge {device.Uuid} POST /v1/purge refused by the device (423)",
                $"admin action.stop-service {device.Uuid} POST /v2/applications/{server.Fleet.Id}/stop-service serviceName=main done (200)",
                $"{nobody} action.blink {device.Uuid} POST /v1/blink refused",
                $"{nobody} action.reboot  2 devices: POST /v1/reboot refused",
                $"admin action.restart {device.Uuid} POST /v1/restart done (200)",
                $"admin action.restart {other.Uuid} POST /v1/restart done (200)",
            ],
            audit);
    }

    [Fact]
    public async Task What_cannot_be_put_on_record_is_not_done()
    {
        using var tunnel = new TunnelServer(_ => throw new InvalidOperationException("The device was asked."));
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddConnectedDeviceAsync();
        await using var blocker = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={Path.Combine(server.Server.DataDirectory, "muster.db")};Pooling=false");
        blocker.Open();
        await using var transaction = blocker.BeginTransaction(deferred: false);
        Assert.Equal(503, (await server.PostAsync("/supervisor/v1/blink", server.Admin, new JsonObject { ["uuid"] = device.Uuid })).Status);
        await transaction.RollbackAsync();
    }
}
