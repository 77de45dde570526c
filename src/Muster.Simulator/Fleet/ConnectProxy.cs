using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Muster.Simulator.Devices;

namespace Muster.Simulator.Fleet;

/// <summary>What stands at the far end of a tunnel.</summary>
public enum TunnelEnd
{
    /// <summary>There is no session.</summary>
    NotConnected,

    /// <summary>The tunnel server still counts a session, but nothing comes back any more.</summary>
    Silent,

    /// <summary>The device is there, but nothing listens on that port.</summary>
    NothingListens,

    Supervisor,
}

/// <summary>The devices behind a tunnel server.</summary>
public interface ITunnelEnds
{
    TunnelEnd End(string uuid, int port);

    /// <summary>Null: the device went silent meanwhile.</summary>
    SupervisorReply? Call(string uuid, SupervisorCall call);
}

/// <summary>
/// The HTTP CONNECT proxy of a tunnel server, on the loopback (docs/device-protocol.md, "Tunnels"): <c>{uuid}.balena:{port}</c>, one
/// request of HTTP/1.1 through each tunnel. Whoever shows the proxy's key may pass, and whoever the API says may act on the device.
/// </summary>
public sealed class ConnectProxy : IDisposable
{
    private const int MostConnections = 256;
    private const int MostHeadBytes = 16 * 1024;
    private const int MostBodyBytes = 256 * 1024;

    /// <summary>Longer than a caller waits for a device that does not answer.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly TcpListener listener;
    private readonly byte[] key;
    private readonly SemaphoreSlim slots = new(MostConnections);

    private ConnectProxy(TcpListener listener, string key)
    {
        this.listener = listener;
        this.key = Encoding.UTF8.GetBytes(key);
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <param name="port">0: a free one.</param>
    /// <param name="key">What the server shows as Cloudlink:ProxyKey.</param>
    /// <exception cref="IOException">The port cannot be had.</exception>
    public static ConnectProxy Listen(int port, string key)
    {
        var listener = new TcpListener(IPAddress.Loopback, port);
        try
        {
            listener.Start();
            return new(listener, key);
        }
        catch (SocketException e)
        {
            listener.Dispose();
            throw new IOException(string.Create(CultureInfo.InvariantCulture, $"The proxy cannot listen on port {port}: {e.Message}"), e);
        }
    }

    /// <summary>Serves until cancelled.</summary>
    public async Task RunAsync(ITunnelEnds ends, ServerClient client, CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                await slots.WaitAsync(cancellation);
                try
                {
                    _ = ServeAsync(await listener.AcceptSocketAsync(cancellation), ends, client, cancellation);
                }
                catch (SocketException)
                {
                    // Its caller was gone before it was accepted.
                    slots.Release();
                }
                catch
                {
                    slots.Release();
                    throw;
                }
            }
        }
        finally
        {
            // Those under way end by the same cancellation.
            for (var i = 0; i < MostConnections; i++)
                await slots.WaitAsync(CancellationToken.None);
        }
    }

    private async Task ServeAsync(Socket socket, ITunnelEnds ends, ServerClient client, CancellationToken cancellation)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        life.CancelAfter(Limit);
        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: true);
            if (await HeadAsync(stream, life.Token) is not { } head)
                return;
            if (Target(head.Line) is not var (uuid, port))
                await RefuseAsync(stream, head.Line.StartsWith("CONNECT ", StringComparison.Ordinal) ? "403 Forbidden" : "405 Method Not Allowed", life.Token);
            else if (!await MayPassAsync(head, uuid, port, client, life.Token))
                await RefuseAsync(stream, "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"balena\"", life.Token);
            else
                await TunnelAsync(stream, uuid, port, ends, life.Token);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // The caller went, or waited for too long; so it is with a tunnel.
        }
        finally
        {
            slots.Release();
        }
    }

    private static async Task TunnelAsync(NetworkStream stream, string uuid, int port, ITunnelEnds ends, CancellationToken cancellation)
    {
        switch (ends.End(uuid, port))
        {
            case TunnelEnd.NotConnected:
                await RefuseAsync(stream, "503 Service Unavailable", cancellation);
                return;
            case TunnelEnd.NothingListens:
                await RefuseAsync(stream, "502 Bad Gateway", cancellation);
                return;
            case TunnelEnd.Silent:
                await SilenceAsync(stream, cancellation);
                return;
        }

        await stream.WriteAsync("HTTP/1.0 200 Connection Established\r\n\r\n"u8.ToArray(), cancellation);
        await ServeAsync(stream, uuid, ends, cancellation);
    }

    /// <summary>Answers one request as the device's supervisor.</summary>
    internal static async Task ServeAsync(Stream stream, string uuid, ITunnelEnds ends, CancellationToken cancellation)
    {
        if (await HeadAsync(stream, cancellation) is not { } head || await CallAsync(stream, head, cancellation) is not { } call)
            return;
        if (ends.Call(uuid, call) is not { } reply)
        {
            await SilenceAsync(stream, cancellation);
            return;
        }

        var body = Encoding.UTF8.GetBytes(reply.Body);
        var answer = string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {reply.Status} {(HttpStatusCode)reply.Status}\r\nContent-Type: {reply.ContentType}; charset=utf-8\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), cancellation);
        if (call.Method != "HEAD")
            await stream.WriteAsync(body, cancellation);
    }

    /// <summary>Says nothing until the caller gives up.</summary>
    private static async Task SilenceAsync(Stream stream, CancellationToken cancellation)
    {
        var ignored = new byte[256];
        while (await stream.ReadAsync(ignored, cancellation) > 0)
        {
        }
    }

    private async Task<bool> MayPassAsync(Head head, string uuid, int port, ServerClient client, CancellationToken cancellation)
    {
        var shown = head.Fields.GetValueOrDefault("proxy-authorization") ?? "";
        var decoded = new byte[shown.Length];
        if (!shown.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase) || !Convert.TryFromBase64String(shown[6..].Trim(), decoded, out var length))
            return false;
        var password = decoded.AsMemory(0, length)[(decoded.AsSpan(0, length).IndexOf((byte)':') + 1)..];
        if (password.Length == 0)
            return false;
        if (CryptographicOperations.FixedTimeEquals(password.Span, key))
            return true;
        // A key with other characters could not stand in a header.
        if (password.Span.ContainsAnyExceptInRange((byte)'!', (byte)'~'))
            return false;
        var question = new DeviceRequest(RequestKind.LookUp, "POST", $"/v7/device(uuid='{uuid}')/canAccess", Encoding.ASCII.GetString(password.Span), 0)
        {
            Body = string.Create(CultureInfo.InvariantCulture, $"{{\"action\":{{\"or\":[\"tunnel-any\",\"tunnel-{port}\"]}}}}"),
        };
        return await client.SendAsync(question, Limit, cancellation) is { Status: 200 };
    }

    /// <summary>Whom and which port a CONNECT line names; null when it is none, or names no device.</summary>
    private static (string Uuid, int Port)? Target(string line)
    {
        if (line.Split(' ') is not ["CONNECT", var authority, _])
            return null;
        var (host, text) = authority.Split(':') is [var name, var digits] ? (name, digits) : (authority, "80");
        if (host.Split('.') is not [var uuid, "balena" or "vpn" or "resin"] || uuid.Length == 0 || !uuid.All(char.IsAsciiHexDigitLower))
            return null;
        return ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? (uuid, port) : null;
    }

    private static Task RefuseAsync(NetworkStream stream, string status, CancellationToken cancellation) =>
        stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.0 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), cancellation).AsTask();

    private sealed record Head(string Line, Dictionary<string, string> Fields);

    /// <summary>Null when the caller ended, or sent no head. Reads not beyond it: what follows is another matter.</summary>
    private static async Task<Head?> HeadAsync(Stream stream, CancellationToken cancellation)
    {
        var bytes = new byte[MostHeadBytes];
        var length = 0;
        while (!bytes.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
        {
            if (length == bytes.Length || await stream.ReadAsync(bytes.AsMemory(length, 1), cancellation) == 0)
                return null;
            length++;
        }

        var lines = Encoding.ASCII.GetString(bytes, 0, length).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length == 0)
            return null;
        var fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var line in lines.Skip(1))
        {
            if (line.IndexOf(':') is > 0 and var colon)
                fields[line[..colon]] = line[(colon + 1)..].Trim();
        }

        return new(lines[0], fields);
    }

    /// <summary>Null when it is no request, or too large a one.</summary>
    private static async Task<SupervisorCall?> CallAsync(Stream stream, Head head, CancellationToken cancellation)
    {
        if (head.Line.Split(' ') is not [var method, var target, _])
            return null;
        var size = 0;
        if (head.Fields.TryGetValue("content-length", out var text) && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out size) || size > MostBodyBytes))
            return null;
        var body = new byte[size];
        await stream.ReadExactlyAsync(body, cancellation);
        var (path, query) = target.IndexOf('?') is >= 0 and var mark ? (target[..mark], target[(mark + 1)..]) : (target, "");
        var key = query.Split('&').Where(p => p.StartsWith("apikey=", StringComparison.Ordinal)).Select(p => Uri.UnescapeDataString(p[7..])).FirstOrDefault();
        if (key is null && head.Fields.GetValueOrDefault("authorization")?.Split(' ') is ["Bearer" or "ApiKey", var shown])
            key = shown;
        return new(method, path, key, Encoding.UTF8.GetString(body));
    }

    public void Dispose()
    {
        listener.Dispose();
        slots.Dispose();
    }
}
