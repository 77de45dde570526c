namespace Muster.Server.Cloudlink.Sessions;

/// <summary>There is no way to the device, or to this port of it, now.</summary>
internal sealed class TunnelException(string message, Exception? inner = null) : Exception(message, inner);
