using System.Threading.Channels;
using Muster.Protocol.Cloudlink;
using Muster.Simulator.Fleet;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink.WebSockets;

/// <summary>A device that holds its cloudlink over WebSocket, on a network that can fail.</summary>
internal sealed class TunnelledDevice : IAsyncDisposable
{
    public static readonly TimeSpan Generous = TimeSpan.FromMinutes(3);

    private readonly Channel<CloudlinkNews> news = Channel.CreateUnbounded<CloudlinkNews>();
    private readonly CancellationTokenSource stop = new();
    private readonly Task run;

    public TunnelledDevice(StartedServer server, FixtureDevice device, CloudlinkPorts? ports = null, string? key = null, TimeProvider? time = null)
    {
        var settings = new CloudlinkSettings(server.Address, device.Uuid, key ?? device.Key)
        {
            Http = Network.Http,
            Time = time ?? TimeProvider.System,
            FirstRetry = TimeSpan.FromMilliseconds(20),
            LongestRetry = TimeSpan.FromMilliseconds(200),
        };
        run = new CloudlinkClient(settings, ports ?? LocalPorts.DialAsync, said => news.Writer.TryWrite(said)).RunAsync(stop.Token);
    }

    public DeviceNetwork Network { get; } = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false });

    public static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var until = DateTime.UtcNow + Generous;
        while (!await condition())
        {
            Assert.True(DateTime.UtcNow < until, "It did not come to that.");
            await Task.Delay(20);
        }
    }

    /// <summary>The next thing of this kind that happened.</summary>
    public async Task<CloudlinkNews> NextAsync(CloudlinkEvent kind)
    {
        while (true)
        {
            var said = await news.Reader.ReadAsync().AsTask().WaitAsync(Generous);
            if (said.Event == kind)
                return said;
        }
    }

    /// <summary>Which session begins, or goes on, next.</summary>
    public async Task<string> ConnectedAsync() => (await NextAsync(CloudlinkEvent.Connected)).Session!;

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await run.WaitAsync(Generous);
        Network.Dispose();
        stop.Dispose();
    }
}
