using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Muster.Protocol.Cloudlink;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Presence;

namespace Muster.Server.Cloudlink.WebSockets;

/// <summary>
/// A device's session over WebSocket. It outlives a connection that broke off: with the token of its last welcome the device
/// goes on with it. State is guarded by the gateway.
/// </summary>
internal sealed class WebSocketSession(string uuid, DeviceSlot slot, string from, long since) : DeviceSession(uuid, SessionKind.WebSocket, from, since)
{
    /// <summary>How long a device may take to dial a port.</summary>
    private static readonly TimeSpan OpenLimit = TimeSpan.FromSeconds(15);

    private readonly byte[] tokenHash = new byte[SHA256.HashSizeInBytes];

    public string Id { get; } = Guid.CreateVersion7().ToString("N");

    public DeviceSlot Slot { get; } = slot;

    /// <summary>Null: it broke off, and may be resumed until <see cref="CutAt"/> and <see cref="ResumableFor"/> say.</summary>
    public CloudlinkConnection? Connection { get; set; }

    /// <summary>Timestamp.</summary>
    public long CutAt { get; set; }

    public TimeSpan ResumableFor { get; set; }

    /// <summary>Timestamp of the last time that presence was told of a sign of life.</summary>
    public long ToldAt { get; set; }

    /// <summary>Timestamp of the last ping of ours.</summary>
    public long AskedAt { get; set; }

    /// <summary>A new token; the one before is worth nothing any more.</summary>
    public string NewToken()
    {
        var token = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        SHA256.HashData(Encoding.ASCII.GetBytes(token), tokenHash);
        return token;
    }

    /// <summary>Whether this is the token of the last welcome. Constant-time.</summary>
    public bool HasToken(ReadOnlySpan<byte> hash) => CryptographicOperations.FixedTimeEquals(hash, tokenHash);

    public override async ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellation)
    {
        var connection = Connection ?? throw new TunnelException("The device's tunnel broke off a moment ago; it is expected back.");
        try
        {
            return await connection.OpenAsync(port, OpenLimit, cancellation);
        }
        catch (IOException e)
        {
            throw new TunnelException(e.Message, e);
        }
    }

    public override void End() => _ = Connection?.SayGoodbyeAsync("ended");
}
