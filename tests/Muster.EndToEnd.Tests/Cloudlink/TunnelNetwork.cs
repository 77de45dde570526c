using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Muster.Tests.Storage;

namespace Muster.EndToEnd.Tests.Cloudlink;

/// <summary>
/// A network of this machine's own kernel: a namespace in which Muster runs with its OpenVPN gateway, and one for each
/// device, all on one bridge. The test itself reaches Muster's API over a link to the gateway's namespace.
/// </summary>
internal sealed partial class TunnelNetwork : IAsyncDisposable
{
    /// <summary>Where the gateway listens, inside its namespace.</summary>
    public const int GatewayPort = 443;

    /// <summary>Its address inside the tunnels.</summary>
    public const string GatewayTunnelAddress = "100.64.0.1";

    /// <summary>The gateway's machine among the devices, outside of the tunnels.</summary>
    public const string BridgeAddress = "10.79.128.1";

    private const string Bridge = "devices";
    private const string Prefix = "muster-";

    private static int made;

    private readonly string name;
    private readonly List<DeviceHost> devices = [];
    private readonly IPAddress gatewayAddress;
    private readonly HttpClient http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromSeconds(2) }) { Timeout = TimeSpan.FromSeconds(60) };
    private ServerProcess? server;
    private string token = "";
    private string provisioningKey = "";
    private long fleet;
    private int places;

    private TunnelNetwork(int number)
    {
        name = string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Environment.ProcessId}-{number}");
        // A small network of its own for the link to each: 10.79.0.0 to 10.79.127.252.
        var block = ((Environment.ProcessId * 31) + number) % (128 * 64) * 4;
        gatewayAddress = IPAddress.Parse($"10.79.{block / 256}.{(block % 256) + 1}");
        HostAddress = $"10.79.{block / 256}.{(block % 256) + 2}";
    }

    /// <summary>Whether this machine can have one; see <see cref="Need"/>.</summary>
    public static bool IsPossible => Environment.IsPrivilegedProcess && File.Exists("/dev/net/tun") && new[] { "openvpn", "ip", "nft" }.All(IsInstalled);

    public const string Need = "Needs root, /dev/net/tun, openvpn, iproute2 and nftables.";

    public ServerProcess Server => server!;

    public string GatewaySpace => name + "-gw";

    /// <summary>Of the administrator's session.</summary>
    public string Token => token;

    /// <summary>The test's own end of its link to the gateway.</summary>
    public string HostAddress { get; }

    private string HostCard => string.Create(CultureInfo.InvariantCulture, $"mt{Environment.ProcessId % 100_000_000}-{name.Split('-')[2]}");

    /// <summary>Makes the gateway's namespace and starts Muster in it.</summary>
    /// <param name="settings">Further settings of Muster, as <c>--Key=value</c>.</param>
    public static async Task<TunnelNetwork> StartGatewayAsync(params string[] settings)
    {
        Assert.True(IsPossible, Need);
        await RemoveLeftoversAsync();
        var network = new TunnelNetwork(Interlocked.Increment(ref made));
        try
        {
            await network.MakeGatewayAsync();
            network.server = await ServerProcess.StartInAsync(
                network.GatewaySpace, network.gatewayAddress, [$"--Cloudlink:OpenVpn:Port={GatewayPort}", "--Logging:LogLevel:Muster.Server.Cloudlink=Debug", .. settings]);
            await network.MakeFleetAsync();
            return network;
        }
        catch
        {
            await network.DisposeAsync();
            throw;
        }
    }

    /// <summary>A registered device in a namespace of its own; its tunnel is not up yet.</summary>
    public async Task<DeviceHost> AddDeviceAsync()
    {
        var place = ++places;
        var space = string.Create(CultureInfo.InvariantCulture, $"{name}-d{place}");
        var address = string.Create(CultureInfo.InvariantCulture, $"10.79.{128 + (place / 250)}.{(place % 250) + 2}");
        await Shell.IpAsync(
            null,
            $"netns add {space}",
            $"link add d{place} netns {GatewaySpace} type veth peer name eth0 netns {space}");
        await Shell.IpAsync(GatewaySpace, $"link set d{place} master {Bridge} up");
        await Shell.IpAsync(space, "link set lo up", $"addr add {address}/17 dev eth0", "link set eth0 up", $"route add default via {BridgeAddress}");
        var (id, uuid, key) = await RegisterAsync();
        var device = new DeviceHost(this, space, $"d{place}", address, id, uuid, key);
        devices.Add(device);
        return device;
    }

    /// <summary>Registers a device without a place in the network.</summary>
    public async Task<(long Id, string Uuid, string Key)> RegisterAsync()
    {
        var uuid = RandomNumberGenerator.GetHexString(32, lowercase: true);
        var device = (await JsonAsync("POST", "/device/register", new { application = fleet, uuid, device_type = "generic-amd64" }, provisioningKey))!;
        return (device["id"]!.GetValue<long>(), uuid, device["api_key"]!.GetValue<string>());
    }

    /// <summary>One request to Muster with a key or, without one, as the administrator. Answers other than 2xx fail the test.</summary>
    public async Task<JsonNode?> JsonAsync(string method, string path, object? body = null, string? key = null)
    {
        using var answer = await SendAsync(method, path, body, key);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, $"{method} {path}: {(int)answer.StatusCode} {text}");
        return text.Length == 0 ? null : JsonNode.Parse(text);
    }

    public async Task<HttpResponseMessage> SendAsync(string method, string path, object? body = null, string? key = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(Server.Address, path)) { Content = body is null ? null : JsonContent.Create(body) };
        if (request.Content is not null)
            await request.Content.LoadIntoBufferAsync();
        if ((key ?? token) is { Length: > 0 } secret)
            request.Headers.Authorization = new("Bearer", secret);
        return await http.SendAsync(request);
    }

    /// <summary>What a device's OS is told of the tunnel: openvpn.conf and the authority's certificate.</summary>
    public async Task<(string Config, string Authority)> OsConfigAsync(string key)
    {
        var told = (await JsonAsync("GET", "/os/v1/config", key: key))!["services"]!["openvpn"]!;
        return (told["config"]!.GetValue<string>(), told["ca"]!.GetValue<string>());
    }

    /// <summary>Ends the gateway's openvpn at once, as a crash would.</summary>
    public async Task KillOpenVpnAsync()
    {
        var id = await OpenVpnIdAsync() ?? throw new InvalidOperationException("There is no openvpn in the gateway's namespace.");
        using var process = Process.GetProcessById(id);
        process.Kill();
        await process.WaitForExitAsync();
    }

    /// <summary>Starts a program beside Muster, in the gateway's namespace; it ends with the network.</summary>
    public Process StartInGateway(params string[] command) =>
        Process.Start(new ProcessStartInfo("ip", ["netns", "exec", GatewaySpace, .. command]) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    /// <summary>Process id of the gateway's openvpn; null while there is none.</summary>
    public async Task<int?> OpenVpnIdAsync() => (await ProcessesAsync(GatewaySpace)).Cast<int?>().FirstOrDefault(id => Name(id!.Value) == "openvpn");

    /// <summary>The test itself can dial devices, past Muster.</summary>
    public Task OpenWayToDevicesAsync() => Shell.IpAsync(null, $"route add 10.79.128.0/17 via {gatewayAddress}");

    /// <summary>The path between a device and the gateway takes nothing any more, and neither end is told.</summary>
    public Task CutAsync(DeviceHost device) => Shell.IpAsync(GatewaySpace, $"link set {device.Port} nomaster");

    public Task MendAsync(DeviceHost device) => Shell.IpAsync(GatewaySpace, $"link set {device.Port} master {Bridge}");

    public async ValueTask DisposeAsync()
    {
        foreach (var device in devices)
            device.Dispose();
        http.Dispose();
        foreach (var device in devices)
            await RemoveAsync(device.Space);
        if (server is not null)
            await server.DisposeAsync();
        await RemoveAsync(GatewaySpace);
    }

    private static bool IsInstalled(string command) => $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin".Split(':').Any(folder => File.Exists(Path.Combine(folder, command)));

    private static string Name(int id)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/comm").Trim();
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static async Task<List<int>> ProcessesAsync(string space) =>
        [.. (await Shell.TryAsync("ip", "netns", "pids", space)).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(id => int.Parse(id, CultureInfo.InvariantCulture))];

    /// <summary>Ends what still runs in a namespace and removes it, with the links that lead into it.</summary>
    private static async Task RemoveAsync(string space)
    {
        foreach (var id in await ProcessesAsync(space))
            await Shell.TryAsync("kill", "-KILL", id.ToString(CultureInfo.InvariantCulture));
        await Shell.TryAsync("ip", "netns", "del", space);
    }

    /// <summary>Namespaces of test runs that ended without removing them.</summary>
    private static async Task RemoveLeftoversAsync()
    {
        foreach (Match space in SpaceName().Matches(await Shell.RunAsync("ip netns list")))
        {
            if (!Directory.Exists($"/proc/{space.Groups[1].Value}"))
                await RemoveAsync(space.Value);
        }
    }

    [GeneratedRegex($@"^{Prefix}(\d+)-\d+-\w+", RegexOptions.Multiline)]
    private static partial Regex SpaceName();

    private async Task MakeGatewayAsync()
    {
        await Shell.IpAsync(null, $"netns add {GatewaySpace}", $"link add {HostCard} type veth peer name host netns {GatewaySpace}");
        await Shell.IpAsync(null, $"addr add {HostAddress}/30 dev {HostCard}", $"link set {HostCard} up");
        await Shell.IpAsync(
            GatewaySpace,
            "link set lo up", $"addr add {gatewayAddress}/30 dev host", "link set host up",
            // With a hardware address of its own: one borrowed from a port would still be served by that port once it is cut off.
            $"link add {Bridge} address 02:00:00:00:00:01 type bridge", $"addr add {BridgeAddress}/17 dev {Bridge}", $"link set {Bridge} up");
        // The worst case for the isolation of devices: a machine that forwards, as every Docker host does.
        await Shell.RunAsync($"ip netns exec {GatewaySpace} sysctl -q -w net.ipv4.ip_forward=1");
    }

    private async Task MakeFleetAsync()
    {
        using var answer = await SendAsync("POST", "/login_", new { username = ServerProcess.Email, password = ServerProcess.Password }, key: "");
        answer.EnsureSuccessStatusCode();
        token = (await answer.Content.ReadAsStringAsync()).Trim('"');
        var organization = (await JsonAsync("GET", "/v7/organization?$select=id"))!["d"]![0]!["id"]!.GetValue<long>();
        var type = (await JsonAsync("GET", "/v7/device_type?$select=id&$filter=slug eq 'generic-amd64'"))!["d"]![0]!["id"]!.GetValue<long>();
        fleet = (await JsonAsync("POST", "/v7/application", new { app_name = "tunnels", organization, is_for__device_type = type }))!["id"]!.GetValue<long>();
        provisioningKey = (await JsonAsync("POST", $"/api-key/application/{fleet}/provisioning", new { }))!.GetValue<string>();
    }
}
