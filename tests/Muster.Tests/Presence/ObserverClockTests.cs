using Muster.Core.Presence;

namespace Muster.Tests.Presence;

public sealed class ObserverClockTests
{
    [Fact]
    public void It_advances_while_we_listen() =>
        Assert.Equal(1_500, ObserverClock.First.Advance(1_000, listening: true).Advance(500, listening: true).Now);

    [Fact]
    public void It_stands_while_we_do_not_listen_and_measures_the_outage()
    {
        var clock = ObserverClock.First.Advance(1_000, true).Advance(1_000, false).Advance(60_000, false);
        Assert.Equal((1_000, 61_000, false), (clock.Now, clock.Outage, clock.IsListening));
        // The tick that finds us listening again covers time in which we did not.
        var resumed = clock.Advance(1_000, true);
        Assert.Equal((1_000, 1_000, 62_000, true), (resumed.Now, resumed.ResumedAt, resumed.Outage, resumed.IsListening));
    }

    [Fact]
    public void A_gap_that_is_too_long_to_believe_is_an_outage()
    {
        var clock = ObserverClock.First.Advance(1_000, true).Advance(3_600_000, true);
        Assert.Equal((1_000, 3_600_000, true), (clock.Now, clock.Outage, clock.IsListening));
    }

    [Fact]
    public void Outages_that_one_backoff_can_span_count_as_one()
    {
        var clock = ObserverClock.First.Advance(1_000, true).Advance(600_000, false).Advance(0, true);
        for (var i = 0; i < 30; i++)
            clock = clock.Advance(1_000, true);
        clock = clock.Advance(5_000, true);
        Assert.Equal(600_000 + 30_000 + 5_000, clock.Outage);
    }

    [Fact]
    public void Silence_is_forgiven_until_the_device_can_have_tried_again()
    {
        var clock = ObserverClock.First.Advance(1_000, true).Advance(10_000, true);
        Assert.Equal(1_000 + 10_000 + ObserverClock.RetryPatience, clock.SilenceLasts(lastContact: 500, window: 100_500));
        // Never more than a window after our return, and never less than the plain silence.
        Assert.Equal(1_000 + 50_000, clock.SilenceLasts(lastContact: 999, window: 50_000));
        Assert.Equal(999 + 990_000, clock.SilenceLasts(lastContact: 999, window: 990_000));
        Assert.Equal(1_000 + 50_000, clock.SilenceLasts(lastContact: 1_000, window: 50_000));
    }

    [Fact]
    public void A_stop_in_order_is_an_outage_of_known_length()
    {
        var saved = ObserverClock.First.Advance(2_000, true).Checkpoint(wallClock: 100_000, stoppedInOrder: true);
        var clock = ObserverClock.Restore(saved, lastRecorded: 1_500, wallClock: 130_000);
        Assert.Equal((2_000, 2_000, 30_000, 0), (clock.Now, clock.ResumedAt, clock.Outage, clock.UncleanAt));
    }

    [Theory]
    [InlineData(false, 130_000)]
    [InlineData(true, 99_000)]
    public void After_a_stop_of_which_we_know_nothing_everyone_gets_a_whole_window(bool inOrder, long wallClock)
    {
        var saved = ObserverClock.First.Advance(2_000, true).Checkpoint(100_000, inOrder);
        var clock = ObserverClock.Restore(saved, lastRecorded: 1_500, wallClock);
        Assert.Equal(2_000 + 990_000, clock.SilenceLasts(lastContact: 10, window: 990_000));
        // Who has been heard since is judged by what was seen.
        var later = clock.Advance(1_000, true);
        Assert.Equal(2_500 + 990_000, later.SilenceLasts(lastContact: 2_500, window: 990_000));
    }

    [Fact]
    public void A_contact_newer_than_the_checkpoint_moves_the_clock_on()
    {
        var saved = ObserverClock.First.Advance(2_000, true).Checkpoint(100_000, stoppedInOrder: false);
        Assert.Equal(7_000, ObserverClock.Restore(saved, lastRecorded: 7_000, wallClock: 101_000).Now);
        Assert.Equal(7_000, ObserverClock.Restore(null, lastRecorded: 7_000, wallClock: 101_000).Now);
    }
}
