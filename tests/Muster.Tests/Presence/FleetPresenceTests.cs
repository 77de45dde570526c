using System.Collections.Immutable;
using Microsoft.Extensions.Time.Testing;
using Muster.Core.Status;
using Muster.Server.Presence;
using Muster.Tests.Storage;

namespace Muster.Tests.Presence;

public sealed class FleetPresenceTests
{
    private readonly FakeTimeProvider time = new(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_poll_makes_a_registered_device_active_and_online_in_the_next_read(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);

        Assert.Equal(DeviceAuth.Ok, node.Presence.Authenticate(device.Uuid, device.Key, out _));
        Assert.Equal(DeviceAuth.WrongKey, node.Presence.Authenticate(device.Uuid, "another", out _));
        Assert.Equal(DeviceAuth.Unknown, node.Presence.Authenticate("no such uuid", device.Key, out _));
        await node.PollAsync(device);

        Assert.Equal("online", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
        Assert.Equal("reduced-functionality", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
        Assert.Equal("cloudlink-missing", await fleet.ReadAsync("SELECT status_reason FROM device WHERE id = @p0", device.Id));
        Assert.Equal(time.GetUtcNow().ToUnixTimeMilliseconds(), await fleet.ReadAsync("SELECT activated_at FROM device WHERE id = @p0", device.Id));
        Assert.Equal("inactive", await fleet.ReadAsync("SELECT from_value FROM transition WHERE device_id = @p0 AND fact = 'overall_status'", device.Id));
        Assert.Equal("poll", await fleet.ReadAsync("SELECT cause FROM transition WHERE device_id = @p0 AND fact = 'heartbeat'", device.Id));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_report_stands_in_the_row_when_it_is_answered(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var owner = await fleet.AddFleetAsync();
        var release = await fleet.AddReleaseAsync(owner, "main", "side");
        var device = await fleet.AddDeviceAsync(owner);
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        await node.PollAsync(device);

        await node.ReportAsync(device, new StateReport
        {
            Status = "Idle",
            OsVersion = "balenaOS 6.5.39",
            MemoryUsage = 512,
            UpdateStatus = UpdateStatus.Downloading,
            Installs = ImmutableArray.Create<ServiceInstall>(new ServiceInstall(release.Images[0], release.Id, "Downloading", 40), new ServiceInstall(release.Images[1], release.Id, "Running", null)),
        });

        Assert.Equal("balenaOS 6.5.39", await fleet.ReadAsync("SELECT os_version FROM device WHERE id = @p0", device.Id));
        Assert.Equal("updating", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
        Assert.Equal("downloading", await fleet.ReadAsync("SELECT update_status FROM device WHERE id = @p0", device.Id));
        Assert.Equal(2L, await fleet.ReadAsync("SELECT count(*) FROM image_install WHERE device_id = @p0", device.Id));
        Assert.Equal(1L, await fleet.ReadAsync("SELECT devices FROM fleet_count WHERE fleet_id = @p0 AND fact = 'overall_status' AND value = 'updating'", owner.Id));

        time.Advance(TimeSpan.FromSeconds(1));
        await node.ReportAsync(device, new StateReport
        {
            RunningReleaseId = release.Id,
            UpdateStatus = UpdateStatus.Done,
            Installs = ImmutableArray.Create<ServiceInstall>(new ServiceInstall(release.Images[0], release.Id, "Running", null)),
        });

        Assert.Equal("deleted", await fleet.ReadAsync("SELECT status FROM image_install WHERE device_id = @p0 AND image_id = @p1", device.Id, release.Images[1]));
        Assert.Equal(release.Id, await fleet.ReadAsync("SELECT running_release_id FROM device WHERE id = @p0", device.Id));
        Assert.Equal("reduced-functionality", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task The_same_report_again_writes_nothing(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var owner = await fleet.AddFleetAsync();
        var release = await fleet.AddReleaseAsync(owner, "main");
        var device = await fleet.AddDeviceAsync(owner);
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        var report = new StateReport { Status = "Idle", CpuUsage = 3, UpdateStatus = UpdateStatus.Done, Installs = ImmutableArray.Create<ServiceInstall>(new ServiceInstall(release.Images[0], release.Id, "Running", null)) };
        await node.ReportAsync(device, report);
        var modified = await fleet.ReadAsync("SELECT modified_at FROM device WHERE id = @p0", device.Id);
        var transitions = await fleet.ReadAsync("SELECT count(*) FROM transition");

        time.Advance(TimeSpan.FromSeconds(1));
        await node.ReportAsync(device, report);

        Assert.Equal(modified, await fleet.ReadAsync("SELECT modified_at FROM device WHERE id = @p0", device.Id));
        Assert.Equal(transitions, await fleet.ReadAsync("SELECT count(*) FROM transition"));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Silence_makes_a_device_time_out_and_then_go_offline(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        await node.PollAsync(device);

        await node.PassAsync(TimeSpan.FromSeconds(149));
        Assert.Equal("online", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
        await node.PassAsync(TimeSpan.FromSeconds(2));
        Assert.Equal("timeout", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
        await node.PassAsync(TimeSpan.FromSeconds(15));
        Assert.Equal("offline", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
        Assert.Equal("disconnected", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));

        await node.PollAsync(device);
        Assert.Equal("online", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Other_contact_holds_a_silent_heartbeat_at_timeout(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        await node.PollAsync(device);

        for (var i = 0; i < 10; i++)
        {
            await node.PassAsync(TimeSpan.FromSeconds(60));
            await node.Presence.ContactAsync(node.Slot(device), ContactKind.Log);
        }

        Assert.Equal("timeout", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
        Assert.NotEqual("disconnected", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
        await node.PassAsync(TimeSpan.FromSeconds(152));
        Assert.Equal("offline", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
    }
}
