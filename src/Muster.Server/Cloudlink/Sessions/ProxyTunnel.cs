using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Options;

namespace Muster.Server.Cloudlink.Sessions;

/// <summary>The way to devices of an external tunnel server: the HTTP CONNECT proxy at its address (docs/device-protocol.md, "Tunnels").</summary>
internal sealed class ProxyTunnel(IOptions<CloudlinkOptions> options)
{
    private const int MaxAnswerBytes = 8 * 1024;

    /// <exception cref="TunnelException">The tunnel server cannot be reached, or refuses.</exception>
    public async ValueTask<Stream> ConnectAsync(TunnelledDevice device, int port, CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(device.InstanceAddress, options.Value.ProxyPort, cancellation);
            var stream = new NetworkStream(socket, ownsSocket: true);
            var credentials = options.Value.ProxyKey is { Length: > 0 } key
                ? $"Proxy-Authorization: Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes("resin_api:" + key))}\r\n"
                : "";
            var target = $"{device.Uuid}.balena:{port}";
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n"), cancellation);
            if (await StatusAsync(stream, cancellation) is var status && status != 200)
                throw new TunnelException($"The tunnel server answered {status}.");
            return stream;
        }
        catch (Exception e)
        {
            socket.Dispose();
            throw e is SocketException or IOException ? new TunnelException("The tunnel server cannot be reached.", e) : e;
        }
    }

    /// <summary>Status of the proxy's answer; reads it to its end and not beyond: from there on the device speaks.</summary>
    private static async ValueTask<int> StatusAsync(Stream stream, CancellationToken cancellation)
    {
        var answer = new byte[MaxAnswerBytes];
        var length = 0;
        while (!answer.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
        {
            if (length == answer.Length || await stream.ReadAsync(answer.AsMemory(length, 1), cancellation) == 0)
                throw new TunnelException("The tunnel server's answer is no HTTP.");
            length++;
        }

        // "HTTP/1.1 200 …"
        return length > 12 && int.TryParse(answer.AsSpan(9, 3), out var status) ? status : 0;
    }
}
