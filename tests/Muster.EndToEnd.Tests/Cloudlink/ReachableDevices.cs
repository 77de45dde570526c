using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Muster.EndToEnd.Tests.Dashboard;

namespace Muster.EndToEnd.Tests.Cloudlink;

/// <summary>An external tunnel server whose devices' ports are ports of this machine: <c>CONNECT uuid.balena:port</c> leads there.</summary>
internal sealed class ReachableDevices : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<string, int> ports = new();
    private readonly CancellationTokenSource stop = new();
    private readonly Task serving;
    private HttpClient? http;
    private long instance;

    public ReachableDevices()
    {
        listener.Start();
        serving = ServeAsync();
    }

    /// <summary>The setting with which a server looks for it.</summary>
    public string Setting => string.Create(CultureInfo.InvariantCulture, $"--Cloudlink:ProxyPort={((IPEndPoint)listener.LocalEndpoint).Port}");

    /// <summary>Registers with the server, as a tunnel server does at its start.</summary>
    public async Task RegisterAsync(ServerProcess server)
    {
        http = new() { BaseAddress = server.Address, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", await server.RunAsync("key", "add", "tests")) } };
        using var made = await http.PostAsJsonAsync("/v7/service_instance", new { ip_address = "127.0.0.1" });
        instance = (long)(await made.Content.ReadFromJsonAsync<JsonNode>())!["id"]!;
    }

    /// <summary>The device's cloudlink comes up.</summary>
    /// <param name="open">From a port of the device to the port of this machine that answers for it.</param>
    public async Task ConnectAsync(TestDevice device, params (int Port, int Here)[] open)
    {
        foreach (var (port, here) in open)
            ports[string.Create(CultureInfo.InvariantCulture, $"{device.Uuid}.balena:{port}")] = here;
        await TellAsync(device, connected: true);
    }

    public Task DisconnectAsync(TestDevice device) => TellAsync(device, connected: false);

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Stop();
        await serving;
        http?.Dispose();
        stop.Dispose();
    }

    private async Task TellAsync(TestDevice device, bool connected)
    {
        using var told = await http!.PostAsJsonAsync($"/services/vpn/client-{(connected ? "connect" : "disconnect")}", new { serviceId = instance, uuids = new[] { device.Uuid }, connected });
        Assert.True(told.IsSuccessStatusCode);
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await listener.AcceptTcpClientAsync(stop.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(TcpClient person)
    {
        using var device = new TcpClient();
        using (person)
        {
            try
            {
                var stream = person.GetStream();
                var target = (await HeadAsync(stream)).Split(' ')[1];
                if (!ports.TryGetValue(target, out var here))
                {
                    await stream.WriteAsync("HTTP/1.0 502 Bad Gateway\r\n\r\n"u8.ToArray(), stop.Token);
                    return;
                }

                await device.ConnectAsync(IPAddress.Loopback, here, stop.Token);
                await stream.WriteAsync("HTTP/1.0 200 OK\r\n\r\n"u8.ToArray(), stop.Token);
                await Task.WhenAny(stream.CopyToAsync(device.GetStream(), stop.Token), device.GetStream().CopyToAsync(stream, stop.Token));
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
            {
            }
        }
    }

    private async Task<string> HeadAsync(NetworkStream stream)
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await stream.ReadExactlyAsync(one, stop.Token);
            head.Append((char)one[0]);
        }

        return head.ToString();
    }
}
