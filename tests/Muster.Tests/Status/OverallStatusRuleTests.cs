using CsCheck;
using Muster.Core.Status;

namespace Muster.Tests.Status;

public sealed class OverallStatusRuleTests
{
    [Fact]
    public void The_rule_answers_any_facts_and_always_the_same() => AnyFacts.All.Sample(facts =>
    {
        var answer = OverallStatusRule.Evaluate(facts);
        return Enum.IsDefined(answer.Status) && answer == OverallStatusRule.Evaluate(facts) && answer.Progress is null or (>= 0 and <= 100);
    });

    [Fact]
    public void The_reason_agrees_with_the_status() => AnyFacts.All.Sample(facts =>
    {
        var answer = OverallStatusRule.Evaluate(facts);
        return answer.Reason switch
        {
            StatusReason.NeverSeen or StatusReason.Deactivated => answer.Status is OverallStatus.Inactive,
            StatusReason.Frozen => answer.Status is OverallStatus.Frozen,
            StatusReason.Provisioning => answer.Status is OverallStatus.PostProvisioning,
            StatusReason.NotPolledYet or StatusReason.OsConfiguration => answer.Status is OverallStatus.Configuring,
            StatusReason.NoHeartbeatNoCloudlink => answer.Status is OverallStatus.Disconnected && !facts.CloudlinkConnected,
            StatusReason.DownloadingImages => answer.Status is OverallStatus.Updating && answer.Progress is not null,
            StatusReason.HeartbeatMissing => answer.Status is OverallStatus.ReducedFunctionality && facts.Heartbeat is not HeartbeatState.Online,
            StatusReason.CloudlinkMissing => answer.Status is OverallStatus.ReducedFunctionality && !facts.CloudlinkConnected && facts.CloudlinkExpected,
            StatusReason.AllLinksWork => answer.Status is OverallStatus.Operational && facts.CloudlinkConnected,
            StatusReason.CloudlinkNotExpected => answer.Status is OverallStatus.Operational && !facts.CloudlinkExpected,
            _ => false,
        };
    });

    [Fact]
    public void A_frozen_status_implies_an_active_device() => AnyFacts.All.Sample(facts =>
        OverallStatusRule.Evaluate(facts).Status is not OverallStatus.Frozen || (facts.IsActive && facts.IsFrozen));

    [Fact]
    public void A_poll_never_worsens_a_status() => AnyFacts.All.Sample(facts =>
    {
        var before = OverallStatusRule.Evaluate(facts);
        var after = OverallStatusRule.Evaluate(facts with { IsActive = true, EverSeen = true, Heartbeat = HeartbeatState.Online });
        // The first poll ends "configuring": from then on the links are judged.
        return before.Reason is StatusReason.NotPolledYet ? after.Status is not OverallStatus.Disconnected : Rank(after.Status) >= Rank(before.Status);
    });

    [Fact]
    public void More_silence_never_improves_a_status() => AnyFacts.All.Where(f => f.Heartbeat is not HeartbeatState.Unknown).Sample(facts =>
    {
        var online = OverallStatusRule.Evaluate(facts with { Heartbeat = HeartbeatState.Online });
        var timeout = OverallStatusRule.Evaluate(facts with { Heartbeat = HeartbeatState.Timeout });
        var offline = OverallStatusRule.Evaluate(facts with { Heartbeat = HeartbeatState.Offline });
        return Rank(online.Status) >= Rank(timeout.Status) && Rank(timeout.Status) >= Rank(offline.Status);
    });

    [Fact]
    public void Every_answer_can_be_put_in_words() => AnyFacts.All.Sample(facts =>
    {
        var answer = OverallStatusRule.Evaluate(facts);
        var words = StatusExplanation.Of(facts, answer);
        return words.Sentence.Length > 0 && answer.Reason.Word().Length > 0 && (words.NextStep is null) == answer.Status is OverallStatus.Operational;
    });

    [Theory]
    [InlineData(OverallStatus.Operational, null, "idle")]
    [InlineData(OverallStatus.ReducedFunctionality, null, "idle")]
    [InlineData(OverallStatus.ReducedFunctionality, 40, "updating")]
    [InlineData(OverallStatus.Updating, 40, "updating")]
    [InlineData(OverallStatus.Disconnected, null, "offline")]
    [InlineData(OverallStatus.Configuring, 40, "configuring")]
    [InlineData(OverallStatus.PostProvisioning, null, "post-provisioning")]
    [InlineData(OverallStatus.Inactive, null, "inactive")]
    [InlineData(OverallStatus.Frozen, null, "inactive")]
    public void Older_clients_get_their_own_words(OverallStatus status, int? progress, string expected) =>
        Assert.Equal(expected, LegacyStatus.Word(status, progress));

    /// <summary>How much of a device can be relied on: nothing, one link, or all that is expected at the moment.</summary>
    private static int Rank(OverallStatus status) => status switch
    {
        OverallStatus.Inactive => -1,
        OverallStatus.Disconnected => 0,
        OverallStatus.ReducedFunctionality => 1,
        _ => 2,
    };
}
