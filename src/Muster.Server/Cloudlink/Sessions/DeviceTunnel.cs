namespace Muster.Server.Cloudlink.Sessions;

/// <summary>A device that a tunnel leads to, and the service instance that holds the tunnel.</summary>
/// <param name="InstanceAddress">Of the service instance, for those that are not this node's own.</param>
internal sealed record TunnelledDevice(long Id, string Uuid, long InstanceId, string InstanceAddress, int? ApiPort, string? ApiSecret, long OrganizationId);

/// <summary>
/// The one way to a device: a byte stream to a port of it, over whichever tunnel it holds open. The device API, TCP
/// tunnels, SSH and public URLs all come through here.
/// </summary>
internal sealed class DeviceTunnel(CloudlinkSessions sessions, GatewayInstance own, ProxyTunnel proxy)
{
    /// <exception cref="TunnelException">The device, or this port of it, cannot be reached.</exception>
    public ValueTask<Stream> ConnectAsync(TunnelledDevice device, int port, CancellationToken cancellation)
    {
        // A session here is newer news than what was read of the device.
        if (sessions.Find(device.Uuid) is { } session)
            return session.ConnectAsync(port, cancellation);
        return device.InstanceId == own.Id
            ? throw new TunnelException("The device's tunnel broke off a moment ago; it is expected back.")
            : proxy.ConnectAsync(device, port, cancellation);
    }
}
