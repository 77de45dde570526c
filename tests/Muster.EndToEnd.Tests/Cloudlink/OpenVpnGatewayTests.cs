using System.Diagnostics;

namespace Muster.EndToEnd.Tests.Cloudlink;

/// <summary>Real openvpn clients, set up by what <c>/os/v1/config</c> says, against the real gateway, in network namespaces.</summary>
public sealed class OpenVpnGatewayTests
{
    private const int SupervisorPort = 48484;

    [Fact]
    public async Task A_device_that_connects_is_reached_through_its_tunnel()
    {
        await using var network = await TunnelNetwork.StartGatewayAsync();
        var device = await network.AddDeviceAsync();
        Assert.False(await device.IsConnectedAsync());
        await device.ConnectAsync();
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
        var down = (await device.CloudlinkHistoryAsync())[^1].At;
        Assert.InRange(down - killed, TimeSpan.FromSeconds(-0.1), TimeSpan.FromSeconds(2));
    }
}
