using System.Net;
using System.Net.Sockets;
using Muster.Server.Hosting;

namespace Muster.Server.Cloudlink.OpenVpn;

/// <summary>Settings under <c>Cloudlink:OpenVpn</c>. Without a port there is no gateway.</summary>
public sealed class OpenVpnOptions
{
    private const int MaxPort = 65_535;

    /// <summary>Where openvpn listens; 0: no gateway.</summary>
    public int Port { get; set; }

    /// <summary><c>tcp</c> or <c>udp</c>.</summary>
    public string Protocol { get; set; } = "tcp";

    /// <summary>Address to listen on; <c>::</c> for IPv6 and IPv4.</summary>
    public string Listen { get; set; } = "0.0.0.0";

    /// <summary>Addresses of the tunnels, as CIDR. OpenVPN hands out at most 65,533 of them.</summary>
    public string Pool { get; set; } = "100.64.0.0/16";

    /// <summary>A peer that has been silent for so long is dead, for either side. Pings go at a third of it.</summary>
    public TimeSpan Keepalive { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Host under which devices reach the gateway; when empty, the first of <c>--hostname</c>, else the host under which they reach the API.</summary>
    public string EndpointHost { get; set; } = "";

    /// <summary>Port under which devices reach the gateway, where it is not the one listened on; 0: the same.</summary>
    public int EndpointPort { get; set; }

    /// <summary>Devices that the gateway holds at once.</summary>
    public int MaxClients { get; set; } = 5_000;

    /// <summary>openvpn's path, or its name in PATH.</summary>
    public string Executable { get; set; } = "openvpn";

    /// <summary>Name of the tunnel's network interface on this machine.</summary>
    public string Interface { get; set; } = "tun-muster";

    /// <summary>What keeps devices from this machine and from each other: <c>nft</c>, or <c>none</c> where the operator filters the interface.</summary>
    public string Firewall { get; set; } = "nft";

    /// <summary>How long a refused device waits for the answer: it knocks again 10 s after it, for ever.</summary>
    public TimeSpan DenyDelay { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a port of a device may take to accept a connection.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    internal bool IsOn => Port != 0;

    internal bool IsUdp => Protocol == "udp";

    internal int KeepaliveSeconds => (int)Math.Ceiling(Keepalive.TotalSeconds);

    internal int PingSeconds => Math.Max(1, KeepaliveSeconds / 3);

    /// <exception cref="SettingException">One of them cannot be used; the message says which.</exception>
    internal void Check()
    {
        Require(Port is > 0 and <= MaxPort, "Port", $"is no port (1 to {MaxPort})");
        Require(EndpointPort is >= 0 and <= MaxPort, "EndpointPort", $"is no port (1 to {MaxPort}; 0: the same as Port)");
        Require(Protocol is "tcp" or "udp", "Protocol", "is neither tcp nor udp");
        Require(IPAddress.TryParse(Listen, out _), "Listen", "is no IP address");
        Require(Keepalive >= TimeSpan.FromSeconds(3) && Keepalive <= TimeSpan.FromHours(1), "Keepalive", "is not between 3 s and 1 h");
        Require(EndpointHost.Length == 0 || Uri.CheckHostName(EndpointHost) != UriHostNameType.Unknown, "EndpointHost", "is no host name");
        Require(MaxClients is > 0 and <= AddressPool.MaxAddresses, "MaxClients", $"is not between 1 and {AddressPool.MaxAddresses}");
        Require(Interface.Length is > 3 and <= 15 && Interface.StartsWith("tun", StringComparison.Ordinal) && Interface.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'),
            "Interface", "is no interface name (4 to 15 letters, digits, '-' or '_', beginning with tun)");
        Require(Firewall is "nft" or "none", "Firewall", "is neither nft nor none");
        Require(DenyDelay >= TimeSpan.Zero && DenyDelay <= TimeSpan.FromSeconds(30), "DenyDelay", "is not between 0 and 30 s");
        Require(ConnectTimeout > TimeSpan.Zero && ConnectTimeout <= TimeSpan.FromMinutes(2), "ConnectTimeout", "is not between 0 and 2 min");
        _ = AddressPool.Parse(Pool);
    }

    private static void Require(bool condition, string setting, string complaint)
    {
        if (!condition)
            throw new SettingException($"Cloudlink:OpenVpn:{setting} {complaint}.");
    }
}

/// <summary>The addresses of the tunnels: the first is the gateway's own, the second stands for the other ends, devices get the rest.</summary>
internal readonly record struct AddressPool(IPAddress Network, int Prefix)
{
    /// <summary>openvpn keeps no longer list.</summary>
    public const int MaxAddresses = 65_533;

    private uint First => BitConverter.ToUInt32([.. Network.GetAddressBytes().Reverse()]);

    public IPAddress Gateway => At(1);

    public IPAddress Peer => At(2);

    public IPAddress FirstOfDevices => At(3);

    /// <summary>The network's last address is left out: it is its broadcast address.</summary>
    public IPAddress LastOfDevices => At((uint)Math.Min((1L << (32 - Prefix)) - 2, MaxAddresses + 2));

    public IPAddress Mask => Of(uint.MaxValue << (32 - Prefix));

    /// <exception cref="SettingException">It is no IPv4 network, or one too small or too large.</exception>
    public static AddressPool Parse(string cidr)
    {
        if (!IPNetwork.TryParse(cidr, out var network) || network.BaseAddress.AddressFamily != AddressFamily.InterNetwork || network.PrefixLength is < 8 or > 28)
            throw new SettingException($"Cloudlink:OpenVpn:Pool '{cidr}' is no IPv4 network of a prefix from 8 to 28, as 100.64.0.0/16 is one.");
        return new(network.BaseAddress, network.PrefixLength);
    }

    public bool Holds(IPAddress address) => new IPNetwork(Network, Prefix).Contains(address);

    private IPAddress At(uint offset) => Of(First + offset);

    private static IPAddress Of(uint address) => new([.. BitConverter.GetBytes(address).Reverse()]);
}
