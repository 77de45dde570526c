using System.Collections.Immutable;
using Muster.Simulator.Devices;

namespace Muster.Tests.Simulator;

public sealed class ReportLoopTests
{
    private static readonly SupervisorTimings Stock = SupervisorTimings.Stock;
    private readonly ReportLoop loop = new(Stock);

    [Fact]
    public void The_first_report_is_whole_and_the_next_one_only_what_changed()
    {
        loop.Start(0, forget: true);
        Assert.Equal(["apps", "status"], Take(0, ("status", "\"Idle\""), ("apps", "{}"))!.Fields.Keys);
        loop.Succeeded(0);
        Assert.Equal(["apps"], Take(10_000, ("status", "\"Idle\""), ("apps", "{\"a\":1}"))!.Fields.Keys);
    }

    [Fact]
    public void Reports_are_ten_seconds_apart_counted_from_the_last_successful_one()
    {
        loop.Start(0, forget: true);
        Take(0, ("status", "1"));
        loop.Succeeded(2_000);
        loop.Wake(3_000);
        Assert.Null(Take(11_999, ("status", "2")));
        Assert.NotNull(Take(12_000, ("status", "2")));
    }

    [Fact]
    public void Metrics_alone_wait_five_minutes_and_ride_along_before()
    {
        loop.Start(0, forget: true);
        Take(0, ("status", "1"), ("cpu_usage", "10"));
        loop.Succeeded(0);
        Assert.Null(Take(10_000, ("status", "1"), ("cpu_usage", "30")));
        loop.Wake(20_000);
        Assert.Equal(["cpu_usage", "status"], Take(20_000, ("status", "2"), ("cpu_usage", "30"))!.Fields.Keys);
        loop.Succeeded(20_000);
        loop.Wake(30_000);
        Assert.Null(Take(319_999, ("status", "2"), ("cpu_usage", "90")));
        Assert.NotNull(Take(loop.NextDue, ("status", "2"), ("cpu_usage", "90")));
        Assert.True(loop.NextDue == long.MaxValue);
    }

    [Fact]
    public void A_failed_report_is_tried_again_after_15_s_doubled_with_the_newest_difference()
    {
        loop.Start(0, forget: true);
        Take(0, ("status", "1"));
        loop.Failed(0, 900_000);
        Assert.Equal(15_000, loop.NextDue);
        Take(15_000, ("status", "1"));
        loop.Failed(15_000, 900_000);
        Assert.Equal(45_000, loop.NextDue);
        Assert.Equal("3", Take(45_000, ("status", "3"))!.Fields["status"]);
    }

    [Fact]
    public void The_pause_after_errors_is_never_longer_than_the_poll_interval()
    {
        loop.Start(0, forget: true);
        var now = 0L;
        for (var i = 0; i < 40; i++)
        {
            Take(now, ("status", "1"));
            loop.Failed(now, 60_000);
            Assert.InRange(loop.NextDue - now, 1, 60_000);
            now = loop.NextDue;
        }
    }

    [Fact]
    public void A_restart_keeps_what_was_reported_and_a_reboot_does_not()
    {
        loop.Start(0, forget: true);
        Take(0, ("status", "1"));
        loop.Succeeded(0);
        loop.Stop();
        loop.Start(50_000, forget: false);
        Assert.Null(Take(50_000, ("status", "1")));
        loop.Start(60_000, forget: true);
        Assert.NotNull(Take(60_000, ("status", "1")));
    }

    [Theory]
    [InlineData("cpu_usage", "19", "0", false)]
    [InlineData("cpu_usage", "19", "20", true)]
    [InlineData("cpu_temp", "54", "50", false)]
    [InlineData("cpu_temp", "54", "55", true)]
    [InlineData("memory_usage", "1009", "1000", false)]
    [InlineData("memory_usage", "1009", "1010", true)]
    [InlineData("memory_total", "1009", "1010", true)]
    [InlineData("status", "\"a\"", "\"b\"", true)]
    [InlineData("cpu_usage", "5", "null", true)]
    public void A_metric_counts_as_changed_when_it_moves_to_another_bucket(string field, string before, string after, bool differs) =>
        Assert.NotEqual(differs, State((field, before)).DiffTo(State((field, after))).IsEmpty);

    [Fact]
    public void A_metric_that_creeps_is_compared_with_what_was_reported_not_with_what_was_measured_last()
    {
        var reported = State(("memory_usage", "1000"));
        reported = reported.With(reported.DiffTo(State(("memory_usage", "1009"))));
        Assert.Equal("1000", reported.Fields["memory_usage"]);
        Assert.False(reported.DiffTo(State(("memory_usage", "1010"))).IsEmpty);
    }

    private ReportedState? Take(long now, params (string Field, string Value)[] state) => loop.Take(now, () => State(state));

    private static ReportedState State(params (string Field, string Value)[] fields) =>
        new(fields.ToImmutableSortedDictionary(f => f.Field, f => f.Value, StringComparer.Ordinal));
}
