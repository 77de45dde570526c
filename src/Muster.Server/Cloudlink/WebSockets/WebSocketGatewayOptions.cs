namespace Muster.Server.Cloudlink.WebSockets;

/// <summary>Settings under <c>Cloudlink:WebSocket</c>.</summary>
public sealed class WebSocketGatewayOptions
{
    /// <summary>Sessions at once; more are answered 503. 0: three quarters of the connections that the listener takes, so that the devices' requests still find room.</summary>
    public int MaxSessions { get; set; }

    /// <summary>After so long a silence, either side asks the other for a sign.</summary>
    public TimeSpan Ping { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>After so long a silence, either side takes the other for gone.</summary>
    public TimeSpan Keepalive { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long after its connection broke off a session may be resumed; never longer than its keepalive has left.</summary>
    public TimeSpan Resume { get; set; } = TimeSpan.FromSeconds(10);
}
