using Muster.Core.Health;
using Muster.Core.Status;

namespace Muster.Tests.Health;

public sealed class HealthRuleTests
{
    private const long Now = 1_795_382_493_000;
    private const long Minute = 60_000;
    private const long Hour = 60 * Minute;

    private static readonly HealthFacts Healthy = new()
    {
        Now = Now,
        Facts = new DeviceFacts { IsActive = true, EverSeen = true, Heartbeat = HeartbeatState.Online, CloudlinkConnected = true },
        LastPollAt = Now - Minute,
        CloudlinkSince = Now - (26 * Hour),
        UpdateStatus = UpdateStatus.Done,
        UpdateStatusSince = Now - Hour,
        ClockAhead = -300,
        LastLogAt = Now - Hour,
        MemoryUsed = 500,
        MemoryTotal = 1_000,
        StorageUsed = 9_000,
        StorageTotal = 10_000,
        Temperature = 55,
        ChangesWithinHour = 2,
        SupervisorVersion = "17.0.1",
        OsVersion = "balenaOS 6.1.24",
    };

    [Fact]
    public void A_healthy_device_passes_every_check()
    {
        var checks = HealthRule.Of(Healthy);
        Assert.All(checks, check => Assert.Equal((HealthLevel.Ok, null), (check.Level, check.Advice)));
        Assert.Equal(HealthLevel.Ok, HealthRule.Overall(checks));
        Assert.Equal("The cloudlink is up for 1 d 2 h.", Of(Healthy, "cloudlink").Sentence);
    }

    [Fact]
    public void Of_a_device_that_was_never_heard_of_nothing_is_claimed()
    {
        var checks = HealthRule.Of(new() { Now = Now, Facts = new DeviceFacts() });
        Assert.DoesNotContain(checks, check => check.Level is HealthLevel.Warn or HealthLevel.Fail);
        Assert.Equal(HealthLevel.Unknown, Of(new() { Now = Now, Facts = new DeviceFacts() }, "heartbeat").Level);
    }

    [Theory]
    [InlineData(HeartbeatState.Online, HealthLevel.Ok)]
    [InlineData(HeartbeatState.Timeout, HealthLevel.Warn)]
    [InlineData(HeartbeatState.Offline, HealthLevel.Fail)]
    [InlineData(HeartbeatState.Unknown, HealthLevel.Unknown)]
    public void The_heartbeat_is_judged_by_its_state(HeartbeatState heartbeat, HealthLevel level) =>
        Assert.Equal(level, Of(Healthy with { Facts = Healthy.Facts with { Heartbeat = heartbeat } }, "heartbeat").Level);

    [Theory]
    [InlineData(true, true, HealthLevel.Ok)]
    [InlineData(false, true, HealthLevel.Fail)]
    [InlineData(false, false, HealthLevel.Ok)]
    public void A_missing_cloudlink_fails_unless_it_is_switched_off(bool connected, bool expected, HealthLevel level) =>
        Assert.Equal(level, Of(Healthy with { Facts = Healthy.Facts with { CloudlinkConnected = connected, CloudlinkExpected = expected } }, "cloudlink").Level);

    [Theory]
    [InlineData(7, HealthLevel.Ok)]
    [InlineData(8, HealthLevel.Warn)]
    public void A_status_that_changes_again_and_again_flickers(int changes, HealthLevel level) =>
        Assert.Equal(level, Of(Healthy with { ChangesWithinHour = changes }, "stability").Level);

    [Theory]
    [InlineData(UpdateStatus.Downloading, 119, HealthLevel.Ok)]
    [InlineData(UpdateStatus.Downloading, 121, HealthLevel.Warn)]
    [InlineData(UpdateStatus.Downloaded, 61, HealthLevel.Warn)]
    [InlineData(UpdateStatus.ApplyingChanges, 31, HealthLevel.Warn)]
    [InlineData(UpdateStatus.Done, 100_000, HealthLevel.Ok)]
    [InlineData(UpdateStatus.Rejected, 0, HealthLevel.Fail)]
    [InlineData(UpdateStatus.Aborted, 0, HealthLevel.Fail)]
    [InlineData(UpdateStatus.None, 0, HealthLevel.Unknown)]
    public void An_update_that_stands_still_is_stuck(UpdateStatus status, long minutes, HealthLevel level) =>
        Assert.Equal(level, Of(Healthy with { UpdateStatus = status, UpdateStatusSince = Now - (minutes * Minute) }, "update").Level);

    [Theory]
    [InlineData(59_000L, HealthLevel.Ok)]
    [InlineData(61_000L, HealthLevel.Warn)]
    [InlineData(-61_000L, HealthLevel.Warn)]
    [InlineData(3_600_000L, HealthLevel.Fail)]
    // It may as well have kept its lines back for so long.
    [InlineData(-3_600_000L, HealthLevel.Warn)]
    [InlineData(null, HealthLevel.Unknown)]
    public void A_clock_that_is_off_is_told(long? ahead, HealthLevel level) => Assert.Equal(level, Of(Healthy with { ClockAhead = ahead }, "clock").Level);

    [Theory]
    [InlineData(90L, HealthLevel.Ok)]
    [InlineData(91L, HealthLevel.Warn)]
    [InlineData(98L, HealthLevel.Fail)]
    [InlineData(null, HealthLevel.Unknown)]
    public void Memory_and_storage_have_room_up_to_nine_tenths(long? percent, HealthLevel level)
    {
        Assert.Equal(level, Of(Healthy with { StorageUsed = percent, StorageTotal = 100 }, "storage").Level);
        Assert.Equal(level, Of(Healthy with { MemoryUsed = percent, MemoryTotal = 100 }, "memory").Level);
    }

    [Fact]
    public void A_total_of_nothing_is_no_report() => Assert.Equal(HealthLevel.Unknown, Of(Healthy with { StorageUsed = 0, StorageTotal = 0 }, "storage").Level);

    [Theory]
    [InlineData(74L, HealthLevel.Ok)]
    [InlineData(75L, HealthLevel.Warn)]
    [InlineData(85L, HealthLevel.Fail)]
    [InlineData(null, HealthLevel.Unknown)]
    public void Heat_is_told_before_it_harms(long? degrees, HealthLevel level) => Assert.Equal(level, Of(Healthy with { Temperature = degrees }, "temperature").Level);

    [Fact]
    public void Too_low_a_voltage_fails() => Assert.Equal(HealthLevel.Fail, Of(Healthy with { IsUndervolted = true }, "voltage").Level);

    [Theory]
    [InlineData("16.6.9", HealthLevel.Warn)]
    [InlineData("9.15.0", HealthLevel.Warn)]
    [InlineData("16.7.0", HealthLevel.Ok)]
    [InlineData("v16.7.0-rc1", HealthLevel.Ok)]
    [InlineData("latest", HealthLevel.Unknown)]
    [InlineData(null, HealthLevel.Unknown)]
    public void Old_supervisors_report_no_update_status(string? version, HealthLevel level) =>
        Assert.Equal(level, Of(Healthy with { SupervisorVersion = version }, "supervisor").Level);

    [Fact]
    public void The_worst_check_is_the_devices_health() =>
        Assert.Equal(HealthLevel.Fail, HealthRule.Overall(HealthRule.Of(Healthy with { Temperature = 80, IsUndervolted = true, MemoryUsed = null })));

    private static HealthCheck Of(HealthFacts facts, string name) => Assert.Single(HealthRule.Of(facts), check => check.Name == name);
}
