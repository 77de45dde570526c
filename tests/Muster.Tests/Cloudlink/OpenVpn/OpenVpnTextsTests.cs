using System.Net;
using Muster.Server.Cloudlink.OpenVpn;
using Muster.Server.Hosting;

namespace Muster.Tests.Cloudlink.OpenVpn;

public sealed class OpenVpnTextsTests
{
    private static readonly OpenVpnOptions Options = new() { Port = 443 };

    [Fact]
    public void The_gateway_asks_Muster_who_may_enter_and_ends_with_it()
    {
        var lines = Server(Options);
        Assert.Superset(new HashSet<string> { "management-client", "management-client-auth", "management-hold", "username-as-common-name", "verify-client-cert none", "compress migrate" }, lines);
        Assert.DoesNotContain("client-to-client", lines);
        Assert.DoesNotContain("duplicate-cn", lines);
    }

    [Fact]
    public void A_dead_peer_is_noticed_within_the_keepalive_time_at_both_ends()
    {
        var lines = Server(new() { Port = 443, Keepalive = TimeSpan.FromSeconds(30) });
        Assert.Superset(new HashSet<string> { "ping 10", "ping-exit 29", "push \"ping 10\"", "push \"ping-exit 30\"" }, lines);
    }

    [Fact]
    public void Clients_are_given_no_route() => Assert.DoesNotContain(Server(Options), line => line.StartsWith("push \"route", StringComparison.Ordinal) || line.Contains("redirect-gateway", StringComparison.Ordinal));

    [Theory]
    [InlineData("tcp", "0.0.0.0", "proto tcp4-server", "tcp-nodelay")]
    [InlineData("tcp", "::", "proto tcp6-server", "tcp-nodelay")]
    [InlineData("udp", "0.0.0.0", "proto udp4", "multihome")]
    public void It_listens_where_the_options_say(string protocol, string address, string expected, string also)
    {
        var lines = Server(new() { Port = 1194, Protocol = protocol, Listen = address });
        Assert.Superset(new HashSet<string> { expected, also, "port 1194", $"local {address}" }, lines);
    }

    [Fact]
    public void Only_a_privileged_Muster_changes_the_user()
    {
        Assert.DoesNotContain(Server(Options), line => line.StartsWith("user ", StringComparison.Ordinal));
        Assert.Contains("user nobody", OpenVpnTexts.Server(Options, ("nobody", "nogroup")).Split('\n'));
    }

    [Theory]
    [InlineData("100.64.0.0/16", "100.64.0.3", "100.64.255.254", "255.255.0.0")]
    [InlineData("100.64.0.0/10", "100.64.0.3", "100.64.255.255", "255.192.0.0")]
    [InlineData("10.9.8.16/28", "10.9.8.19", "10.9.8.30", "255.255.255.240")]
    public void Devices_get_the_pool_but_for_its_first_and_last_addresses(string cidr, string first, string last, string mask)
    {
        var pool = AddressPool.Parse(cidr);
        Assert.Equal((first, last, mask), (pool.FirstOfDevices.ToString(), pool.LastOfDevices.ToString(), pool.Mask.ToString()));
        Assert.True(pool.Holds(pool.LastOfDevices));
        Assert.False(pool.Holds(IPAddress.Parse("192.0.2.1")));
    }

    [Fact]
    public void A_device_s_file_names_the_gateway_and_the_paths_of_the_os()
    {
        var lines = OpenVpnTexts.Client(Options, "muster.test", 4443).Split('\n').ToHashSet();
        Assert.Superset(
            new HashSet<string> { "client", "remote muster.test 4443", "proto tcp", "dev resin-vpn", "ca /etc/openvpn/ca.crt", "auth-user-pass /var/volatile/vpn-auth", "remote-cert-tls server" }, lines);
    }

    [Fact]
    public void The_filter_replaces_itself_and_names_the_tunnels_interface()
    {
        var filter = OpenVpnTexts.Filter(new() { Port = 443, Interface = "tun-a" });
        Assert.StartsWith("table inet muster_tun_a {}\ndelete table inet muster_tun_a\n", filter, StringComparison.Ordinal);
        Assert.Contains("iifname \"tun-a\" drop", filter, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Port", 70_000)]
    [InlineData("Protocol", "sctp")]
    [InlineData("Listen", "here")]
    [InlineData("Pool", "100.64.0.0/30")]
    [InlineData("Pool", "fd00::/64")]
    [InlineData("EndpointHost", "a b")]
    [InlineData("MaxClients", 0)]
    [InlineData("Interface", "eth0")]
    [InlineData("Interface", "tun\"; drop")]
    [InlineData("Firewall", "ufw")]
    public void A_setting_that_cannot_be_used_is_named(string setting, object value)
    {
        var options = new OpenVpnOptions { Port = 443 };
        typeof(OpenVpnOptions).GetProperty(setting)!.SetValue(options, value);
        Assert.StartsWith($"Cloudlink:OpenVpn:{setting} ", Assert.Throws<SettingException>(options.Check).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("CapEff:\t0000000000001000\nCapAmb:\t0000000000000000", true, true)]
    [InlineData("CapEff:\t0000000000001000\nCapAmb:\t0000000000000000", false, false)]
    [InlineData("CapEff:\t0000000000001000\nCapAmb:\t0000000000001400", false, true)]
    [InlineData("CapEff:\t0000000000000fff", true, false)]
    [InlineData("", true, false)]
    public void The_right_to_set_up_interfaces_is_root_s_or_one_that_is_passed_on(string status, bool isRoot, bool expected) =>
        Assert.Equal(expected, OpenVpnNeeds.HasNetAdmin(status, isRoot));

    private static HashSet<string> Server(OpenVpnOptions options) => [.. OpenVpnTexts.Server(options, unprivileged: null).Split('\n')];
}
