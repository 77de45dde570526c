using Microsoft.Extensions.Time.Testing;
using Muster.Core.Status;
using Muster.Server.Presence;
using Muster.Tests.Storage;

namespace Muster.Tests.Presence;

public sealed class InputChangesTests
{
    private readonly FakeTimeProvider time = new(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_device_beyond_the_allowance_is_frozen_until_another_makes_room(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var owner = await fleet.AddFleetAsync(await fleet.AddOrganizationAsync(allowance: 2));
        FixtureDevice[] devices = [await fleet.AddDeviceAsync(owner), await fleet.AddDeviceAsync(owner), await fleet.AddDeviceAsync(owner)];
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        foreach (var device in devices.Reverse())
        {
            await node.PollAsync(device);
            time.Advance(TimeSpan.FromSeconds(1));
        }

        // Those activated first keep their place.
        Assert.Equal("frozen", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", devices[0].Id));
        Assert.Equal(DeviceAuth.Frozen, node.Presence.Authenticate(devices[0].Uuid, devices[0].Key, out _));
        Assert.Equal(DeviceAuth.Ok, node.Presence.Authenticate(devices[1].Uuid, devices[1].Key, out _));

        await fleet.DoAsync("UPDATE device SET is_active = 0 WHERE id = @p0", devices[2].Id);
        await node.Presence.ChangedAsync(new("deactivate") { Devices = [devices[2].Id] });
        Assert.Equal("inactive", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", devices[2].Id));
        Assert.Equal("deactivate", await fleet.ReadAsync("SELECT cause FROM transition WHERE device_id = @p0 AND fact = 'is_active' AND to_value = 'false'", devices[2].Id));
        Assert.NotEqual("frozen", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", devices[0].Id));

        await fleet.DoAsync("UPDATE organization SET device_allowance = 0 WHERE id = @p0", owner.OrganizationId);
        await node.Presence.ChangedAsync(new("allowance") { Organizations = [owner.OrganizationId] });
        Assert.Equal(2L, await fleet.ReadAsync("SELECT count(*) FROM device WHERE overall_status = 'frozen'"));

        await fleet.DoAsync("UPDATE organization SET device_allowance = NULL WHERE id = @p0", owner.OrganizationId);
        await node.Presence.ChangedAsync(new("allowance") { Organizations = [owner.OrganizationId] });
        Assert.Equal(0L, await fleet.ReadAsync("SELECT count(*) FROM device WHERE overall_status = 'frozen' OR is_frozen = 1"));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_paid_fleet_type_on_the_free_plan_freezes_its_active_devices(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var owner = await fleet.AddFleetAsync(await fleet.AddOrganizationAsync(plan: "free"), needsPaidPlan: true);
        var (seen, unseen) = (await fleet.AddDeviceAsync(owner), await fleet.AddDeviceAsync(owner));
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);

        await node.PollAsync(seen);

        Assert.Equal("frozen", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", seen.Id));
        Assert.Equal("inactive", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", unseen.Id));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_config_variable_is_obeyed_in_the_next_read(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var owner = await fleet.AddFleetAsync();
        var device = await fleet.AddDeviceAsync(owner);
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        await node.PollAsync(device);

        await fleet.DoAsync("INSERT INTO fleet_config_variable (fleet_id, name, value, created_at, modified_at) VALUES (@p0, 'BALENA_SUPERVISOR_VPN_CONTROL', 'false', 0, 0), (@p0, 'RESIN_SUPERVISOR_POLL_INTERVAL', '20000', 0, 0)", owner.Id);
        var ticket = node.Presence.FleetTicket(owner.Id);
        await node.Presence.ChangedAsync(new("config-variable") { Fleets = [owner.Id] });

        Assert.Equal("operational", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
        Assert.Equal("cloudlink-not-expected", await fleet.ReadAsync("SELECT status_reason FROM device WHERE id = @p0", device.Id));
        Assert.NotEqual(ticket, node.Presence.FleetTicket(owner.Id));
        // The device hears of the shorter interval with its next poll.
        await node.PassAsync(TimeSpan.FromSeconds(112));
        Assert.Equal("online", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
        await node.PollAsync(device);
        await node.PassAsync(TimeSpan.FromSeconds(112));
        Assert.Equal("timeout", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));

        await fleet.DoAsync("INSERT INTO device_config_variable (device_id, name, value, created_at, modified_at) VALUES (@p0, 'RESIN_SUPERVISOR_VPN_CONTROL', 'true', 0, 0)", device.Id);
        await node.Presence.ChangedAsync(new("config-variable") { Devices = [device.Id] });
        await node.PollAsync(device);
        Assert.Equal("reduced-functionality", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_device_is_known_when_added_and_stays_known_as_deleted_when_removed(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var owner = await fleet.AddFleetAsync();
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);

        var device = await fleet.AddDeviceAsync(owner);
        await node.Presence.ChangedAsync(new("registered") { Added = [device.Id] });
        Assert.Equal(DeviceAuth.Ok, node.Presence.Authenticate(device.Uuid, device.Key, out var slot));
        Assert.Equal(device.Id, node.Presence.DeviceId(slot));
        Assert.Equal(owner.Id, node.Presence.FleetId(slot));
        await node.PollAsync(device);

        await fleet.AddKeyAsync(device.ActorId, "further");
        await node.Presence.KeysChangedAsync(device.Id);
        Assert.Equal(DeviceAuth.Ok, node.Presence.Authenticate(device.Uuid, "further", out _));
        Assert.Equal(DeviceAuth.Ok, node.Presence.Authenticate(device.Uuid, device.Key, out _));

        await fleet.DoAsync("DELETE FROM device WHERE id = @p0", device.Id);
        await node.Presence.ChangedAsync(new("deleted") { Removed = [(device.Id, device.Uuid)] });
        Assert.Equal(DeviceAuth.Deleted, node.Presence.Authenticate(device.Uuid, device.Key, out _));
        Assert.Equal(0, node.Presence.DeviceId(slot));
        await node.Presence.PolledAsync(slot);
        await Assert.ThrowsAsync<DeviceGoneException>(() => node.Presence.ReportAsync(slot, StateReport.Empty, CancellationToken.None));

        await using var next = await RestartAsync(node, fleet);
        Assert.Equal(DeviceAuth.Deleted, next.Presence.Authenticate(device.Uuid, device.Key, out _));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task What_was_composed_before_a_change_is_not_remembered_after_it(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        var slot = node.Slot(device);

        node.Presence.SetTargetVersion(slot, 3, "\"a\"", node.Presence.TargetTicket(slot));
        Assert.Equal("\"a\"", node.Presence.TargetVersion(slot, 3));
        Assert.Null(node.Presence.TargetVersion(slot, 2));

        var ticket = node.Presence.TargetTicket(slot);
        await node.Presence.ChangedAsync(new("pin") { Devices = [device.Id] });
        Assert.Null(node.Presence.TargetVersion(slot, 3));
        node.Presence.SetTargetVersion(slot, 3, "\"b\"", ticket);
        Assert.Null(node.Presence.TargetVersion(slot, 3));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_deleted_release_is_forgotten_and_a_report_of_it_harms_nobody_else(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var owner = await fleet.AddFleetAsync();
        var release = await fleet.AddReleaseAsync(owner, "main");
        var (device, other) = (await fleet.AddDeviceAsync(owner), await fleet.AddDeviceAsync(owner));
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        await node.ReportAsync(device, new StateReport { RunningReleaseId = release.Id });

        await fleet.DoAsync("DELETE FROM release WHERE id = @p0", release.Id);
        await node.Presence.ChangedAsync(new("release") { Fleets = [owner.Id] });
        await node.ReportAsync(device, new StateReport { CpuUsage = 10 });
        Assert.Null(await fleet.ReadAsync("SELECT running_release_id FROM device WHERE id = @p0", device.Id));

        // Named all the same, it is refused; what others report in the same moment is not.
        var refused = Assert.ThrowsAnyAsync<Exception>(() => node.ReportAsync(device, new StateReport { RunningReleaseId = release.Id }));
        await node.ReportAsync(other, new StateReport { CpuUsage = 20 });
        await refused;
        Assert.Equal(20, Convert.ToInt32(await fleet.ReadAsync("SELECT cpu_usage FROM device WHERE id = @p0", other.Id), null));
        await node.ReportAsync(device, new StateReport { CpuUsage = 30 });
        Assert.Equal(30, Convert.ToInt32(await fleet.ReadAsync("SELECT cpu_usage FROM device WHERE id = @p0", device.Id), null));
    }

    private async Task<PresenceNode> RestartAsync(PresenceNode node, FleetFixture fleet)
    {
        await node.StopAsync();
        return await PresenceNode.StartAsync(fleet.Database, time);
    }
}
