using System.Net;
using System.Net.Sockets;

namespace Muster.Server.Cloudlink.Terminals;

/// <summary>
/// A tunnel as a port of this machine, for a library that opens its sockets itself: takes one connection, and carries what
/// the device says no faster than it is wanted. What goes through is SSH: whoever else should take the port learns nothing.
/// </summary>
internal sealed class SocketBridge : IAsyncDisposable
{
    private const int BufferBytes = 32 * 1024;

    private static readonly TimeSpan TakenWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(20);

    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource end = new();
    private readonly Stream device;
    private readonly Func<bool> isFull;
    private readonly TimeProvider time;
    private readonly Task carrying;

    /// <param name="device">Disposed of with the bridge.</param>
    /// <param name="isFull">While true, no more of the device is read.</param>
    public SocketBridge(Stream device, Func<bool> isFull, TimeProvider time)
    {
        (this.device, this.isFull, this.time) = (device, isFull, time);
        listener.Start(backlog: 1);
        carrying = CarryAsync();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>Completes when either side has ended.</summary>
    public Task Ended => carrying;

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        listener.Stop();
        await carrying;
        await device.DisposeAsync();
        end.Dispose();
    }

    private async Task CarryAsync()
    {
        try
        {
            using var late = new CancellationTokenSource(TakenWithin, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, end.Token);
            using var socket = await listener.AcceptSocketAsync(either.Token);
            listener.Stop();
            socket.NoDelay = true;
            await using var near = new NetworkStream(socket, ownsSocket: false);
            await Task.WhenAny(CarryAsync(near, device, waits: false), CarryAsync(device, near, waits: true));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Nobody came.
        }
    }

    private async Task CarryAsync(Stream from, Stream to, bool waits)
    {
        var buffer = new byte[BufferBytes];
        try
        {
            while (await from.ReadAsync(buffer, end.Token) is > 0 and var count)
            {
                await to.WriteAsync(buffer.AsMemory(0, count), end.Token);
                await to.FlushAsync(end.Token);
                while (waits && isFull())
                    await Task.Delay(Breath, time, end.Token);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // One of both has gone: so does the other.
        }
    }
}
