using CsCheck;
using Muster.Core.Presence;
using Muster.Core.Status;
using Muster.Tests.Status;

namespace Muster.Tests.Presence;

public sealed class HeartbeatMachineTests
{
    private static readonly SilenceLimits Limits = new(1_000, 15);

    private static ObserverClock At(long now) => ObserverClock.First with { Now = now };

    [Theory]
    [InlineData(999, HeartbeatState.Online, 1_000L)]
    [InlineData(1_000, HeartbeatState.Timeout, 1_015L)]
    [InlineData(1_014, HeartbeatState.Timeout, 1_015L)]
    [InlineData(1_015, HeartbeatState.Offline, null)]
    public void Silence_leads_through_timeout_to_offline(long now, HeartbeatState expected, long? changesAt)
    {
        var outlook = HeartbeatMachine.AfterSilence(HeartbeatState.Online, lastPoll: 0, lastContact: 0, Limits, At(now));
        Assert.Equal((expected, changesAt), (outlook.State, outlook.ChangesAt));
    }

    [Fact]
    public void Another_contact_holds_timeout_until_it_leaves_the_window()
    {
        var outlook = HeartbeatMachine.AfterSilence(HeartbeatState.Timeout, lastPoll: 0, lastContact: 900, Limits, At(1_500));
        Assert.Equal(new(HeartbeatState.Timeout, 1_900, HeartbeatState.Offline), outlook);
        Assert.Equal(HeartbeatState.Offline, HeartbeatMachine.AfterSilence(HeartbeatState.Timeout, 0, 900, Limits, At(1_900)).State);
    }

    [Fact]
    public void A_device_that_only_reports_is_not_called_offline_and_not_online()
    {
        Assert.Equal(HeartbeatState.Timeout, HeartbeatMachine.OnContact(HeartbeatState.Offline, everPolled: true));
        Assert.Equal(HeartbeatState.Unknown, HeartbeatMachine.OnContact(HeartbeatState.Unknown, everPolled: false));
        Assert.Equal(HeartbeatState.Timeout, HeartbeatMachine.OnContact(HeartbeatState.Timeout, everPolled: true));
        Assert.Equal(HeartbeatState.Unknown, HeartbeatMachine.OnContact(HeartbeatState.Offline, everPolled: false));
    }

    [Fact]
    public void Silence_changes_neither_unknown_nor_offline()
    {
        foreach (var state in new[] { HeartbeatState.Unknown, HeartbeatState.Offline })
            Assert.Equal(new(state, null, state), HeartbeatMachine.AfterSilence(state, HeartbeatMachine.Never, HeartbeatMachine.Never, Limits, At(1_000_000)));
    }

    [Fact]
    public void Silence_ends_an_unknown_heartbeat_of_a_device_that_was_heard_and_the_forecast_says_so()
    {
        HeartbeatOutlook On(long now) => HeartbeatMachine.AfterSilence(HeartbeatState.Unknown, HeartbeatMachine.Never, lastContact: 100, Limits, At(now));
        Assert.Equal(new(HeartbeatState.Unknown, 1_115, HeartbeatState.Offline), On(1_114));
        Assert.Equal(new(HeartbeatState.Offline, null, HeartbeatState.Offline), On(1_115));
        var reported = new DeviceFacts { IsActive = true, Heartbeat = HeartbeatState.Unknown };
        Assert.Equal(new NextChange(1_115, OverallStatus.Disconnected), SilenceForecast.Of(reported, HeartbeatMachine.Never, 100, Limits, At(200)));
    }

    [Fact]
    public void Silence_that_is_about_to_be_noticed_is_announced_for_now() => Assert.Equal(
        new NextChange(5_000, OverallStatus.Disconnected),
        SilenceForecast.Of(new DeviceFacts { IsActive = true, Heartbeat = HeartbeatState.Online }, 0, 0, Limits, At(5_000)));

    [Fact]
    public void The_announced_instant_is_the_first_at_which_the_state_changes() => Gen.Select(
        Gen.OneOf(HeartbeatState.Online, HeartbeatState.Timeout), Gen.Long[0, 2_000], Gen.Long[0, 2_000], Gen.Long[0, 5_000], Gen.Long[0, 5_000]).Sample((state, poll, contact, resumed, outage) =>
    {
        var clock = new ObserverClock(Math.Max(Math.Max(poll, contact), resumed), resumed, outage, HeartbeatMachine.Never, IsListening: true);
        var outlook = HeartbeatMachine.AfterSilence(state, poll, Math.Max(poll, contact), Limits, clock);
        if (outlook.ChangesAt is not { } at)
            return outlook.State is HeartbeatState.Offline;
        HeartbeatState On(long now) => HeartbeatMachine.AfterSilence(outlook.State, poll, Math.Max(poll, contact), Limits, clock with { Now = now }).State;
        return at > clock.Now && On(at - 1) == outlook.State && On(at) == outlook.Next && outlook.Next != outlook.State;
    });

    [Fact]
    public void The_forecast_names_the_next_other_status_and_its_instant()
    {
        var working = new DeviceFacts { IsActive = true, Heartbeat = HeartbeatState.Online, CloudlinkConnected = true, EverOnCloudlink = true };
        Assert.Equal(new NextChange(1_000, OverallStatus.ReducedFunctionality), SilenceForecast.Of(working, 0, 0, Limits, At(10)));

        var withoutCloudlink = working with { CloudlinkConnected = false };
        Assert.Equal(new NextChange(1_015, OverallStatus.Disconnected), SilenceForecast.Of(withoutCloudlink, 0, 0, Limits, At(10)));
        Assert.Equal(new NextChange(1_500, OverallStatus.Disconnected), SilenceForecast.Of(withoutCloudlink, 0, 500, Limits, At(510)));

        var overCloudlinkOnly = working with { Heartbeat = HeartbeatState.Offline };
        Assert.Null(SilenceForecast.Of(overCloudlinkOnly, 0, 0, Limits, At(5_000)));
    }

    [Fact]
    public void The_answer_alone_tells_with_which_heartbeat_the_status_changes() => AnyFacts.All
        .Where(facts => facts.Heartbeat is HeartbeatState.Online or HeartbeatState.Timeout)
        .Sample(facts =>
        {
            var answer = OverallStatusRule.Evaluate(facts);
            var next = SilenceForecast.Of(facts, 0, 0, Limits, At(facts.Heartbeat is HeartbeatState.Online ? 10 : 1_001));
            long? expected = SilenceForecast.ChangesWith(answer.Reason, facts.CloudlinkConnected) switch
            {
                HeartbeatState.Timeout => 1_000,
                HeartbeatState.Offline => 1_015,
                _ => null,
            };
            return next?.At == expected;
        });
}
