using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Muster.Server.Cloudlink;
using Muster.Server.Cloudlink.OpenVpn;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Presence;
using Muster.Tests.Presence;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink.OpenVpn;

/// <summary>The gateway and an openvpn that is played by the test, line by line.</summary>
public sealed class ManagementConversationTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly FakeTimeProvider time = new(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly CloudlinkOptions cloudlink = new() { LoginsPerSecond = 1 };
    private readonly List<IDisposable> owned = [];
    private FleetFixture fleet = null!;
    private FixtureDevice device = null!;
    private PresenceNode node = null!;
    private CloudlinkSessions sessions = null!;
    private ManagementConversation conversation = null!;
    private StreamReader commands = null!;
    private StreamWriter openvpn = null!;
    private Task running = null!;
    private bool isListening;

    public async ValueTask InitializeAsync()
    {
        fleet = await FleetFixture.CreateAsync(TestDatabases.Sqlite);
        device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        node = await PresenceNode.StartAsync(fleet.Database, time);
        sessions = new(node.Presence, new(fleet.Database, time), Options.Create(cloudlink), Options.Create(new PresenceOptions()), new(time), time, NullLogger<CloudlinkSessions>.Instance);
        var admission = new LoginAdmission(Options.Create(cloudlink), time);
        var meter = new CloudlinkMeter(sessions, admission);
        owned.AddRange([sessions, meter]);

        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var far = new TcpClient();
        var near = listener.AcceptTcpClientAsync();
        await far.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        var ends = (await near).GetStream();
        owned.AddRange([far, ends]);
        (commands, openvpn) = (new(far.GetStream()), new(far.GetStream()) { NewLine = "\r\n", AutoFlush = true });
        conversation = new(ends, new(new() { Port = 443 }, node.Presence, sessions, admission, new(TimeSpan.FromSeconds(10), time), meter, time), () => isListening = true);
        running = conversation.RunAsync(CancellationToken.None);
        Assert.Equal(["state on", "bytecount 60"], [await CommandAsync(), await CommandAsync()]);
    }

    public async ValueTask DisposeAsync()
    {
        await openvpn.DisposeAsync();
        await running;
        conversation.Dispose();
        commands.Dispose();
        owned.ForEach(one => one.Dispose());
        await node.DisposeAsync();
        await fleet.Database.DisposeAsync();
    }

    [Fact]
    public async Task It_is_let_go_when_it_waits_and_listens_when_it_says_so()
    {
        await SayAsync(">INFO:OpenVPN Management Interface Version 5", ">HOLD:Waiting for hold release:0");
        Assert.Equal("hold release", await CommandAsync());
        Assert.False(isListening);
        await SayAsync(">STATE:1795382509,CONNECTED,SUCCESS,100.64.0.1,,,,");
        await UntilAsync(() => isListening);
    }

    [Fact]
    public async Task A_device_with_its_key_is_let_in_and_its_tunnel_is_its_session()
    {
        await KnockAsync(0, device.Uuid, device.Key);
        Assert.Equal("client-auth-nt 0 1", await CommandAsync());
        Assert.Null(sessions.Find(device.Uuid));
        await EstablishAsync(0, "100.64.0.3");
        await UntilAsync(() => sessions.Find(device.Uuid) is { From: "10.0.0.9", Kind: SessionKind.OpenVpn });
        await LeaveAsync(0);
        await UntilAsync(() => sessions.Find(device.Uuid) is null);
        Assert.True(node.Presence.Evidence(node.Slot(device))!.Facts.IsActive);
    }

    [Fact]
    public async Task A_wrong_key_is_refused_but_not_at_once()
    {
        await KnockAsync(0, device.Uuid, "another key");
        var refusal = CommandAsync();
        await Task.Delay(50, TestContext.Current.CancellationToken);
        Assert.False(refusal.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("client-deny 0 1 \"refused\"", await refusal);
        await LeaveAsync(0);
    }

    [Fact]
    public async Task One_that_was_never_let_in_ends_nobody_s_session()
    {
        await EnterAsync(0, "100.64.0.3");
        await KnockAsync(1, device.Uuid, "another key");
        await LeaveAsync(1);
        await SayAsync(">STATE:1795382509,CONNECTED,SUCCESS,100.64.0.1,,,,");
        await UntilAsync(() => isListening);
        Assert.NotNull(sessions.Find(device.Uuid));
    }

    [Fact]
    public async Task A_new_log_in_of_a_device_that_ends_its_old_tunnel_does_not_end_its_link()
    {
        await EnterAsync(0, "100.64.0.3");
        await sessions.StartAsync(CancellationToken.None);
        time.Advance(TimeSpan.FromSeconds(1));
        await KnockAsync(1, device.Uuid, device.Key);
        Assert.Equal("client-auth-nt 1 1", await CommandAsync());
        await LeaveAsync(0);
        await UntilAsync(() => sessions.Find(device.Uuid) is null);
        await EstablishAsync(1, "100.64.0.4");
        await UntilAsync(() => sessions.Find(device.Uuid) is not null);
        for (var i = 0; i < 30; i++)
        {
            await node.PassAsync(TimeSpan.FromSeconds(1));
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }

        Assert.Equal(1L, await fleet.ReadAsync("SELECT count(*) FROM transition WHERE fact = 'cloudlink'"));
        await sessions.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task A_tunnel_address_is_openvpn_s_word_and_of_the_pool_or_the_client_is_ended()
    {
        await KnockAsync(0, device.Uuid, device.Key);
        Assert.Equal("client-auth-nt 0 1", await CommandAsync());
        await SayAsync(">CLIENT:ADDRESS,0,192.168.1.1,1", ">CLIENT:ESTABLISHED,0", ">CLIENT:ENV,ifconfig_pool_remote_ip=192.168.1.1", ">CLIENT:ENV,END");
        Assert.Equal("client-kill 0", await CommandAsync());
        Assert.Null(sessions.Find(device.Uuid));
    }

    [Fact]
    public async Task Log_ins_beyond_the_rate_wait_for_their_turn_and_those_who_would_wait_too_long_are_to_come_again()
    {
        // One per second, one second's worth at once: 45 s of patience.
        for (var client = 0; client < 47; client++)
            await KnockAsync(client, device.Uuid, device.Key);
        Assert.Equal("client-auth-nt 0 1", await CommandAsync());
        Assert.Equal("client-auth-nt 1 1", await CommandAsync());
        var next = CommandAsync();
        await KnockAsync(100, device.Uuid, device.Key);
        Assert.Matches("""^client-deny 100 1 "busy" "TEMP\[backoff \d+,advance no\]""", await next);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("client-auth-nt 2 1", await CommandAsync());
    }

    [Fact]
    public async Task One_who_leaves_while_it_waits_for_its_turn_is_not_answered()
    {
        for (var client = 0; client < 4; client++)
            await KnockAsync(client, device.Uuid, device.Key);
        Assert.Equal(["client-auth-nt 0 1", "client-auth-nt 1 1"], [await CommandAsync(), await CommandAsync()]);
        await LeaveAsync(2);
        await SayAsync(">HOLD:");
        Assert.Equal("hold release", await CommandAsync());
        time.Advance(TimeSpan.FromSeconds(1));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("client-auth-nt 3 1", await CommandAsync());
    }

    [Fact]
    public async Task Frames_of_a_device_are_signs_of_life_since_they_were_counted_last()
    {
        await EnterAsync(0, "100.64.0.3");
        var entered = Heard();
        await node.PassAsync(TimeSpan.FromSeconds(10));
        await SayAsync(">BYTECOUNT_CLI:0,2000,100");
        await node.PassAsync(TimeSpan.FromSeconds(10));
        await SayAsync(">BYTECOUNT_CLI:0,3000,100");
        await UntilAsync(() => Heard() > entered);
        // They came at any time since the first count; nothing says that it was later.
        Assert.InRange(Heard()!.Value - entered!.Value, 1, 19_999);
        var heard = Heard();
        await node.PassAsync(TimeSpan.FromSeconds(10));
        await SayAsync(">BYTECOUNT_CLI:0,3000,200", ">STATE:1795382509,CONNECTED,SUCCESS,100.64.0.1,,,,");
        await UntilAsync(() => isListening);
        Assert.Equal(heard, Heard());
        await LeaveAsync(0);
        await UntilAsync(() => sessions.Find(device.Uuid) is null);
        Assert.Equal(heard, Heard());

        long? Heard() => node.Presence.Evidence(node.Slot(device))!.LastContactAt;
    }

    [Fact]
    public async Task A_session_that_is_to_end_is_ended_by_openvpn()
    {
        await EnterAsync(5, "100.64.0.3");
        sessions.Find(device.Uuid)!.End();
        Assert.Equal("client-kill 5", await CommandAsync());
    }

    [Fact]
    public async Task When_openvpn_hangs_up_its_tunnels_are_handed_back_and_lead_nowhere()
    {
        await EnterAsync(0, "100.64.0.3");
        await SayAsync(">FATAL:cannot go on");
        await openvpn.DisposeAsync();
        await running;
        var left = Assert.Single(conversation.TakeSessions("It ended."));
        Assert.Equal("cannot go on", conversation.Fatal);
        Assert.Same(left, sessions.Find(device.Uuid));
        Assert.Equal("It ended.", (await Assert.ThrowsAsync<TunnelException>(() => left.ConnectAsync(80, CancellationToken.None).AsTask())).Message);
    }

    [Fact]
    public async Task An_openvpn_that_does_not_answer_is_given_up()
    {
        while (!running.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(15));
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }

        Assert.Equal("it does not answer", conversation.Fatal);
    }

    private async Task EnterAsync(int client, string address)
    {
        await KnockAsync(client, device.Uuid, device.Key);
        Assert.Equal($"client-auth-nt {client} 1", await CommandAsync());
        await EstablishAsync(client, address);
        await UntilAsync(() => sessions.Find(device.Uuid) is not null);
    }

    private Task KnockAsync(int client, string uuid, string key) =>
        SayAsync($">CLIENT:CONNECT,{client},1", $">CLIENT:ENV,password={key}", ">CLIENT:ENV,untrusted_ip=10.0.0.9", $">CLIENT:ENV,username={uuid}", ">CLIENT:ENV,END");

    private Task EstablishAsync(int client, string address) => SayAsync($">CLIENT:ADDRESS,{client},{address},1", $">CLIENT:ESTABLISHED,{client}", ">CLIENT:ENV,END");

    private Task LeaveAsync(int client) => SayAsync($">CLIENT:DISCONNECT,{client}", ">CLIENT:ENV,END");

    private async Task SayAsync(params string[] lines)
    {
        foreach (var line in lines)
            await openvpn.WriteLineAsync(line);
    }

    private async Task<string?> CommandAsync() => await commands.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Patience);

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var waited = 0; !condition(); waited++)
        {
            Assert.True(waited < 2_000, "It does not come about.");
            await Task.Delay(10);
        }
    }
}
