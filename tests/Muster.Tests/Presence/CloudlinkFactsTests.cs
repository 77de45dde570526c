using Microsoft.Extensions.Time.Testing;
using Muster.Tests.Storage;

namespace Muster.Tests.Presence;

public sealed class CloudlinkFactsTests
{
    private readonly FakeTimeProvider time = new(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Connect_and_disconnect_move_both_dates_and_a_stranger_moves_nothing(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        var (here, elsewhere) = (await fleet.AddServiceInstanceAsync(), await fleet.AddServiceInstanceAsync());
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        Task ToldAsync(long instance, bool connected, long epoch = 0) => node.Presence.CloudlinkAsync(instance, [device.Uuid, "nobody"], connected, epoch, CancellationToken.None);

        await node.PollAsync(device);
        await ToldAsync(here, connected: true);
        Assert.Equal("operational", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
        Assert.Equal(here, await fleet.ReadAsync("SELECT service_instance_id FROM device WHERE id = @p0", device.Id));

        time.Advance(TimeSpan.FromSeconds(1));
        await ToldAsync(here, connected: true);
        Assert.Equal(Now(), await fleet.ReadAsync("SELECT cloudlink_changed_at FROM device WHERE id = @p0", device.Id));
        Assert.Equal(Now(), await fleet.ReadAsync("SELECT connectivity_changed_at FROM device WHERE id = @p0", device.Id));

        await ToldAsync(elsewhere, connected: false);
        Assert.Equal("operational", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));

        await ToldAsync(elsewhere, connected: true);
        await ToldAsync(here, connected: false);
        Assert.Equal(elsewhere, await fleet.ReadAsync("SELECT service_instance_id FROM device WHERE id = @p0", device.Id));

        time.Advance(TimeSpan.FromSeconds(1));
        await ToldAsync(elsewhere, connected: false);
        Assert.Equal("reduced-functionality", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
        Assert.Null(await fleet.ReadAsync("SELECT service_instance_id FROM device WHERE id = @p0", device.Id));
        Assert.Equal(Now(), await fleet.ReadAsync("SELECT cloudlink_changed_at FROM device WHERE id = @p0", device.Id));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task News_of_an_older_life_of_the_instance_comes_too_late(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        var instance = await fleet.AddServiceInstanceAsync();
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);

        await node.Presence.CloudlinkAsync(instance, [device.Uuid], connected: true, epoch: 2, CancellationToken.None);
        await node.Presence.CloudlinkAsync(instance, [device.Uuid], connected: false, epoch: 1, CancellationToken.None);

        Assert.Equal(1L, Convert.ToInt64(await fleet.ReadAsync("SELECT cloudlink_connected FROM device WHERE id = @p0", device.Id), null));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task An_instance_that_falls_silent_loses_its_sessions_and_our_own_absence_ends_none(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        var instance = await fleet.AddServiceInstanceAsync();
        await using (var node = await PresenceNode.StartAsync(fleet.Database, time))
            await node.Presence.CloudlinkAsync(instance, [device.Uuid], connected: true, epoch: 0, CancellationToken.None);

        time.Advance(TimeSpan.FromHours(1));
        await using var next = await PresenceNode.StartAsync(fleet.Database, time);
        await next.PassAsync(TimeSpan.FromSeconds(50));
        Assert.Equal("connected", await LinkAsync());
        await next.Presence.ServiceInstanceAliveAsync(instance);
        await next.PassAsync(TimeSpan.FromSeconds(59));
        Assert.Equal("connected", await LinkAsync());
        await next.PassAsync(TimeSpan.FromSeconds(3));
        Assert.Equal("disconnected", await LinkAsync());
        Assert.Equal("service-instance-lost", await fleet.ReadAsync("SELECT cause FROM transition WHERE device_id = @p0 AND fact = 'cloudlink' AND to_value = 'disconnected'", device.Id));

        async Task<object?> LinkAsync() => await fleet.ReadAsync("SELECT value FROM fleet_count WHERE fact = 'cloudlink' AND devices = 1");
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_device_is_connected_while_any_of_its_sessions_lives_also_across_a_restart(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        long[] servers = [await fleet.AddServiceInstanceAsync(), await fleet.AddServiceInstanceAsync(), await fleet.AddServiceInstanceAsync()];
        var node = await PresenceNode.StartAsync(fleet.Database, time);
        try
        {
            await ToldAsync(0, connected: true);
            await ToldAsync(1, connected: true);
            await ToldAsync(1, connected: false);
            Assert.Equal((true, servers[0]), await LinkAsync());

            await ToldAsync(1, connected: true);
            await ToldAsync(2, connected: true);
            await node.DisposeAsync();
            node = await PresenceNode.StartAsync(fleet.Database, time);
            await ToldAsync(2, connected: false);
            Assert.Equal((true, servers[1]), await LinkAsync());
            await ToldAsync(0, connected: false);
            await ToldAsync(2, connected: false);
            Assert.Equal((true, servers[1]), await LinkAsync());

            // The server of the session that is left dies without a word.
            await ToldAsync(0, connected: true);
            for (var i = 0; i < 7; i++)
            {
                await node.Presence.ServiceInstanceAliveAsync(servers[1]);
                await node.PassAsync(TimeSpan.FromSeconds(10));
            }

            Assert.Equal((true, servers[1]), await LinkAsync());
            await node.PassAsync(TimeSpan.FromSeconds(62));
            Assert.Equal((false, null), await LinkAsync());
            Assert.Equal(2L, await fleet.ReadAsync("SELECT count(*) FROM transition WHERE fact = 'cloudlink'"));
        }
        finally
        {
            await node.DisposeAsync();
        }

        Task ToldAsync(int server, bool connected) => node.Presence.CloudlinkAsync(servers[server], [device.Uuid], connected, 0, CancellationToken.None);
        async Task<(bool, long?)> LinkAsync() => (
            Convert.ToInt64(await fleet.ReadAsync("SELECT cloudlink_connected FROM device WHERE id = @p0", device.Id), null) != 0,
            await fleet.ReadAsync("SELECT service_instance_id FROM device WHERE id = @p0", device.Id) as long?);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task The_end_of_a_session_is_no_sign_of_life(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        var instance = await fleet.AddServiceInstanceAsync();
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        await node.PollAsync(device);
        await node.Presence.CloudlinkAsync(instance, [device.Uuid], connected: true, 0, CancellationToken.None);
        var before = node.Presence.Evidence(node.Slot(device))!;
        await node.PassAsync(TimeSpan.FromSeconds(100));

        await node.Presence.CloudlinkAsync(instance, [device.Uuid], connected: false, 0, CancellationToken.None);

        var after = node.Presence.Evidence(node.Slot(device))!;
        Assert.False(after.Facts.CloudlinkConnected);
        Assert.Equal((before.LastContactAt, before.HeartbeatNext), (after.LastContactAt, after.HeartbeatNext));
        // Nor does it bring a device back that is offline already.
        await node.PassAsync(TimeSpan.FromSeconds(120));
        await node.Presence.CloudlinkAsync(instance, [device.Uuid], connected: false, 0, CancellationToken.None);
        Assert.Equal("offline", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
    }

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
