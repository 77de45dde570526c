using System.Diagnostics;
using System.Net;

namespace Muster.EndToEnd.Tests.Cloudlink;

/// <summary>Real openvpn clients, set up by what <c>/os/v1/config</c> says, against the real gateway, in network namespaces.</summary>
public sealed class OpenVpnGatewayTests(ITestOutputHelper output)
{
    private const int SupervisorPort = 48484;

    /// <summary>Until what must come has come, on any machine.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    [Theory]
    [InlineData("tcp", "proto tcp")]
    [InlineData("tcp", "comp-lzo")]
    [InlineData("udp", "proto udp")]
    public async Task A_device_that_connects_is_reached_through_its_tunnel(string protocol, string lineOfTheDevice)
    {
        await using var network = await TunnelNetwork.StartGatewayAsync($"--Cloudlink:OpenVpn:Protocol={protocol}");
        var device = await network.AddDeviceAsync();
        Assert.False(await device.IsConnectedAsync());
        await device.ConnectAsync(lineOfTheDevice);
        await device.ServeHttpAsync(SupervisorPort);
        await network.JsonAsync("PATCH", "/device/v3/state", new Dictionary<string, object> { [device.Uuid] = new { api_port = SupervisorPort, api_secret = "s" } }, device.Key);

        using var answer = await network.SendAsync("POST", "/supervisor/v1/blink", new { uuid = device.Uuid });
        Assert.Equal("POST /v1/blink", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_client_that_is_killed_is_down_at_once()
    {
        await using var network = await TunnelNetwork.StartGatewayAsync();
        var device = await network.AddDeviceAsync();
        await device.ConnectAsync();
        var killed = DateTimeOffset.UtcNow;
        device.Client.Kill();
        await device.UntilConnectedAsync(false);
        Said("killed client", (await device.CloudlinkHistoryAsync())[^1].At - killed, atMost: TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task A_link_that_is_cut_silently_is_down_within_the_keepalive_time_and_a_second()
    {
        var keepalive = TimeSpan.FromSeconds(6);
        await using var network = await TunnelNetwork.StartGatewayAsync($"--Cloudlink:OpenVpn:Keepalive={keepalive}");
        var device = await network.AddDeviceAsync();
        for (var round = 0; round < 3; round++)
        {
            if (round == 0)
                await device.ConnectAsync();
            else
                await device.UntilConnectedAsync(true);
            // At another moment between two pings each time.
            await Task.Delay(TimeSpan.FromMilliseconds(700 * round));
            var cut = DateTimeOffset.UtcNow;
            await network.CutAsync(device);
            await device.UntilConnectedAsync(false);
            Said("cut link", (await device.CloudlinkHistoryAsync())[^1].At - cut, atMost: keepalive + TimeSpan.FromSeconds(1));
            await network.MendAsync(device);
        }
    }

    [Theory]
    [InlineData("openvpn killed")]
    [InlineData("Muster stopped")]
    [InlineData("Muster killed")]
    [InlineData("Muster killed while openvpn hung")]
    public async Task When_the_gateway_comes_back_devices_that_return_never_were_away_and_others_are_down(string end)
    {
        await using var network = await TunnelNetwork.StartGatewayAsync("--Cloudlink:ReturnWithin=00:00:25");
        var (returning, absent) = (await network.AddDeviceAsync(), await network.AddDeviceAsync());
        await returning.ConnectAsync();
        await absent.ConnectAsync();

        var hung = await network.OpenVpnIdAsync();
        switch (end)
        {
            case "openvpn killed":
                await network.KillOpenVpnAsync();
                absent.Client.Kill();
                break;
            case "Muster stopped":
                Assert.Equal(0, await network.Server.StopAsync());
                break;
            case "Muster killed":
                await network.Server.KillAsync();
                break;
            default:
                await Shell.RunAsync($"kill -STOP {hung}");
                await network.Server.KillAsync();
                break;
        }

        if (end != "openvpn killed")
        {
            absent.Client.Kill();
            if (end != "Muster killed while openvpn hung")
                await UntilAsync(async () => await network.OpenVpnIdAsync() is null, "openvpn outlives Muster");
            await network.Server.StartAgainAsync();
        }

        await UntilAsync(async () => await network.OpenVpnIdAsync() is { } id && id != hung, "openvpn does not run again");
        await absent.UntilConnectedAsync(false);
        Assert.True(await returning.IsConnectedAsync());
        Assert.Equal(["connected"], (await returning.CloudlinkHistoryAsync()).Select(transition => transition.To));
        Assert.Equal(["connected", "disconnected"], (await absent.CloudlinkHistoryAsync()).Select(transition => transition.To));

        // Not only awaited: reached.
        await returning.ServeHttpAsync(80);
        await UntilAsync(
            async () =>
            {
                using var answer = await network.SendAsync("POST", "/supervisor/v1/blink", new { uuid = returning.Uuid });
                return answer.StatusCode == HttpStatusCode.OK;
            },
            "the device is not reached");
    }

    [Fact]
    public async Task A_device_that_comes_again_from_elsewhere_stays_connected_when_its_older_tunnel_ends_last()
    {
        var keepalive = TimeSpan.FromSeconds(6);
        await using var network = await TunnelNetwork.StartGatewayAsync($"--Cloudlink:OpenVpn:Keepalive={keepalive}");
        var (here, there) = (await network.AddDeviceAsync(), await network.AddDeviceAsync());
        await here.ConnectAsync();
        // Its older tunnel is open still as far as the gateway knows.
        await network.CutAsync(here);
        var (config, authority) = await network.OsConfigAsync(here.Key);
        using var elsewhere = await OpenVpnClient.StartAsync(there.Space, config, authority, here.Uuid, here.Key);
        await UntilAsync(() => Task.FromResult(elsewhere.Output.Contains("Initialization Sequence Completed", StringComparison.Ordinal)), "no second tunnel");
        here.Client.Kill();
        await Task.Delay(keepalive * 2);
        Assert.Equal(["connected"], (await here.CloudlinkHistoryAsync()).Select(transition => transition.To));
        elsewhere.Kill();
        await here.UntilConnectedAsync(false);
    }

    [Fact]
    public async Task A_wrong_key_is_refused_late_and_disturbs_nobody_and_a_revoked_one_ends_its_tunnel()
    {
        var delay = TimeSpan.FromSeconds(3);
        await using var network = await TunnelNetwork.StartGatewayAsync($"--Cloudlink:OpenVpn:DenyDelay={delay}");
        var (device, stranger) = (await network.AddDeviceAsync(), await network.AddDeviceAsync());
        await device.ConnectAsync();
        var (config, authority) = await network.OsConfigAsync(device.Key);
        var began = Stopwatch.GetTimestamp();
        using var pretender = await OpenVpnClient.StartAsync(stranger.Space, config, authority, device.Uuid, stranger.Key);
        await UntilAsync(() => Task.FromResult(pretender.Refusals > 0), "not refused");
        Assert.True(Stopwatch.GetElapsedTime(began) > delay);
        Assert.Equal(["connected"], (await device.CloudlinkHistoryAsync()).Select(transition => transition.To));
        Assert.Empty(await stranger.CloudlinkHistoryAsync());
        Assert.DoesNotContain(stranger.Key, network.Server.Output, StringComparison.Ordinal);

        pretender.Kill();
        await network.JsonAsync("DELETE", $"/v7/api_key?$filter=is_of__actor/any(a:a/is_of__device/any(d:d/uuid eq '{device.Uuid}'))");
        await device.UntilConnectedAsync(false);
        // It comes back by itself, and is not let in.
        await UntilAsync(() => Task.FromResult(device.Client.Refusals > 0), "not refused after its key was revoked");
        Assert.Equal(["connected", "disconnected"], (await device.CloudlinkHistoryAsync()).Select(transition => transition.To));
    }

    [Theory]
    [InlineData("nft")]
    [InlineData("none")]
    public async Task From_its_tunnel_a_device_reaches_neither_the_gateway_s_machine_nor_another_device(string firewall)
    {
        await using var network = await TunnelNetwork.StartGatewayAsync($"--Cloudlink:OpenVpn:Firewall={firewall}");
        var (curious, other) = (await network.AddDeviceAsync(), await network.AddDeviceAsync());
        await curious.ConnectAsync();
        await other.ConnectAsync();
        await other.ServeHttpAsync(80);
        using var listening = network.StartInGateway("python3", "-u", "-m", "http.server", "9999");
        Assert.Contains("Serving", await listening.StandardOutput.ReadLineAsync(), StringComparison.Ordinal);

        // Somebody clears the machine's rules, as a restart of Debian's nftables.service does.
        await Shell.RunAsync($"ip netns exec {network.GatewaySpace} nft flush ruleset");
        if (firewall == "nft")
            await UntilAsync(async () => (await Shell.RunAsync($"ip netns exec {network.GatewaySpace} nft list tables")).Contains("muster_tun_muster", StringComparison.Ordinal), "no filter");

        // It was given a way to the gateway's tunnel address only; a curious one gives itself all ways.
        var given = (await curious.RunAsync("ip", "route", "show", "dev", "resin-vpn")).Output.Trim();
        Assert.Equal(TunnelNetwork.GatewayTunnelAddress, given.Split(' ')[0]);
        Assert.DoesNotContain('\n', given);
        await Shell.IpAsync(curious.Space, "route add 100.64.0.0/16 dev resin-vpn", $"route add {other.Address}/32 dev resin-vpn", $"route add {TunnelNetwork.BridgeAddress}/32 dev resin-vpn");
        var otherTunnel = await other.TunnelAddressAsync();

        // Where nothing is filtered every one of these ways is open, because this machine forwards: the test can fail.
        foreach (var url in new[] { $"http://{TunnelNetwork.GatewayTunnelAddress}:9999/", $"http://{otherTunnel}/", $"http://{other.Address}/", $"http://{TunnelNetwork.BridgeAddress}:9999/" })
        {
            var isReached = await curious.ReachesAsync(url, throughCard: "resin-vpn");
            Assert.True(isReached == (firewall == "none"), $"{url}: {(isReached ? "reached" : "not reached")}");
        }

        // And through the filter, Muster reaches them.
        using var answer = await network.SendAsync("POST", "/supervisor/v1/blink", new { uuid = other.Uuid });
        Assert.Equal("POST /v1/blink", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Two_hundred_devices_come_at_once_and_again_after_a_crash_without_a_false_status()
    {
        const int count = 200;
        await using var network = await TunnelNetwork.StartGatewayAsync("--Cloudlink:LoginsPerSecond=50");
        var place = await network.AddDeviceAsync();
        var (config, authority) = await network.OsConfigAsync(place.Key);
        var crowd = new List<(long Id, string Uuid, string Key)>();
        for (var i = 0; i < count; i++)
            crowd.Add(await network.RegisterAsync());
        List<OpenVpnClient> clients = [];
        try
        {
            var began = Stopwatch.GetTimestamp();
            foreach (var (device, i) in crowd.Select((device, i) => (device, i)))
                clients.Add(await OpenVpnClient.StartAsync(place.Space, config, authority, device.Uuid, device.Key, $"dev tun{i}", "ifconfig-noexec", "route-noexec"));
            await UntilAsync(async () => await ConnectedAsync() == count, "not all are connected");
            output.WriteLine($"{count} connected {Stopwatch.GetElapsedTime(began).TotalSeconds:F1} s after the first was started");

            var before = clients.Sum(client => client.Connections);
            began = Stopwatch.GetTimestamp();
            await network.KillOpenVpnAsync();
            await UntilAsync(() => Task.FromResult(clients.Sum(client => client.Connections) >= before + count), "not all came back");
            output.WriteLine($"{count} back {Stopwatch.GetElapsedTime(began).TotalSeconds:F1} s after openvpn was killed");
            await Task.Delay(TimeSpan.FromSeconds(2));
            Assert.Equal(count, await ConnectedAsync());
            await using var database = network.Server.OpenDatabase();
            await using var connection = await database.OpenReadAsync(CancellationToken.None);
            await using var transitions = connection.CreateCommand();
            transitions.CommandText = "SELECT count(*) FROM transition WHERE fact = 'cloudlink'";
            Assert.Equal((long)count, await transitions.ExecuteScalarAsync());
        }
        finally
        {
            clients.ForEach(client => client.Kill());
            clients.ForEach(client => client.Dispose());
        }

        async Task<int> ConnectedAsync() => (await network.JsonAsync("GET", "/v7/device/$count?$filter=is_connected_to_vpn eq true"))!["d"]!.GetValue<int>();
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, string otherwise)
    {
        var waited = Stopwatch.StartNew();
        while (!await condition())
        {
            Assert.True(waited.Elapsed < Patience, otherwise);
            await Task.Delay(100);
        }
    }

    private void Said(string what, TimeSpan after, TimeSpan atMost)
    {
        output.WriteLine($"{what}: down after {after.TotalSeconds:F2} s");
        Assert.InRange(after, TimeSpan.FromSeconds(-0.1), Machine.Stretched(atMost));
    }
}
