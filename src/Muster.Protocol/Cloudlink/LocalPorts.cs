using System.Net;
using System.Net.Sockets;

namespace Muster.Protocol.Cloudlink;

/// <summary>The TCP ports of the device itself.</summary>
public static class LocalPorts
{
    /// <summary>Dials the port on the loopback; nobody serves it when nothing listens there.</summary>
    public static ValueTask<CloudlinkService?> DialAsync(int port, CancellationToken cancellation) => DialAsync(IPAddress.Loopback, port, cancellation);

    /// <summary>The same for a service that listens on another address of the device.</summary>
    public static async ValueTask<CloudlinkService?> DialAsync(IPAddress address, int port, CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(new IPEndPoint(address, port), cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            socket.Dispose();
            return null;
        }

        return (stream, until) => CarryAsync(stream, socket, until);
    }

    private static async Task CarryAsync(CloudlinkStream stream, Socket socket, CancellationToken cancellation)
    {
        await using var local = new NetworkStream(socket, ownsSocket: true);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        async Task EachWayAsync(Stream from, Stream to, Func<ValueTask> completed)
        {
            try
            {
                await from.CopyToAsync(to, end.Token).ConfigureAwait(false);
                await completed().ConfigureAwait(false);
            }
            catch
            {
                await end.CancelAsync().ConfigureAwait(false);
                throw;
            }
        }

        await Task.WhenAll(
            EachWayAsync(local, stream, stream.CompleteWritingAsync),
            EachWayAsync(stream, local, () =>
            {
                socket.Shutdown(SocketShutdown.Send);
                return ValueTask.CompletedTask;
            })).ConfigureAwait(false);
    }
}
