using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Muster.Protocol.Cloudlink;
using Muster.Server.Cloudlink.Sessions;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink.WebSockets;

/// <summary>What goes through the tunnel of a device over WebSocket.</summary>
public sealed class WebSocketTunnelTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_call_reaches_the_device_s_own_HTTP_server(string kind)
    {
        using var supervisor = new PlainHttp("OK");
        await using var server = await ServerWithFleet.StartAsync(kind);
        var record = await server.AddDeviceAsync();
        await using var device = new TunnelledDevice(server.Server, record);
        await device.ConnectedAsync();
        await TunnelledDevice.UntilAsync(async () => await server.Server.ScalarAsync<int>("SELECT cloudlink_connected FROM device WHERE id = @p0", record.Id) == 1);
        await server.Fixture.DoAsync("UPDATE device SET api_port = @p1, api_secret = 'supsecret' WHERE id = @p0", record.Id, supervisor.Port);

        var answer = await server.PostAsync("/supervisor/ping", server.Admin, new JsonObject { ["uuid"] = record.Uuid, ["method"] = "GET" });
        Assert.Equal((200, "OK"), (answer.Status, answer.Text));
        Assert.Equal("GET /ping?apikey=supsecret HTTP/1.1", supervisor.LastRequestLine);
    }

    [Fact]
    public async Task A_port_where_nothing_listens_is_told_in_a_sentence()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var record = await server.AddDeviceAsync();
        await using var device = new TunnelledDevice(server.Server, record, (_, _) => ValueTask.FromResult<CloudlinkService?>(null));
        await device.ConnectedAsync();
        var refused = await Assert.ThrowsAsync<TunnelException>(async () => await Session(server, record).ConnectAsync(22222, CancellationToken.None));
        Assert.Equal("The device refused the connection: nothing listens on its port 22222, or it lets nobody in there.", refused.Message);
    }

    [Fact]
    public async Task Each_way_ends_by_itself()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var record = await server.AddDeviceAsync();
        // Says how much it has heard, once the other side has said its last.
        await using var device = new TunnelledDevice(server.Server, record, Serve(async (stream, cancellation) =>
        {
            var heard = await ReadToEndAsync(stream, cancellation);
            await stream.WriteAsync(Encoding.UTF8.GetBytes($"{heard.Length}"), cancellation);
        }));
        await device.ConnectedAsync();
        await using var stream = (CloudlinkStream)await Session(server, record).ConnectAsync(1, CancellationToken.None);
        await stream.WriteAsync(new byte[12_345]);
        await stream.CompleteWritingAsync();
        Assert.Equal("12345", Encoding.UTF8.GetString(await ReadToEndAsync(stream, CancellationToken.None)));
    }

    [Fact]
    public async Task Much_goes_both_ways_at_once_unchanged()
    {
        const int size = 20_000_000;
        var (up, down) = (new byte[size], new byte[size]);
        Random.Shared.NextBytes(up);
        Random.Shared.NextBytes(down);
        await using var server = await ServerWithFleet.StartAsync();
        var record = await server.AddDeviceAsync();
        byte[]? arrived = null;
        await using var device = new TunnelledDevice(server.Server, record, Serve(async (stream, cancellation) =>
        {
            var reading = ReadToEndAsync(stream, cancellation);
            await stream.WriteAsync(up, cancellation);
            await stream.CompleteWritingAsync();
            arrived = await reading;
        }));
        await device.ConnectedAsync();
        await using var stream = (CloudlinkStream)await Session(server, record).ConnectAsync(1, CancellationToken.None);
        var reading = ReadToEndAsync(stream, CancellationToken.None);
        await stream.WriteAsync(down);
        await stream.CompleteWritingAsync();
        var come = await reading.WaitAsync(TunnelledDevice.Generous);
        Assert.True(up.AsSpan().SequenceEqual(come));
        await TunnelledDevice.UntilAsync(() => Task.FromResult(arrived is not null));
        Assert.True(down.AsSpan().SequenceEqual(arrived));
    }

    [Fact]
    public async Task Who_does_not_read_is_not_sent_without_bound_and_holds_up_no_other_stream()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var record = await server.AddDeviceAsync();
        await using var device = new TunnelledDevice(server.Server, record, (port, _) => ValueTask.FromResult<CloudlinkService?>(async (stream, cancellation) =>
        {
            if (port == 1)
                await Task.Delay(Timeout.Infinite, cancellation);
            await stream.WriteAsync("here"u8.ToArray(), cancellation);
        }));
        await device.ConnectedAsync();
        await using var stuck = await Session(server, record).ConnectAsync(1, CancellationToken.None);
        var written = 0;
        var writing = Task.Run(async () =>
        {
            while (true)
            {
                await stuck.WriteAsync(new byte[10_000]);
                Interlocked.Add(ref written, 10_000);
            }
        });
        for (var before = -1; before != Volatile.Read(ref written) || before == 0; await Task.Delay(200))
            before = Volatile.Read(ref written);
        Assert.InRange(written, CloudlinkConnection.Window, 2 * CloudlinkConnection.Window);
        Assert.False(writing.IsCompleted);

        await using var other = await Session(server, record).ConnectAsync(2, CancellationToken.None);
        Assert.Equal("here"u8.ToArray(), await ReadToEndAsync(other, CancellationToken.None));
    }

    [Fact]
    public async Task More_streams_than_the_bound_are_refused_until_one_ends()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var record = await server.AddDeviceAsync();
        await using var device = new TunnelledDevice(server.Server, record, Serve((stream, cancellation) => ReadToEndAsync(stream, cancellation)));
        await device.ConnectedAsync();
        var streams = new List<Stream>();
        for (var i = 0; i < CloudlinkConnection.MaxStreams; i++)
            streams.Add(await Session(server, record).ConnectAsync(1, CancellationToken.None));
        await Assert.ThrowsAsync<TunnelException>(async () => await Session(server, record).ConnectAsync(1, CancellationToken.None));
        await streams[7].DisposeAsync();
        await TunnelledDevice.UntilAsync(async () =>
        {
            try
            {
                streams.Add(await Session(server, record).ConnectAsync(1, CancellationToken.None));
                return true;
            }
            catch (TunnelException)
            {
                return false;
            }
        });
        foreach (var stream in streams)
            await stream.DisposeAsync();
    }

    [Fact]
    public async Task A_stream_whose_connection_breaks_off_fails_and_does_not_end()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var record = await server.AddDeviceAsync();
        await using var device = new TunnelledDevice(server.Server, record, Serve(async (stream, cancellation) =>
        {
            await stream.WriteAsync("begun"u8.ToArray(), cancellation);
            await Task.Delay(Timeout.Infinite, cancellation);
        }));
        await device.ConnectedAsync();
        await using var stream = await Session(server, record).ConnectAsync(1, CancellationToken.None);
        await stream.ReadExactlyAsync(new byte[5]);
        device.Network.Cut();
        await Assert.ThrowsAsync<IOException>(async () => await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(TunnelledDevice.Generous));
    }

    internal static DeviceSession Session(ServerWithFleet server, FixtureDevice device) =>
        server.Server.Services.GetRequiredService<CloudlinkSessions>().Find(device.Uuid) ?? throw new TunnelException("There is no session.");

    private static CloudlinkPorts Serve(CloudlinkService service) => (_, _) => ValueTask.FromResult<CloudlinkService?>(service);

    private static async Task<byte[]> ReadToEndAsync(Stream stream, CancellationToken cancellation)
    {
        using var all = new MemoryStream();
        await stream.CopyToAsync(all, cancellation);
        return all.ToArray();
    }

    /// <summary>An HTTP server with one answer, as stands on a device.</summary>
    private sealed class PlainHttp : IDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);

        public PlainHttp(string body)
        {
            listener.Start();
            _ = ServeAsync(body);
        }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public string? LastRequestLine { get; private set; }

        public void Dispose() => listener.Dispose();

        private async Task ServeAsync(string body)
        {
            try
            {
                while (true)
                {
                    using var client = await listener.AcceptTcpClientAsync();
                    using var reader = new StreamReader(client.GetStream());
                    LastRequestLine = await reader.ReadLineAsync();
                    while (await reader.ReadLineAsync() is { Length: > 0 })
                    {
                    }

                    await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}"));
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
            {
            }
        }
    }
}
