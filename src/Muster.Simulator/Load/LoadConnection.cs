using System.Buffers.Text;
using System.Net.Sockets;
using System.Text;

namespace Muster.Simulator.Load;

/// <summary>
/// HTTP/1.1 over one kept connection, with requests that are bytes already: generator and server share the same cores, and
/// an HttpClient would cost more than the server it measures.
/// </summary>
public sealed class LoadConnection(string host, int port) : IDisposable
{
    private Socket? socket;
    private byte[] buffer = new byte[16 * 1024];

    /// <summary>Body and ETag of the last answer.</summary>
    public ReadOnlyMemory<byte> Body { get; private set; }

    public string? ETag { get; private set; }

    /// <summary>The status of the answer.</summary>
    /// <exception cref="IOException">The connection broke; the next call opens a new one.</exception>
    public async ValueTask<int> SendAsync(ReadOnlyMemory<byte> request, bool keepHead, CancellationToken cancellation)
    {
        try
        {
            if (socket is null)
            {
                socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(host, port, cancellation);
            }

            await socket.SendAsync(request, SocketFlags.None, cancellation);
            return await ReceiveAsync(keepHead, cancellation);
        }
        catch (Exception e) when (e is SocketException or IOException or OperationCanceledException)
        {
            socket?.Dispose();
            socket = null;
            throw e as IOException ?? new IOException(e.Message, e);
        }
    }

    private async ValueTask<int> ReceiveAsync(bool keepHead, CancellationToken cancellation)
    {
        var length = 0;
        var (head, total, chunked) = (-1, -1, false);
        while (true)
        {
            if (length == buffer.Length)
                Array.Resize(ref buffer, buffer.Length * 2);
            var read = await socket!.ReceiveAsync(buffer.AsMemory(length), SocketFlags.None, cancellation);
            if (read == 0)
                throw new IOException("The server closed the connection.");
            length += read;
            if (head < 0)
            {
                head = buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8);
                if (head < 0)
                    continue;
                (total, chunked) = Frame(buffer.AsSpan(0, head), head);
            }

            var isWhole = chunked ? buffer.AsSpan(0, length).EndsWith("0\r\n\r\n"u8) : length >= total;
            if (!isWhole)
                continue;
            if (head < 12 || !Utf8Parser.TryParse(buffer.AsSpan(9, 3), out int status, out _))
                throw new IOException("The answer is not HTTP.");
            Body = buffer.AsMemory(head + 4, length - head - 4);
            ETag = keepHead ? Header(buffer.AsSpan(0, head), "\r\nETag: "u8) : null;
            return status;
        }
    }

    private static (int Total, bool Chunked) Frame(ReadOnlySpan<byte> bytes, int head)
    {
        if (bytes.IndexOf("Transfer-Encoding: chunked"u8) >= 0)
            return (0, true);
        var at = bytes.IndexOf("Content-Length: "u8);
        return at >= 0 && Utf8Parser.TryParse(bytes[(at + 16)..], out int length, out _) ? (head + 4 + length, false) : (head + 4, false);
    }

    private static string? Header(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> name)
    {
        var at = bytes.IndexOf(name);
        if (at < 0)
            return null;
        var value = bytes[(at + name.Length)..];
        var end = value.IndexOf("\r\n"u8);
        return Encoding.ASCII.GetString(end < 0 ? value : value[..end]);
    }

    public void Dispose() => socket?.Dispose();
}
