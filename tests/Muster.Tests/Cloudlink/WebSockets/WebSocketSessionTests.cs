using System.Net;
using System.Net.WebSockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Muster.Protocol.Cloudlink;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Cloudlink.WebSockets;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink.WebSockets;

/// <summary>How a device's session over WebSocket begins, goes on and ends, and what is told of it.</summary>
public sealed class WebSocketSessionTests
{
    [Fact]
    public async Task Who_is_no_device_with_its_key_is_refused_in_a_sentence()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var (device, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        Assert.Equal(HttpStatusCode.Unauthorized, await RefusedAsync(server, device.Uuid, other.Key));
        Assert.Equal(HttpStatusCode.Unauthorized, await RefusedAsync(server, "b0055ea600a49135200a91074580da71", device.Key));
        Assert.Equal(HttpStatusCode.Unauthorized, await RefusedAsync(server, device.Uuid, ""));
        Assert.Equal(HttpStatusCode.BadRequest, await RefusedAsync(server, "", device.Key));
        var plain = await server.GetAsync($"/cloudlink/v1?uuid={device.Uuid}", device.Key);
        Assert.Equal((426, "This is the WebSocket of devices; it wants an upgrade."), (plain.Status, plain.Sentence));
        Assert.False(await IsConnectedAsync(server, device));
    }

    [Fact]
    public async Task The_welcome_tells_the_session_and_both_periods()
    {
        await using var server = await ServerWithFleet.StartAsync(configure: Set(("Ping", "00:00:07"), ("Keepalive", "00:00:20")));
        var device = await server.AddDeviceAsync();
        using var link = await RawLink.OpenAsync(server, device);
        var welcome = await link.WelcomeAsync();
        Assert.Equal((7, 20), (welcome.PingSeconds, welcome.KeepaliveSeconds));
        Assert.Matches("^[0-9a-f]{32}$", welcome.Session!);
        Assert.Matches("^[A-Za-z0-9_-]{43}$", welcome.Resume!);
        await UntilConnectedAsync(server, device, true);
    }

    [Fact]
    public async Task What_the_gateway_holds_and_admits_and_refuses_is_counted()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var (device, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        using var link = await RawLink.OpenAsync(server, device);
        await link.WelcomeAsync();
        await RefusedAsync(server, device.Uuid, other.Key);

        // Other tests' servers in this process count too.
        var counted = (await server.GetAsync("/metrics", null)).Text;
        Assert.Matches("""muster_cloudlink_sessions\{[^}]*gateway="websocket"[^}]*\} [1-9]""", counted);
        Assert.Matches("""muster_cloudlink_logins_total\{[^}]*gateway="websocket",outcome="admitted"[^}]*\} [1-9]""", counted);
        Assert.Matches("""muster_cloudlink_logins_total\{[^}]*gateway="websocket",outcome="refused"[^}]*\} [1-9]""", counted);
    }

    [Fact]
    public async Task Either_side_answers_a_ping_and_the_server_asks_a_device_that_does_not()
    {
        await using var server = await ServerWithFleet.StartAsync(configure: Set(("Ping", "00:00:00.5"), ("Keepalive", "00:01:00")));
        var device = await server.AddDeviceAsync();
        using var link = await RawLink.OpenAsync(server, device);
        await link.WelcomeAsync();
        await link.SayAsync("""{"type":"ping"}""");
        Assert.Equal("""{"type":"pong"}""", await link.HearAsync());
        Assert.Equal("""{"type":"ping"}""", await link.HearAsync());
    }

    [Fact]
    public async Task A_device_that_is_silent_is_gone_within_the_keepalive_and_a_second()
    {
        await using var server = await ServerWithFleet.StartAsync(configure: Set(("Ping", "00:00:01"), ("Keepalive", "00:00:03")));
        var record = await server.AddDeviceAsync();
        await using var device = new TunnelledDevice(server.Server, record);
        await device.ConnectedAsync();
        await UntilConnectedAsync(server, record, true);
        // Kept up by pings far beyond the keepalive.
        await Task.Delay(4_500);
        Assert.True(await IsConnectedAsync(server, record));

        device.Network.IsSilent = true;
        var (silent, silentAt) = (TimeProvider.System.GetTimestamp(), TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
        await UntilConnectedAsync(server, record, false);
        // The end of a session in silence is no sign of life.
        Assert.True(server.Presence.TryFind(record.Uuid, out var slot));
        Assert.InRange(server.Presence.Evidence(slot)!.LastContactAt!.Value, 1, silentAt + 500);
        // The last sign came at most one ping interval before; the rest is what a busy machine needs.
        Assert.InRange(TimeProvider.System.GetElapsedTime(silent), TimeSpan.FromSeconds(1.9), TimeSpan.FromSeconds(8));
        device.Network.IsSilent = false;
        await UntilConnectedAsync(server, record, true);
    }

    [Fact]
    public async Task A_goodbye_ends_the_session_at_once()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var record = await server.AddDeviceAsync();
        var device = new TunnelledDevice(server.Server, record);
        await device.ConnectedAsync();
        await UntilConnectedAsync(server, record, true);
        var before = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        await device.DisposeAsync();
        await UntilConnectedAsync(server, record, false);
        Assert.Equal(0, Gateway(server).Count);
        // With its goodbye the device was heard.
        Assert.True(server.Presence.TryFind(record.Uuid, out var slot));
        Assert.True(server.Presence.Evidence(slot)!.LastContactAt >= before);
    }

    [Fact]
    public async Task A_device_that_was_cut_goes_on_with_its_session_and_nobody_notices()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var record = await server.AddDeviceAsync();
        await using var device = new TunnelledDevice(server.Server, record);
        var session = await device.ConnectedAsync();
        await UntilConnectedAsync(server, record, true);
        var (since, transitions) = (await SinceAsync(server, record), await TransitionsAsync(server, record));
        for (var i = 0; i < 3; i++)
        {
            device.Network.Cut();
            Assert.Equal(session, await device.ConnectedAsync());
        }

        await UntilOpenAsync(server, record);
        Assert.Equal((since, transitions), (await SinceAsync(server, record), await TransitionsAsync(server, record)));
        Assert.Equal(1, Gateway(server).Count);
    }

    [Fact]
    public async Task A_device_that_noticed_the_cut_first_takes_its_session_over()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var record = await server.AddDeviceAsync();
        using var before = await RawLink.OpenAsync(server, record);
        var welcome = await before.WelcomeAsync();
        using var after = await RawLink.OpenAsync(server, record, welcome.Resume);
        Assert.Equal(welcome.Session, (await after.WelcomeAsync()).Session);
        await Assert.ThrowsAnyAsync<WebSocketException>(before.HearAsync);
        Assert.Equal(1, Gateway(server).Count);
        await UntilConnectedAsync(server, record, true);
    }

    [Fact]
    public async Task A_token_is_good_once_and_only_for_its_device()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var (device, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        using var first = await RawLink.OpenAsync(server, device);
        var welcome = await first.WelcomeAsync();
        using var elsewhere = await RawLink.OpenAsync(server, other, welcome.Resume);
        Assert.NotEqual(welcome.Session, (await elsewhere.WelcomeAsync()).Session);
        using var wrong = await RawLink.OpenAsync(server, device, "d3Jvbmc");
        Assert.NotEqual(welcome.Session, (await wrong.WelcomeAsync()).Session);
        using var second = await RawLink.OpenAsync(server, device, welcome.Resume);
        Assert.Equal(welcome.Session, (await second.WelcomeAsync()).Session);
        using var again = await RawLink.OpenAsync(server, device, welcome.Resume);
        Assert.NotEqual(welcome.Session, (await again.WelcomeAsync()).Session);
    }

    [Fact]
    public async Task After_the_resume_time_the_link_is_down_and_the_token_worthless()
    {
        await using var server = await ServerWithFleet.StartAsync(configure: Set(("Resume", "00:00:01")));
        var device = await server.AddDeviceAsync();
        var link = await RawLink.OpenAsync(server, device);
        var welcome = await link.WelcomeAsync();
        await UntilConnectedAsync(server, device, true);
        link.Cut();
        await UntilConnectedAsync(server, device, false);
        await TunnelledDevice.UntilAsync(() => Task.FromResult(Gateway(server).Count == 0));
        using var late = await RawLink.OpenAsync(server, device, welcome.Resume);
        Assert.NotEqual(welcome.Session, (await late.WelcomeAsync()).Session);
    }

    [Fact]
    public async Task Of_two_sessions_of_a_device_the_newer_counts_and_the_older_ends_unnoticed()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var record = await server.AddDeviceAsync();
        using var older = await RawLink.OpenAsync(server, record);
        await older.WelcomeAsync();
        await using var newer = new TunnelledDevice(server.Server, record, (_, _) => ValueTask.FromResult<CloudlinkService?>(async (stream, cancellation) => await stream.WriteAsync("newer"u8.ToArray(), cancellation)));
        await newer.ConnectedAsync();
        await UntilConnectedAsync(server, record, true);
        var (since, transitions) = (await SinceAsync(server, record), await TransitionsAsync(server, record));
        await older.SayAsync("""{"type":"goodbye"}""");
        await TunnelledDevice.UntilAsync(() => Task.FromResult(Gateway(server).Count == 1));

        await using var stream = await WebSocketTunnelTests.Session(server, record).ConnectAsync(1, CancellationToken.None);
        var word = new byte[5];
        await stream.ReadExactlyAsync(word);
        Assert.Equal("newer", Encoding.UTF8.GetString(word));
        Assert.Equal((since, transitions), (await SinceAsync(server, record), await TransitionsAsync(server, record)));
    }

    [Fact]
    public async Task A_device_has_only_so_many_sessions_and_the_oldest_gives_way()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var record = await server.AddDeviceAsync();
        var links = new List<RawLink>();
        for (var i = 0; i < 5; i++)
        {
            links.Add(await RawLink.OpenAsync(server, record));
            await links[i].WelcomeAsync();
        }

        Assert.Equal("""{"type":"goodbye","reason":"ended"}""", await links[0].HearAsync());
        await TunnelledDevice.UntilAsync(() => Task.FromResult(Gateway(server).Count == 4));
        links.ForEach(link => link.Dispose());
    }

    [Theory]
    [InlineData("hello")]
    [InlineData("{}")]
    [InlineData("""{"type":7}""")]
    [InlineData("""{"type":"goodbye","within":-1}""")]
    public async Task What_is_no_message_ends_only_its_own_session(string text)
    {
        await using var server = await ServerWithFleet.StartAsync();
        var (device, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        await using var well = new TunnelledDevice(server.Server, other);
        await well.ConnectedAsync();
        using var link = await RawLink.OpenAsync(server, device);
        await link.WelcomeAsync();
        await UntilConnectedAsync(server, device, true);
        await link.SayAsync(text);
        Assert.Equal("""{"type":"goodbye","reason":"malformed"}""", await link.HearAsync());
        await UntilConnectedAsync(server, device, false);
        await UntilConnectedAsync(server, other, true);
    }

    [Fact]
    public async Task Streams_that_are_none_end_their_session()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        // Not of the format; a payload of a gigabyte; a stream that the device would open.
        foreach (var bytes in new byte[][] { [0x00, 0x01], [0x94, 0x00, 0x01, 0x01, 0xc6, 0x40, 0x00, 0x00, 0x00], [0x94, 0x00, 0x01, 0x01, 0xc4, 0x03, 0x91, 0xa1, 0x31] })
        {
            using var link = await RawLink.OpenAsync(server, device);
            await link.WelcomeAsync();
            await link.SendAsync(bytes, WebSocketMessageType.Binary);
            await TunnelledDevice.UntilAsync(() => Task.FromResult(server.Server.Services.GetRequiredService<CloudlinkSessions>().List().Count == 0));
        }
    }

    [Fact]
    public async Task Beyond_the_bound_devices_are_told_to_come_later()
    {
        await using var server = await ServerWithFleet.StartAsync(configure: Set(("MaxSessions", "1")));
        var (device, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        using (var link = await RawLink.OpenAsync(server, device))
        {
            await link.WelcomeAsync();
            Assert.Equal(HttpStatusCode.ServiceUnavailable, await RefusedAsync(server, other.Uuid, other.Key));
            await link.SayAsync("""{"type":"goodbye"}""");
        }

        await TunnelledDevice.UntilAsync(() => Task.FromResult(Gateway(server).Count == 0));
        using var later = await RawLink.OpenAsync(server, other);
        await later.WelcomeAsync();
    }

    [Fact]
    public async Task A_server_that_stops_says_so_and_ends_no_session()
    {
        var server = await ServerWithFleet.StartAsync();
        var record = await server.AddDeviceAsync();
        await using var device = new TunnelledDevice(server.Server, record);
        await device.ConnectedAsync();
        await UntilConnectedAsync(server, record, true);
        var (since, transitions) = (await SinceAsync(server, record), await TransitionsAsync(server, record));
        var begun = TimeProvider.System.GetTimestamp();
        await server.Server.StopAsync();
        Assert.InRange(TimeProvider.System.GetElapsedTime(begun), TimeSpan.Zero, TimeSpan.FromSeconds(9));
        Assert.Equal("restart", (await device.NextAsync(CloudlinkEvent.Disconnected)).Reason);
        Assert.True(await IsConnectedAsync(server, record));
        Assert.Equal((since, transitions), (await SinceAsync(server, record), await TransitionsAsync(server, record)));
        await server.DisposeAsync();
    }

    private static Action<WebApplicationBuilder> Set(params (string Name, string Value)[] settings) => builder =>
    {
        foreach (var (name, value) in settings)
            builder.Configuration[$"Cloudlink:WebSocket:{name}"] = value;
    };

    private static WebSocketGateway Gateway(ServerWithFleet server) => server.Server.Services.GetRequiredService<WebSocketGateway>();

    private static async Task<HttpStatusCode> RefusedAsync(ServerWithFleet server, string uuid, string key)
    {
        using var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        if (key.Length > 0)
            socket.Options.SetRequestHeader("Authorization", $"Bearer {key}");
        await Assert.ThrowsAsync<WebSocketException>(() => socket.ConnectAsync(RawLink.Address(server, uuid), CancellationToken.None));
        return socket.HttpStatusCode;
    }

    private static async Task<bool> IsConnectedAsync(ServerWithFleet server, FixtureDevice device) =>
        await server.Server.ScalarAsync<int>("SELECT cloudlink_connected FROM device WHERE id = @p0", device.Id) == 1;

    private static Task UntilConnectedAsync(ServerWithFleet server, FixtureDevice device, bool isConnected) =>
        TunnelledDevice.UntilAsync(async () => await IsConnectedAsync(server, device) == isConnected);

    private static Task UntilOpenAsync(ServerWithFleet server, FixtureDevice device) =>
        TunnelledDevice.UntilAsync(() => Task.FromResult(server.Server.Services.GetRequiredService<CloudlinkSessions>().Find(device.Uuid) is not null));

    private static Task<long> SinceAsync(ServerWithFleet server, FixtureDevice device) =>
        server.Server.ScalarAsync<long>("SELECT cloudlink_changed_at FROM device WHERE id = @p0", device.Id);

    private static Task<int> TransitionsAsync(ServerWithFleet server, FixtureDevice device) =>
        server.Server.ScalarAsync<int>("SELECT COUNT(*) FROM transition WHERE device_id = @p0", device.Id);
}
