using System.Net;
using System.Net.Sockets;

namespace Muster.Server.Cloudlink.OpenVpn;

/// <summary>The texts that set up the gateway's openvpn, its filter, and the devices' openvpn. Pure.</summary>
internal static class OpenVpnTexts
{
    public const string AuthorityFile = "ca.pem";
    public const string CertificateFile = "server.pem";
    public const string KeyFile = "server-key.pem";
    public const string SocketFile = "management.sock";
    public const string PidFile = "openvpn.pid";

    /// <summary>
    /// The gateway's side. Files stand in its working directory. <c>management-client</c>: openvpn ends when Muster does, in
    /// whichever way. <c>compress migrate</c>: devices whose own file says <c>comp-lzo</c> are understood as well.
    /// </summary>
    /// <param name="unprivileged">User and group to run as once everything is open; null where Muster has no right to change them.</param>
    public static string Server(OpenVpnOptions options, (string User, string Group)? unprivileged)
    {
        var pool = AddressPool.Parse(options.Pool);
        var family = IPAddress.Parse(options.Listen).AddressFamily is AddressFamily.InterNetworkV6 ? "6" : "4";
        var protocol = options.IsUdp ? $"udp{family}" : $"tcp{family}-server";
        string[] lines =
        [
            "mode server",
            "tls-server",
            $"proto {protocol}",
            $"local {options.Listen}",
            $"port {options.Port}",
            $"dev {options.Interface}",
            "dev-type tun",
            "topology p2p",
            $"ca {AuthorityFile}",
            $"cert {CertificateFile}",
            $"key {KeyFile}",
            "dh none",
            "tls-version-min 1.2",
            "verify-client-cert none",
            "username-as-common-name",
            "compress migrate",
            "ignore-unknown-option disable-dco",
            "disable-dco",
            $"management {SocketFile} unix",
            "management-client",
            "management-client-auth",
            "management-hold",
            $"ifconfig {pool.Gateway} {pool.Peer}",
            $"ifconfig-pool {pool.FirstOfDevices} {pool.LastOfDevices}",
            $"route {pool.Network} {pool.Mask}",
            $"max-clients {options.MaxClients}",
            $"ping {options.PingSeconds}",
            // openvpn looks at its clock about once a second.
            $"ping-exit {options.KeepaliveSeconds - 1}",
            $"push \"ping {options.PingSeconds}\"",
            $"push \"ping-exit {options.KeepaliveSeconds}\"",
            "reneg-sec 0",
            "hand-window 60",
            // Without it a machine with several addresses answers from another one than it was asked at.
            options.IsUdp ? "multihome" : "tcp-nodelay",
            "persist-key",
            "persist-tun",
            .. unprivileged is { } who ? [$"user {who.User}", $"group {who.Group}"] : Array.Empty<string>(),
            $"writepid {PidFile}",
            "suppress-timestamps",
            "verb 1",
        ];
        return Joined(lines);
    }

    /// <summary>What the OS of a device writes into its openvpn.conf; paths, interface and scripts are those of the OS (docs/device-protocol.md, "Tunnels").</summary>
    public static string Client(OpenVpnOptions options, string host, int port) => Joined(
    [
        "client",
        $"remote {host} {port}",
        "resolv-retry infinite",
        "remote-cert-tls server",
        "tls-version-min 1.2",
        "ca /etc/openvpn/ca.crt",
        "auth-user-pass /var/volatile/vpn-auth",
        "auth-retry none",
        "script-security 2",
        "up /etc/openvpn-misc/upscript.sh",
        "up-restart",
        "down /etc/openvpn-misc/downscript.sh",
        "dev resin-vpn",
        "dev-type tun",
        $"proto {options.Protocol}",
        "nobind",
        "persist-key",
        "persist-tun",
        "verb 3",
        "user openvpn",
        "group openvpn",
        "reneg-bytes 0",
        "reneg-pkts 0",
        "reneg-sec 0",
    ]);

    /// <summary>
    /// What nft loads: from the tunnels nothing reaches this machine but answers to what it began, and nothing is passed on
    /// to or from them, whether or not the machine forwards. Loaded again, it replaces itself.
    /// </summary>
    public static string Filter(OpenVpnOptions options)
    {
        var table = FilterTable(options);
        return Joined(
        [
            $"table inet {table} {{}}",
            $"delete table inet {table}",
            $"table inet {table} {{",
            "chain input {",
            "type filter hook input priority mangle; policy accept;",
            $"iifname \"{options.Interface}\" ct state established,related accept",
            $"iifname \"{options.Interface}\" drop",
            "}",
            "chain forward {",
            "type filter hook forward priority mangle; policy accept;",
            $"iifname \"{options.Interface}\" drop",
            $"oifname \"{options.Interface}\" drop",
            "}",
            "}",
        ]);
    }

    public static string FilterTable(OpenVpnOptions options) => $"muster_{options.Interface.Replace('-', '_')}";

    private static string Joined(string[] lines) => string.Join('\n', lines) + "\n";
}
