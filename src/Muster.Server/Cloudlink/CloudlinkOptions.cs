namespace Muster.Server.Cloudlink;

/// <summary>Settings under <c>Cloudlink</c>.</summary>
public sealed class CloudlinkOptions
{
    /// <summary>
    /// How long a refused tunnel log-in is kept waiting: a refused OpenVPN client knocks again after 10 s, for ever. Zero
    /// by default, because the stock tunnel server delays its refusals itself.
    /// </summary>
    public TimeSpan DenyDelay { get; set; } = TimeSpan.Zero;

    /// <summary>Port of the HTTP CONNECT proxy on a service instance's address.</summary>
    public int ProxyPort { get; set; } = 3128;

    /// <summary>Service key that Muster shows to that proxy; none when empty.</summary>
    public string ProxyKey { get; set; } = "";

    /// <summary>How long devices are awaited after a gateway of ours ended, before their link counts as down.</summary>
    public TimeSpan ReturnWithin { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Log-ins that the gateways admit per second: after an outage of ours everybody comes at once.</summary>
    public int LoginsPerSecond { get; set; } = 100;

    /// <summary>How long so many devices are awaited: the last of them is admitted only after all the others.</summary>
    public TimeSpan PatienceWith(int devices) => ReturnWithin + TimeSpan.FromSeconds((double)devices / LoginsPerSecond);

    /// <summary>How long a device may take to answer an action.</summary>
    public TimeSpan DeviceTimeout { get; set; } = TimeSpan.FromSeconds(50);

    /// <summary>Actions that may wait for one device.</summary>
    public int QueuedPerDevice { get; set; } = 50;

    /// <summary>Actions that may wait for all devices together.</summary>
    public int QueuedActions { get; set; } = 10_000;

    /// <summary>How long a queued action waits when who queues it does not say.</summary>
    public TimeSpan ActionExpiry { get; set; } = TimeSpan.FromDays(1);

    /// <summary>How long queued actions are kept after their end.</summary>
    public TimeSpan ActionRetention { get; set; } = TimeSpan.FromDays(30);

    public WebSockets.WebSocketGatewayOptions WebSocket { get; set; } = new();

    /// <summary>How long results of health checks and diagnostics are kept; and no more than some of each device.</summary>
    public TimeSpan ExaminationRetention { get; set; } = TimeSpan.FromDays(90);
}
