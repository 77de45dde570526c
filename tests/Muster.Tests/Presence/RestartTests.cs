using Microsoft.Extensions.Time.Testing;
using Muster.Core.Status;
using Muster.Server.Presence;
using Muster.Tests.Storage;

namespace Muster.Tests.Presence;

public sealed class RestartTests
{
    private readonly FakeTimeProvider time = new(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_restart_keeps_what_is_known_of_a_device(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        DeviceEvidence before;
        await using (var node = await PresenceNode.StartAsync(fleet.Database, time))
        {
            await node.PollAsync(device);
            await node.ReportAsync(device, new StateReport { Status = "Idle", UpdateStatus = UpdateStatus.Done });
            before = node.Presence.Evidence(node.Slot(device))!;
        }

        await using var next = await PresenceNode.StartAsync(fleet.Database, time);
        var after = next.Presence.Evidence(next.Slot(device))!;

        Assert.Equal(before.Answer, after.Answer);
        Assert.Equal(before.Facts.Heartbeat, after.Facts.Heartbeat);
        Assert.Equal(before.LastPollAt, after.LastPollAt);
        Assert.Equal(before.UpdateStatusSince, after.UpdateStatusSince);
        Assert.Null(after.LastContactKind);
        Assert.Equal(DeviceAuth.Ok, next.Presence.Authenticate(device.Uuid, device.Key, out _));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task After_an_outage_longer_than_every_timeout_no_living_device_times_out(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var owner = await fleet.AddFleetAsync();
        var living = await fleet.AddDeviceAsync(owner);
        var dead = await fleet.AddDeviceAsync(owner);
        await using (var node = await PresenceNode.StartAsync(fleet.Database, time))
        {
            await node.PollAsync(living);
            await node.PollAsync(dead);
            await node.PassAsync(TimeSpan.FromSeconds(60));
        }

        time.Advance(TimeSpan.FromDays(2));
        await using (var node = await PresenceNode.StartAsync(fleet.Database, time))
        {
            // A supervisor that failed for long tries again within its interval.
            await node.PassAsync(TimeSpan.FromSeconds(60));
            await node.PollAsync(living);
            await node.PassAsync(TimeSpan.FromSeconds(120));
        }

        Assert.Equal(0L, await fleet.ReadAsync("SELECT count(*) FROM transition WHERE device_id = @p0 AND cause = 'silence'", living.Id));
        Assert.Equal("offline", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", dead.Id));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task After_a_crash_every_device_has_its_whole_window_again(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        var crashed = await PresenceNode.StartAsync(fleet.Database, time);
        await crashed.PollAsync(device);
        await crashed.PassAsync(TimeSpan.FromSeconds(140));
        await crashed.CrashAsync();

        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        await node.PassAsync(TimeSpan.FromSeconds(149));
        Assert.Equal("online", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
        await node.PassAsync(TimeSpan.FromSeconds(2));
        Assert.Equal("timeout", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_step_of_the_wall_clock_moves_no_status(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        var stepped = new SteppedTime();
        await using var node = await PresenceNode.StartAsync(fleet.Database, stepped);
        await node.PollAsync(device);

        foreach (var hours in (int[])[1, -1, 0])
        {
            stepped.Step = TimeSpan.FromHours(hours);
            await node.PassAsync(TimeSpan.FromSeconds(30));
        }

        Assert.Equal(0L, await fleet.ReadAsync("SELECT count(*) FROM transition WHERE cause = 'silence'"));
        await node.PassAsync(TimeSpan.FromSeconds(62));
        Assert.Equal("timeout", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Inputs_that_changed_while_nobody_told_us_are_seen_at_the_next_start(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        await using (var node = await PresenceNode.StartAsync(fleet.Database, time))
            await node.PollAsync(device);
        await fleet.DoAsync("UPDATE device SET is_active = 0 WHERE id = @p0", device.Id);

        await using var next = await PresenceNode.StartAsync(fleet.Database, time);

        Assert.Equal("inactive", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
        Assert.Equal("deactivated", await fleet.ReadAsync("SELECT status_reason FROM device WHERE id = @p0", device.Id));
    }

    /// <summary>A machine whose wall clock somebody sets, and whose monotonic clock runs on.</summary>
    private sealed class SteppedTime() : FakeTimeProvider(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero))
    {
        public TimeSpan Step { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Step;

        public override long GetTimestamp() => base.GetUtcNow().Ticks;
    }
}
