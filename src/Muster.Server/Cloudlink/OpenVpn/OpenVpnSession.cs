using System.Net;
using System.Net.Sockets;
using Muster.Server.Cloudlink.Sessions;

namespace Muster.Server.Cloudlink.OpenVpn;

/// <summary>A device's tunnel through the gateway's openvpn: its ports are dialed at the tunnel's address.</summary>
/// <param name="end">Asks openvpn to end the client.</param>
internal sealed class OpenVpnSession(string uuid, string from, long since, IPAddress address, OpenVpnOptions options, TimeProvider time, Action end)
    : DeviceSession(uuid, SessionKind.OpenVpn, from, since)
{
    private const int SocketLevel = 1;
    private const int BindToDevice = 25;

    private readonly byte[] card = [.. options.Interface.Select(c => (byte)c), 0];
    private volatile string? ended;

    /// <summary>From here on nothing is dialed: the address may soon be another device's.</summary>
    public void Ended(string why) => ended = why;

    public override void End() => end();

    public override async ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellation)
    {
        if (ended is { } why)
            throw new TunnelException(why);
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using var late = new CancellationTokenSource(options.ConnectTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellation);
        try
        {
            // Without its interface the address would be sought on the way to the Internet.
            socket.SetRawSocketOption(SocketLevel, BindToDevice, card);
            await socket.ConnectAsync(new IPEndPoint(address, port), either.Token);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (Exception e)
        {
            socket.Dispose();
            throw e switch
            {
                OperationCanceledException when late.IsCancellationRequested => new TunnelException($"The device did not answer on port {port}.", e),
                SocketException { SocketErrorCode: SocketError.ConnectionRefused } => new TunnelException($"Nothing listens on port {port} of the device.", e),
                SocketException { SocketErrorCode: SocketError.TimedOut } => new TunnelException($"The device did not answer on port {port}.", e),
                SocketException => new TunnelException($"The device's tunnel does not lead to port {port}: {e.Message}", e),
                _ => e,
            };
        }
    }
}
