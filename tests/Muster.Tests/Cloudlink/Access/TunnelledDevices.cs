using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Muster.Server.Cloudlink.Sessions;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink.Access;

/// <summary>A device that holds a tunnel to this server; what listens on its ports is the test's.</summary>
internal sealed class TunnelledTestDevice : DeviceSession, IDisposable
{
    private readonly ConcurrentDictionary<int, TcpListener> ports = [];
    private readonly ServerWithFleet server;

    private TunnelledTestDevice(ServerWithFleet server, FixtureDevice device)
        : base(device.Uuid, SessionKind.WebSocket, "127.0.0.1", 0) => (this.server, Device) = (server, device);

    public FixtureDevice Device { get; }

    /// <summary>A new device of the fleet whose tunnel is known to everybody.</summary>
    public static async Task<TunnelledTestDevice> ConnectAsync(ServerWithFleet server)
    {
        var device = new TunnelledTestDevice(server, await server.AddDeviceAsync());
        server.Server.Services.GetRequiredService<CloudlinkSessions>().Open(device);
        await device.UntilAsync(connected: true);
        return device;
    }

    /// <summary>Serves each connection to this port.</summary>
    public void Listen(int port, Func<NetworkStream, Task> serve)
    {
        var listener = ports[port] = new(IPAddress.Loopback, 0);
        listener.Start();
        _ = AcceptAsync();

        async Task AcceptAsync()
        {
            try
            {
                while (true)
                    _ = ServeAsync(await listener.AcceptTcpClientAsync());
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
            }
        }

        async Task ServeAsync(TcpClient client)
        {
            using (client)
                await serve(client.GetStream());
        }
    }

    /// <summary>Gives back what it gets, to the end.</summary>
    public void ListenEcho(int port) => Listen(port, stream => stream.CopyToAsync(stream));

    public Task DisconnectAsync()
    {
        server.Server.Services.GetRequiredService<CloudlinkSessions>().Close(this);
        return UntilAsync(connected: false);
    }

    public override async ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellation)
    {
        if (!ports.TryGetValue(port, out var listener))
            throw new TunnelException($"Nothing listens on port {port}.");
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync((IPEndPoint)listener.LocalEndpoint, cancellation);
        return new NetworkStream(socket, ownsSocket: true);
    }

    public override void End()
    {
    }

    public void Dispose()
    {
        foreach (var listener in ports.Values)
            listener.Stop();
    }

    private async Task UntilAsync(bool connected)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        while (await server.Server.ScalarAsync<long>("SELECT cloudlink_connected FROM device WHERE id = @p0", Device.Id) != (connected ? 1 : 0))
            await Task.Delay(20, limit.Token);
    }
}
