using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Muster.EndToEnd.Tests.Dashboard;
using Muster.Protocol.Cloudlink;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Cloudlink;

/// <summary>A web site, a supervisor's port and a real SSH server on a device, through every path to it, over each of Muster's own tunnels.</summary>
public sealed class EveryPathTests(Browser browser)
{
    private const int SupervisorPort = 48484;
    private const int SshGatewayPort = 2222;
    private const string Domain = "devices.test";
    private const string OpenVpn = "openvpn";
    private const string WebSocket = "websocket";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(OpenVpn)]
    [InlineData(WebSocket)]
    public async Task Everything_on_the_device_answers(string kind)
    {
        await using var network = await TunnelNetwork.StartGatewayAsync(
            string.Create(CultureInfo.InvariantCulture, $"--Cloudlink:Ssh:Port={SshGatewayPort}"), "--Cloudlink:Ssh:PeopleEvery=00:00:00.2", $"--Cloudlink:DeviceUrls:Domain={Domain}");
        var device = await network.AddDeviceAsync();
        var keys = (string)(await network.JsonAsync("GET", "/os/v1/config", key: device.Key))!["services"]!["ssh"]!["authorized_keys"]!;
        await using var ssh = await DeviceSshServer.StartInAsync(device.Space, keys);
        await device.ServeHttpAsync(80);
        await device.ServeHttpAsync(SupervisorPort);
        await network.JsonAsync("PATCH", "/device/v3/state", new Dictionary<string, object> { [device.Uuid] = new { api_port = SupervisorPort, api_secret = "s" } }, device.Key);
        await using var tunnel = await ConnectAsync(kind, network, device);

        await TheSupervisorAnswersAsync(network, device);
        await ATcpTunnelLeadsToItAsync(network, device);
        await ThePublicAddressLeadsToItAsync(network, device);
        await SshLeadsToItAsync(network, device);
        await TheTerminalInThePageLeadsToItAsync(network, device);
        await TheHealthCheckReachesItAsync(network, device);
    }

    private static async Task<IAsyncDisposable> ConnectAsync(string kind, TunnelNetwork network, DeviceHost device)
    {
        if (kind == OpenVpn)
        {
            await device.ConnectAsync();
            return new Held(null, Task.CompletedTask);
        }

        // The device's side of a tunnel over WebSocket, in this process: what is opened there leads into the device's namespace.
        await network.OpenWayToDevicesAsync();
        var end = new CancellationTokenSource();
        var client = new CloudlinkClient(new(network.Server.Address, device.Uuid, device.Key) { Time = TimeProvider.System }, (port, cancellation) => LocalPorts.DialAsync(IPAddress.Parse(device.Address), port, cancellation));
        var running = client.RunAsync(end.Token);
        await device.UntilConnectedAsync(true);
        return new Held(end, running);
    }

    private static async Task TheSupervisorAnswersAsync(TunnelNetwork network, DeviceHost device)
    {
        using var answer = await network.SendAsync("POST", "/supervisor/v1/blink", new { uuid = device.Uuid });
        Assert.Equal("POST /v1/blink", await answer.Content.ReadAsStringAsync());
    }

    private static async Task ATcpTunnelLeadsToItAsync(TunnelNetwork network, DeviceHost device)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(network.Server.Address.Host, network.Server.Address.Port);
        var stream = client.GetStream();
        var credentials = Convert.ToBase64String(Encoding.ASCII.GetBytes("me:" + network.Token));
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"CONNECT {device.Uuid}.balena:80 HTTP/1.0\r\nProxy-Authorization: Basic {credentials}\r\n\r\n"));
        using var reader = new StreamReader(stream, Encoding.ASCII);
        Assert.Equal("HTTP/1.0 200 Connection Established", await reader.ReadLineAsync());
        Assert.Equal("", await reader.ReadLineAsync());
        await stream.WriteAsync("GET /lamp HTTP/1.1\r\nHost: device\r\nConnection: close\r\n\r\n"u8.ToArray());
        Assert.EndsWith("GET /lamp", await reader.ReadToEndAsync().WaitAsync(Patience), StringComparison.Ordinal);
    }

    private static async Task ThePublicAddressLeadsToItAsync(TunnelNetwork network, DeviceHost device)
    {
        await network.JsonAsync("PATCH", $"/v7/device({device.Id})", new { is_web_accessible = true });
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(network.Server.Address, "/lamp")) { Headers = { Host = $"{device.Uuid}.{Domain}" } };
        using var answer = await http.SendAsync(request);
        Assert.Equal("GET /lamp", await answer.Content.ReadAsStringAsync());
    }

    private static async Task SshLeadsToItAsync(TunnelNetwork network, DeviceHost device)
    {
        var folder = Directory.CreateTempSubdirectory("muster-ssh-");
        try
        {
            var key = Path.Combine(folder.FullName, "key");
            Assert.Equal(0, (await Shell.TryAsync("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)).Code);
            var person = (await network.JsonAsync("GET", "/user/v1/whoami"))!;
            await network.JsonAsync("POST", "/v7/user__has__public_key", new { user = (long)person["id"]!, title = "laptop", public_key = (await File.ReadAllTextAsync(key + ".pub")).Trim() });
            var waited = Stopwatch.StartNew();
            while (true)
            {
                var said = await Shell.TryAsync(
                    "ssh", "-F", "none", "-n", "-i", key, "-p", SshGatewayPort.ToString(CultureInfo.InvariantCulture), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
                    "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                    $"{(string)person["username"]!}@{network.Server.Address.Host}", $"host {device.Uuid} echo reached $((6 * 7)) as $(id -un)");
                if (said.Output.Trim() == "reached 42 as root")
                    return;
                Assert.True(waited.Elapsed < Patience, $"{said}");
                await Task.Delay(200);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private async Task TheTerminalInThePageLeadsToItAsync(TunnelNetwork network, DeviceHost device)
    {
        var page = await browser.OpenAsync(network.Server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/devices/{device.Uuid}?tab=terminal");
        await page.GetByRole(AriaRole.Button, new() { NameRegex = new("^Open") }).ClickAsync();
        await Expect(page.Locator("muster-terminal [role=status]")).ToHaveTextAsync("Connected.");
        await page.Locator(".xterm-helper-textarea").FocusAsync();
        await page.Keyboard.TypeAsync("echo reached $((6 * 7)); ip -brief addr show dev eth0\n");
        await Expect(page.Locator(".xterm-rows")).ToContainTextAsync("reached 42");
        // On the device, and on no other machine.
        await Expect(page.Locator(".xterm-rows")).ToContainTextAsync(device.Address);
        await page.Context.CloseAsync();
    }

    private static async Task TheHealthCheckReachesItAsync(TunnelNetwork network, DeviceHost device)
    {
        var report = (await network.JsonAsync("POST", $"/muster/v1/devices/{device.Uuid}/health-checks"))!;
        var tunnel = Assert.Single(report["checks"]!.AsArray(), check => (string)check!["name"]! == "tunnel");
        Assert.Equal("ok", (string)tunnel!["level"]!);
    }

    private sealed class Held(CancellationTokenSource? end, Task running) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            if (end is null)
                return;
            await end.CancelAsync();
            await running;
            end.Dispose();
        }
    }
}
