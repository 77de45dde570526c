namespace Muster.Server.Cloudlink.Sessions;

internal enum SessionKind
{
    OpenVpn,

    WebSocket,
}

/// <summary>One tunnel of one device, held by a gateway of this node, which alone ends it.</summary>
/// <param name="uuid">The device, as it has proved with its key.</param>
/// <param name="from">Address it came from.</param>
/// <param name="since">Unix ms.</param>
internal abstract class DeviceSession(string uuid, SessionKind kind, string from, long since)
{
    public string Uuid { get; } = uuid;

    public SessionKind Kind { get; } = kind;

    public string From { get; } = from;

    public long Since { get; } = since;

    /// <summary>SHA-256 of the key with which the device proved itself last: when the key ends, so does the session. Null: judged by the device alone.</summary>
    public byte[]? KeyHash { get; set; }

    /// <summary>Opens a byte stream to a TCP port of the device.</summary>
    /// <exception cref="TunnelException">The device does not take the connection.</exception>
    public abstract ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellation);

    /// <summary>Asks the gateway to end it; returns at once.</summary>
    public abstract void End();
}
