namespace Muster.Server.Cloudlink.Access;

/// <summary>Settings under <c>Cloudlink:Tunnel</c>: TCP tunnels of people to ports of devices (HTTP CONNECT).</summary>
public sealed class TunnelOptions
{
    /// <summary>Whether the addresses that Muster listens on take CONNECT.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>Tunnels at once; more are refused with 503.</summary>
    public int MaxTunnels { get; set; } = 1_000;

    /// <summary>Tunnels of one person or device at once; more are refused with 503. Tunnel servers are not counted.</summary>
    public int MaxPerCaller { get; set; } = 100;

    /// <summary>A tunnel through which nothing went for so long ends.</summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromHours(1);
}
