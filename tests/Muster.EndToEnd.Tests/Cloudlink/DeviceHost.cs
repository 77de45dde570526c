using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Muster.EndToEnd.Tests.Cloudlink;

/// <summary>A device: a network namespace, in which its openvpn and whatever else a test starts run.</summary>
/// <param name="space">Name of the namespace.</param>
/// <param name="port">Its port on the bridge.</param>
/// <param name="address">Outside of the tunnel.</param>
internal sealed class DeviceHost(TunnelNetwork network, string space, string port, string address, long id, string uuid, string key) : IDisposable
{
    /// <summary>Until what must come has come, on any machine.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly List<Process> programs = [];
    private OpenVpnClient? client;

    public string Space => space;

    public string Port => port;

    public string Address => address;

    public long Id => id;

    public string Uuid => uuid;

    public string Key => key;

    public OpenVpnClient Client => client ?? throw new InvalidOperationException("The device has not connected yet.");

    /// <summary>Starts openvpn, set up as <c>/os/v1/config</c> says, and waits until Muster shows the device as connected.</summary>
    /// <param name="further">Further lines of its configuration.</param>
    public async Task ConnectAsync(params string[] further)
    {
        await StartClientAsync(Key, further);
        await UntilConnectedAsync(true);
    }

    /// <summary>Starts openvpn with a key, and waits for nothing.</summary>
    public async Task StartClientAsync(string password, params string[] further)
    {
        client?.Dispose();
        client = await OpenVpnClient.StartAsync(network, space, uuid, password, Key, further);
    }

    /// <summary>Starts a program that runs until the device is disposed of, or ends by itself.</summary>
    public Process Start(params string[] command)
    {
        var program = Process.Start(new ProcessStartInfo("ip", ["netns", "exec", space, .. command]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        programs.Add(program);
        return program;
    }

    public Task<Said> RunAsync(params string[] command) => Shell.TryAsync("ip", ["netns", "exec", space, .. command]);

    /// <summary>Starts an HTTP server on a port that answers any request with what it was asked: "METHOD path".</summary>
    public async Task ServeHttpAsync(int onPort)
    {
        var script =
            $$"""
            from http.server import *
            class Echo(BaseHTTPRequestHandler):
                protocol_version = "HTTP/1.1"
                def answer(self):
                    self.rfile.read(int(self.headers.get("Content-Length", 0)))
                    body = (self.command + " " + self.path.split("?")[0]).encode()
                    self.send_response(200)
                    self.send_header("Content-Type", "text/plain")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                do_GET = do_POST = answer
                def log_message(self, *args): pass
            server = ThreadingHTTPServer(("0.0.0.0", {{onPort}}), Echo)
            print("serving", flush=True)
            server.serve_forever()
            """;
        var program = Start("python3", "-c", script);
        Assert.Equal("serving", await program.StandardOutput.ReadLineAsync().WaitAsync(Patience));
    }

    /// <summary>Its address inside the tunnel.</summary>
    public async Task<string> TunnelAddressAsync() => (await RunAsync("ip", "-brief", "addr", "show", "dev", "resin-vpn")).Output.Split(' ', StringSplitOptions.RemoveEmptyEntries)[2];

    /// <summary>Whether something answers HTTP there, when asked through one of the device's network interfaces.</summary>
    public async Task<bool> ReachesAsync(string url, string throughCard)
    {
        const string Script =
            """
            import socket, sys, urllib.parse
            url, card = urllib.parse.urlparse(sys.argv[1]), sys.argv[2]
            s = socket.socket()
            s.settimeout(3)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, card.encode())
            s.connect((url.hostname, url.port or 80))
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            sys.exit(0 if s.recv(4) == b"HTTP" else 1)
            """;
        return (await RunAsync("python3", "-c", Script, url, throughCard)).Code == 0;
    }

    /// <summary>Waits until Muster says so.</summary>
    public async Task UntilConnectedAsync(bool connected)
    {
        var waited = Stopwatch.StartNew();
        while (await IsConnectedAsync() != connected)
        {
            Assert.True(waited.Elapsed < Patience, $"{(connected ? "not connected" : "still connected")}\n{client?.Output}\n{network.Server.Output}");
            await Task.Delay(50);
        }
    }

    public async Task<bool> IsConnectedAsync() => (await RowAsync("is_connected_to_vpn"))["is_connected_to_vpn"]!.GetValue<bool>();

    public async Task<JsonNode> RowAsync(string select) => (await network.JsonAsync("GET", $"/v7/device({id})?$select={select}"))!["d"]![0]!;

    /// <summary>What Muster has on record of the cloudlink going up and down: when, and to what.</summary>
    public async Task<List<(DateTimeOffset At, string To)>> CloudlinkHistoryAsync()
    {
        var history = (await network.JsonAsync("GET", $"/muster/v1/devices/{uuid}/history?limit=1000"))!["transitions"]!.AsArray();
        return
        [
            .. from transition in history
               where transition!["fact"]!.GetValue<string>() == "cloudlink"
               select (DateTimeOffset.Parse(transition["at"]!.GetValue<string>(), CultureInfo.InvariantCulture), transition["to"]!.GetValue<string>()),
        ];
    }

    public void Dispose()
    {
        client?.Dispose();
        foreach (var program in programs)
        {
            if (!program.HasExited)
                program.Kill();
            program.Dispose();
        }
    }
}
