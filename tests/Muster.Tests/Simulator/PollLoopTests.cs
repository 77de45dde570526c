using Muster.Simulator.Devices;

namespace Muster.Tests.Simulator;

public sealed class PollLoopTests
{
    private static readonly SupervisorTimings Stock = SupervisorTimings.Stock;

    [Fact]
    public void Errors_wait_15_s_doubled_each_time_up_to_the_interval()
    {
        var loop = new PollLoop(Stock, new Random(1));
        loop.Start(0);
        var waits = new List<long>();
        var now = 0L;
        for (var i = 0; i < 9; i++)
        {
            Assert.True(loop.TryTake(now));
            loop.Failed(now);
            waits.Add(loop.NextDue - now);
            now = loop.NextDue;
        }

        Assert.Equal([15_000, 30_000, 60_000, 120_000, 240_000, 480_000, 900_000, 900_000, 900_000], waits);
    }

    [Fact]
    public void A_success_ends_the_backoff()
    {
        var loop = new PollLoop(Stock, new Random(1));
        loop.Start(0);
        loop.TryTake(0);
        loop.Failed(0);
        loop.TryTake(loop.NextDue);
        loop.Succeeded("x", 100_000);
        loop.TryTake(loop.NextDue);
        loop.Failed(2_000_000);
        Assert.Equal(2_015_000, loop.NextDue);
    }

    [Fact]
    public void Polls_come_an_interval_and_up_to_a_minute_after_each_other()
    {
        var loop = new PollLoop(Stock, new Random(7));
        loop.Start(0);
        var (now, waits) = (0L, new List<long>());
        for (var i = 0; i < 1000; i++)
        {
            Assert.True(loop.TryTake(now));
            loop.Succeeded(null, now);
            waits.Add(loop.NextDue - now);
            now = loop.NextDue;
        }

        Assert.InRange(waits.Min(), 900_000, 903_000);
        Assert.InRange(waits.Max(), 957_000, 960_000);
        Assert.InRange(waits.Average(), 925_000, 935_000);
    }

    [Fact]
    public void A_new_interval_waits_for_the_end_of_the_sleep_under_way()
    {
        var loop = new PollLoop(Stock with { PollJitter = 0 }, new Random(1));
        loop.Start(0);
        loop.TryTake(0);
        loop.Succeeded("x", 0);
        loop.Configure(60_000);
        Assert.Equal(900_000, loop.NextDue);
        loop.TryTake(900_000);
        loop.Succeeded("x", 900_000);
        Assert.Equal(960_000, loop.NextDue);
    }

    [Fact]
    public void One_poll_is_under_way_at_a_time_and_a_restart_forgets_the_etag()
    {
        var loop = new PollLoop(Stock, new Random(1));
        loop.Start(0);
        Assert.True(loop.TryTake(0));
        Assert.False(loop.TryTake(1_000_000));
        loop.Succeeded("W/\"a\"", 0);
        loop.Succeeded(null, 0);
        Assert.Equal("W/\"a\"", loop.ETag);
        loop.Start(10);
        Assert.Null(loop.ETag);
        Assert.True(loop.TryTake(10));
    }

    [Fact]
    public void A_time_scale_shortens_everything_but_the_interval()
    {
        var scaled = Stock.Scaled(10);
        Assert.Equal((900_000, 6_000, 1_000, 30_000, 1_500), (scaled.PollInterval, scaled.PollJitter, scaled.ReportInterval, scaled.MetricsInterval, scaled.RetryBase));
    }
}
