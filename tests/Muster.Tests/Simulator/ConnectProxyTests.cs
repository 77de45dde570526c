using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Muster.Server;
using Muster.Simulator;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Simulator;

/// <summary>Actions of a whole server on a small simulated fleet, through the simulated tunnel server's proxy.</summary>
public sealed class ConnectProxyTests
{
    private const string ProxyKey = "the-proxys-own-key";

    [Fact]
    public async Task A_reboot_makes_the_device_go_away_and_come_back_and_a_device_without_tunnel_is_refused()
    {
        var port = FreePort();
        await using var server = await StartedServer.StartAsync(TestDatabases.Sqlite, builder => builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Presence:PollIntervalFloor"] = "00:00:01",
            ["Presence:DefaultPollInterval"] = "00:00:02",
            ["Presence:TimeoutMargin"] = "00:00:02",
            ["Presence:OfflineAfter"] = "00:00:01",
            ["Cloudlink:ProxyPort"] = port.ToString(CultureInfo.InvariantCulture),
            ["Cloudlink:ProxyKey"] = ProxyKey,
        }));
        await new Seeding(server.Database, TimeProvider.System).RunAsync(new SeedOptions("lab/bench", 1, 0, "", false), _ => { });
        var token = await server.LogInAsync();
        var scenario = Path.Combine(server.DataDirectory, "scenario.json");
        await File.WriteAllTextAsync(scenario, """{ "troubles": [ { "kind": "no-tunnel", "at": 0, "for": 100000, "devices": "1" } ] }""");
        var options = new SimulationOptions
        {
            Server = server.Address.ToString(),
            Fleet = "lab/bench",
            Devices = 3,
            Seed = Guid.NewGuid().ToString("N"),
            Token = token,
            ServiceKey = await server.People.CreateServiceKeyAsync("tunnels"),
            ProxyPort = port,
            ProxyKey = ProxyKey,
            Scenario = scenario,
            TimeScale = 40,
            PollInterval = TimeSpan.FromSeconds(2),
            RampUp = TimeSpan.FromMilliseconds(100),
            SampleInterval = TimeSpan.FromMilliseconds(500),
            Verify = true,
            TimeoutMargin = TimeSpan.FromSeconds(2),
            OfflineAfter = TimeSpan.FromSeconds(1),
            Tolerance = TimeSpan.FromSeconds(10),
        };
        using var stop = new CancellationTokenSource();
        await using var output = new StringWriter();
        var running = Simulation.RunAsync(options, output, isTerminal: false, TimeProvider.System, stop.Token);

        string[] connected = [];
        await UntilAsync(async () => (connected = await UuidsAsync(server, token, "is_connected_to_vpn eq true and overall_status eq 'operational'")).Length == 2, running);
        var uuid = connected[0];
        Task<Answer> CallAsync(string path, string method) => server.SendAsync("POST", $"/supervisor{path}", token, new JsonObject { ["uuid"] = uuid, ["method"] = method });
        // The device's key of its own API comes with its first report.
        await UntilAsync(async () => (int)(await CallAsync("/v1/blink", "POST")).Status == 200, running);
        Assert.Equal((200, "OK"), await WordAsync(CallAsync("/ping", "GET")));
        Assert.Equal((200, "OK"), await WordAsync(CallAsync("/v1/healthy", "GET")));

        Assert.Equal(202, (await WordAsync(CallAsync("/v1/reboot", "POST"))).Status);
        await UntilAsync(async () => !(await UuidsAsync(server, token, "is_connected_to_vpn eq true")).Contains(uuid), running);
        await UntilAsync(async () => (await UuidsAsync(server, token, "is_connected_to_vpn eq true")).Contains(uuid), running);
        Assert.Equal((200, "OK"), await WordAsync(CallAsync("/ping", "GET")));

        var tunnelless = (await UuidsAsync(server, token, "is_connected_to_vpn eq false")).Single(u => !connected.Contains(u) && u.Length == 32);
        Assert.Equal("503", await ConnectAsync(port, $"{tunnelless}.balena:48484", ProxyKey));
        Assert.Equal("502", await ConnectAsync(port, $"{uuid}.balena:22222", ProxyKey));
        Assert.Equal("407", await ConnectAsync(port, $"{uuid}.balena:48484", "somebody-elses"));
        Assert.Equal("407", await ConnectAsync(port, $"{uuid}.balena:48484", null));
        Assert.Equal("200", await ConnectAsync(port, $"{uuid}.balena:48484", token));
        Assert.Equal("403", await ConnectAsync(port, "example.com:80", ProxyKey));

        await stop.CancelAsync();
        Assert.True(await running == Simulation.Good, output.ToString());
    }

    [Fact]
    public async Task Devices_with_tunnels_over_WebSocket_take_actions_and_are_judged_truly()
    {
        await using var server = await StartedServer.StartAsync(TestDatabases.Sqlite, builder => builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Presence:PollIntervalFloor"] = "00:00:01",
            ["Presence:DefaultPollInterval"] = "00:00:02",
            ["Presence:TimeoutMargin"] = "00:00:02",
            ["Presence:OfflineAfter"] = "00:00:01",
            ["Cloudlink:WebSocket:Ping"] = "00:00:01",
            ["Cloudlink:WebSocket:Keepalive"] = "00:00:03",
        }));
        await new Seeding(server.Database, TimeProvider.System).RunAsync(new SeedOptions("lab/bench", 1, 0, "", false), _ => { });
        var token = await server.LogInAsync();
        var scenario = Path.Combine(server.DataDirectory, "scenario.json");
        // After 3 s one is without a network for 8 s, and another closes its tunnel in order.
        await File.WriteAllTextAsync(scenario, """{ "troubles": [ { "kind": "network-out", "at": 120, "for": 320, "devices": "1" }, { "kind": "no-tunnel", "at": 160, "for": 160, "devices": "1" } ] }""");
        var options = new SimulationOptions
        {
            Server = server.Address.ToString(),
            Fleet = "lab/bench",
            Devices = 4,
            Seed = Guid.NewGuid().ToString("N"),
            Token = token,
            Cloudlink = TunnelKind.WebSocket,
            Scenario = scenario,
            TimeScale = 40,
            PollInterval = TimeSpan.FromSeconds(2),
            RampUp = TimeSpan.FromMilliseconds(100),
            SampleInterval = TimeSpan.FromMilliseconds(500),
            Verify = true,
            TimeoutMargin = TimeSpan.FromSeconds(2),
            OfflineAfter = TimeSpan.FromSeconds(1),
            Tolerance = TimeSpan.FromSeconds(10),
        };
        using var stop = new CancellationTokenSource();
        await using var output = new StringWriter();
        var running = Simulation.RunAsync(options, output, isTerminal: false, TimeProvider.System, stop.Token);
        Task<string[]> UpAsync() => UuidsAsync(server, token, "is_connected_to_vpn eq true");

        await UntilAsync(async () => (await UpAsync()).Length == 4, running);
        await UntilAsync(async () => (await UpAsync()).Length < 4, running);
        await UntilAsync(async () => (await UpAsync()).Length == 4, running);
        var uuid = (await UpAsync())[0];
        Task<Answer> CallAsync(string path, string method) => server.SendAsync("POST", $"/supervisor{path}", token, new JsonObject { ["uuid"] = uuid, ["method"] = method });
        await UntilAsync(async () => (int)(await CallAsync("/v1/blink", "POST")).Status == 200, running);
        Assert.Equal((200, "OK"), await WordAsync(CallAsync("/ping", "GET")));
        Assert.Equal(202, (await WordAsync(CallAsync("/v1/reboot", "POST"))).Status);
        await UntilAsync(async () => !(await UpAsync()).Contains(uuid), running);
        await UntilAsync(async () => (await UpAsync()).Contains(uuid), running);

        await stop.CancelAsync();
        Assert.True(await running == Simulation.Good, output.ToString());
    }

    private static async Task<string[]> UuidsAsync(StartedServer server, string token, string filter)
    {
        var answer = await server.SendAsync("GET", $"/v7/device?$select=uuid&$filter={Uri.EscapeDataString(filter)}", token);
        return [.. answer.Json["d"]!.AsArray().Select(d => (string)d!["uuid"]!)];
    }

    private static async Task<(int Status, string Text)> WordAsync(Task<Answer> call)
    {
        var answer = await call;
        return ((int)answer.Status, answer.Text);
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, Task<int> running)
    {
        for (var i = 0; i < 600 && !running.IsCompleted; i++)
        {
            if (await condition())
                return;
            await Task.Delay(100);
        }

        Assert.Fail(running.IsCompleted ? "The simulation ended." : "It did not happen within a minute.");
    }

    private static async Task<string> ConnectAsync(int port, string target, string? key)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, port);
        var credentials = key is null ? "" : $"Proxy-Authorization: Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"resin_api:{key}"))}\r\n";
        await tcp.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n"));
        var answer = new byte[12];
        await tcp.GetStream().ReadExactlyAsync(answer);
        return Encoding.ASCII.GetString(answer, 9, 3);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
