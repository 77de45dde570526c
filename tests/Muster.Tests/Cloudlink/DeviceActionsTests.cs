using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Actions;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink;

/// <summary>What the pages have devices do, with the calls that the SDK makes.</summary>
public sealed class DeviceActionsTests
{
    public static TheoryData<DeviceAction, bool, string, string> Calls => new()
    {
        { DeviceAction.Reboot, false, "/v1/reboot", """{"force":false}""" },
        { DeviceAction.Reboot, true, "/v1/reboot", """{"force":true}""" },
        { DeviceAction.Shutdown, false, "/v1/shutdown", """{"force":false}""" },
        { DeviceAction.Update, true, "/v1/update", """{"force":true,"cancel":true}""" },
        { DeviceAction.Blink, false, "/v1/blink", "" },
        { DeviceAction.Restart, false, "/v1/restart", """{"appId":FLEET}""" },
        { DeviceAction.Purge, false, "/v1/purge", """{"appId":FLEET}""" },
        { DeviceAction.Purge, true, "/v1/purge", """{"appId":FLEET,"force":true}""" },
        { DeviceAction.StopService, false, "/v2/applications/FLEET/stop-service", """{"appId":FLEET,"imageId":7}""" },
        { DeviceAction.StartService, false, "/v2/applications/FLEET/start-service", """{"appId":FLEET,"imageId":7}""" },
        { DeviceAction.RestartService, true, "/v2/applications/FLEET/restart-service", """{"appId":FLEET,"imageId":7,"force":true}""" },
    };

    [Fact]
    public async Task Each_action_is_the_call_that_clients_make()
    {
        var calls = new ConcurrentQueue<SupervisorCall>();
        using var tunnel = new TunnelServer(call =>
        {
            calls.Enqueue(call);
            return TunnelServer.Http(200, "text/plain", "OK");
        });
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddConnectedDeviceAsync();
        var caller = await CallerAsync(server, server.Admin);
        var fleet = server.Fleet.Id.ToString(CultureInfo.InvariantCulture);
        foreach (var (action, force, path, body) in Calls.Select(row => row.Data))
        {
            var answer = await Actions(server).RunAsync(caller, device.Uuid, action, action.IsOfService() ? 7 : null, force);
            Assert.Equal(DeviceActionOutcome.Done, answer.Outcome);
            Assert.True(calls.TryDequeue(out var call));
            Assert.Equal(
                new SupervisorCall($"{device.Uuid}.balena:48484", "POST", path.Replace("FLEET", fleet, StringComparison.Ordinal) + "?apikey=supsecret", body.Replace("FLEET", fleet, StringComparison.Ordinal)),
                call);
        }

        Assert.Equal(DeviceActionOutcome.Done, (await Actions(server).RunAsync(caller, device.Id.ToString(CultureInfo.InvariantCulture), DeviceAction.Blink)).Outcome);
    }

    [Theory]
    [InlineData(DeviceAction.Reboot, 423, "application/json", """{"Data":"","Error":"Updates are locked"}""", DeviceActionOutcome.Refused, true, "An update lock on the device stands against it: Updates are locked")]
    [InlineData(DeviceAction.StopService, 423, "application/json", """{"status":"failed","message":"Updates are locked"}""", DeviceActionOutcome.Refused, true, "An update lock on the device stands against it: Updates are locked")]
    [InlineData(DeviceAction.Update, 202, null, "", DeviceActionOutcome.Refused, true, "The device ignored it: instant updates are switched off by its configuration.")]
    [InlineData(DeviceAction.Reboot, 202, "application/json", """{"Data":"OK","Error":""}""", DeviceActionOutcome.Done, false, "Reboot: the device took it on.")]
    [InlineData(DeviceAction.Update, 204, null, "", DeviceActionOutcome.Done, false, "Update now: the device took it on.")]
    [InlineData(DeviceAction.Purge, 503, "text/plain", "Service unavailable", DeviceActionOutcome.Refused, false, "The device refused (503): Service unavailable")]
    [InlineData(DeviceAction.Purge, 500, null, "", DeviceActionOutcome.Refused, false, "The device refused (500): it gave no reason.")]
    [InlineData(DeviceAction.Blink, 401, "text/plain", "Unauthorized", DeviceActionOutcome.Refused, false, "The device does not accept the key that it reported; it reports a new one when its supervisor restarts.")]
    public async Task The_devices_own_answer_is_told_in_words(DeviceAction action, int status, string? type, string body, DeviceActionOutcome outcome, bool canForce, string sentence)
    {
        using var tunnel = new TunnelServer(_ => TunnelServer.Http(status, type, body));
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddConnectedDeviceAsync();
        var answer = await Actions(server).RunAsync(await CallerAsync(server, server.Admin), device.Uuid, action, imageId: 7);
        Assert.Equal(new DeviceActionAnswer(outcome, sentence, canForce), answer);
    }

    [Fact]
    public async Task What_was_forced_is_not_offered_to_be_forced()
    {
        using var tunnel = new TunnelServer(_ => TunnelServer.Http(423, "text/plain", "locked"));
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddConnectedDeviceAsync();
        Assert.False((await Actions(server).RunAsync(await CallerAsync(server, server.Admin), device.Uuid, DeviceAction.Reboot, force: true)).CanForce);
    }

    [Fact]
    public async Task A_tunnel_that_is_closed_at_its_other_end_means_unreachable()
    {
        using var tunnel = new TunnelServer(_ => throw new InvalidOperationException()) { ConnectAnswer = "HTTP/1.1 503 Service Unavailable\r\n\r\n" };
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddConnectedDeviceAsync();
        var answer = await Actions(server).RunAsync(await CallerAsync(server, server.Admin), device.Uuid, DeviceAction.Reboot);
        Assert.Equal((DeviceActionOutcome.Unreachable, "The device could not be reached through its tunnel."), (answer.Outcome, answer.Sentence));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_missing_cloudlink_is_told_with_its_time(string kind)
    {
        using var tunnel = new TunnelServer(_ => throw new InvalidOperationException());
        await using var server = await ServerWithFleet.StartAsync(tunnel, kind);
        var (never, lost, frozen) = (await server.AddDeviceAsync(), await server.AddDeviceAsync(), await server.AddConnectedDeviceAsync());
        await server.Fixture.DoAsync("UPDATE device SET cloudlink_changed_at = 1795382493000 WHERE id = @p0", lost.Id);
        await server.Fixture.DoAsync("UPDATE device SET is_frozen = 1 WHERE id = @p0", frozen.Id);
        var caller = await CallerAsync(server, server.Admin);
        Assert.Equal(
            new DeviceActionAnswer(DeviceActionOutcome.NotConnected, "Reboot needs the cloudlink, which was never up."),
            await Actions(server).RunAsync(caller, never.Uuid, DeviceAction.Reboot));
        Assert.Equal(
            new DeviceActionAnswer(DeviceActionOutcome.NotConnected, "Purge needs the cloudlink, which is down since 2026-11-22 21:21:33 UTC.", DownSince: 1795382493000),
            await Actions(server).RunAsync(caller, lost.Uuid, DeviceAction.Purge));
        Assert.Equal("The device is frozen and takes no actions.", (await Actions(server).RunAsync(caller, frozen.Uuid, DeviceAction.Purge)).Sentence);
    }

    [Fact]
    public async Task The_role_decides_as_it_does_for_the_proxy()
    {
        using var tunnel = new TunnelServer(_ => TunnelServer.Http(200, "text/plain", "OK"));
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddConnectedDeviceAsync();
        async Task<DeviceActionOutcome> Blink(string token) => (await Actions(server).RunAsync(await CallerAsync(server, token), device.Uuid, DeviceAction.Blink)).Outcome;
        Assert.Equal(DeviceActionOutcome.Done, await Blink(await server.LogInAsAsync(Role.Operator)));
        Assert.Equal(DeviceActionOutcome.NotAllowed, await Blink(await server.LogInAsAsync(Role.Observer)));
        Assert.Equal(DeviceActionOutcome.NotFound, await Blink(await server.LogInAsAsync(Role.Administrator, await server.Fixture.AddFleetAsync())));
        Assert.Equal(DeviceActionOutcome.NotFound, (await Actions(server).RunAsync(await CallerAsync(server, server.Admin), "b0055ea600a49135200a91074580da71", DeviceAction.Blink)).Outcome);
    }

    private static DeviceActions Actions(ServerWithFleet server) => server.Server.Services.GetRequiredService<DeviceActions>();

    private static async Task<Caller> CallerAsync(ServerWithFleet server, string token) => await server.Server.Callers.OfTokenAsync(token, CancellationToken.None);
}
