using System.Collections.Immutable;
using CsCheck;
using Muster.Core.Status;

namespace Muster.Tests.Status;

public sealed class ReportMergeTests
{
    private const long Target = 2;
    private const long Earlier = 1_000;
    private const long Now = 5_000;

    private static readonly ServiceInstall Main = new(10, Target, "Running", null);
    private static readonly ReportedState Settled = new() { Status = "Idle", UpdateStatus = UpdateStatus.Done, UpdateStatusChangedAt = Earlier, Installs = [Main] };

    /// <summary>What a supervisor sends first after a boot (recordings/supervisor/01).</summary>
    private static readonly StateReport FirstAfterBoot = new()
    {
        OsVersion = "balenaOS 6.5.39",
        OsVariant = "prod",
        SupervisorVersion = "19.0.5",
        ProvisioningProgress = new(true, null),
        ProvisioningState = "",
        Status = "Idle",
        MemoryUsage = 1682,
    };

    [Fact]
    public void A_new_value_moves_since()
    {
        var after = Merge(Settled, new() { UpdateStatus = UpdateStatus.Downloading }).After;
        Assert.Equal((UpdateStatus.Downloading, Now), (after.UpdateStatus, after.UpdateStatusChangedAt));
    }

    [Fact]
    public void The_same_value_in_an_unrelated_report_leaves_since_alone()
    {
        var report = new StateReport { UpdateStatus = UpdateStatus.Done, Installs = Installs(Main), MemoryUsage = 7, Status = "Idle" };
        Assert.Equal(Settled with { MemoryUsage = 7 }, Merge(Settled, report).After);
    }

    [Fact]
    public void A_report_without_the_value_leaves_it_alone() =>
        Assert.Equal(Earlier, Merge(Settled, new() { CpuTemp = 50, OsVersion = "balenaOS 6.5.39" }).After.UpdateStatusChangedAt);

    [Fact]
    public void A_reboot_moves_since_whether_its_first_report_carries_the_value_or_not()
    {
        Assert.Equal(Now, Merge(Settled, FirstAfterBoot with { UpdateStatus = UpdateStatus.Done, Installs = Installs(Main) }).After.UpdateStatusChangedAt);
        Assert.Equal(Now, Merge(Settled, FirstAfterBoot).After.UpdateStatusChangedAt);
    }

    [Fact]
    public void A_boot_without_any_update_so_far_is_no_update_event() =>
        Assert.Null(Merge(ReportedState.Empty, FirstAfterBoot).After.UpdateStatusChangedAt);

    [Fact]
    public void A_restarted_service_moves_since()
    {
        var stopped = Settled with { Installs = [Main with { Status = "Stopping" }] };
        Assert.Equal(Now, Merge(stopped, new() { UpdateStatus = UpdateStatus.Done, Installs = Installs(Main) }).After.UpdateStatusChangedAt);
    }

    [Fact]
    public void An_update_so_fast_that_only_its_end_is_reported_moves_since()
    {
        var next = new ServiceInstall(11, 3, "Running", null);
        var merged = Merge(Settled, new() { UpdateStatus = UpdateStatus.Done, Installs = Installs(next) });
        Assert.Equal(Now, merged.After.UpdateStatusChangedAt);
        Assert.Equal([next, Main with { Status = "deleted" }], merged.InstallChanges);
        Assert.Equal([next], merged.After.Installs);
    }

    [Fact]
    public void Progress_that_is_no_longer_reported_is_cleared()
    {
        var before = Settled with { Installs = [new(11, Target, "Downloading", 48)] };
        var running = new ServiceInstall(11, Target, "Running", null);
        Assert.Equal([running], Merge(before, new() { Installs = Installs(running) }).InstallChanges);
    }

    [Fact]
    public void No_services_at_all_means_that_all_are_gone()
    {
        var merged = Merge(Settled, new() { Installs = Installs() });
        Assert.Empty(merged.After.Installs);
        Assert.Equal([Main with { Status = "deleted" }], merged.InstallChanges);
    }

    [Fact]
    public void A_status_that_nobody_knows_leaves_the_one_on_record()
    {
        var unknown = new ServiceInstall(11, Target, "", null);
        var merged = Merge(Settled, new() { Installs = Installs(Main with { Status = "" }, unknown) });
        Assert.Equal(Settled, merged.After);
        Assert.Empty(merged.InstallChanges);
    }

    [Fact]
    public void An_image_shared_by_two_releases_is_one_install_of_the_target_release()
    {
        var merged = Merge(Settled, new() { Installs = Installs(Main, Main with { ReleaseId = 1, Status = "Stopping" }) });
        Assert.Equal(Settled, merged.After);
    }

    [Fact]
    public void Fields_left_out_stay_and_a_carried_null_clears()
    {
        var before = Settled with { ProvisioningProgress = 40, ProvisioningState = "Flashing" };
        Assert.Equal(before with { ProvisioningProgress = null }, Merge(before, new() { ProvisioningProgress = new(true, null) }).After);
    }

    [Fact]
    public void The_same_report_again_changes_nothing() => Gen.Select(AnyFacts.Installs, AnyFacts.Installs, Gen.OneOf(UpdateStatus.Done, UpdateStatus.Downloading, UpdateStatus.Rejected)).Sample((before, installs, status) =>
    {
        var report = new StateReport { Status = "Idle", Installs = Installs([.. installs.Where(i => i.Status != "deleted")]), UpdateStatus = status };
        var once = Merge(Settled with { Installs = before }, report).After;
        var twice = ReportMerge.Apply(once, report, Target, Now + 1);
        return twice.InstallChanges.IsEmpty && twice.After == once;
    });

    [Theory]
    [InlineData(UpdateStatus.Done, UpdateStatus.Downloading, UpdateStatus.Downloading)]
    [InlineData(UpdateStatus.Rejected, UpdateStatus.Aborted, UpdateStatus.Rejected)]
    [InlineData(UpdateStatus.ApplyingChanges, UpdateStatus.Downloaded, UpdateStatus.Downloaded)]
    [InlineData(UpdateStatus.None, UpdateStatus.Done, UpdateStatus.Done)]
    [InlineData(UpdateStatus.None, UpdateStatus.None, UpdateStatus.None)]
    public void The_lowest_over_the_releases_wins(UpdateStatus one, UpdateStatus other, UpdateStatus expected)
    {
        Assert.Equal(expected, UpdateStatusRule.Lower(one, other));
        Assert.Equal(expected, UpdateStatusRule.Lower(other, one));
    }

    private static MergedReport Merge(ReportedState before, StateReport report) => ReportMerge.Apply(before, report, Target, Now);

    private static Reported<ImmutableArray<ServiceInstall>> Installs(params ImmutableArray<ServiceInstall> installs) => new(true, installs);
}
