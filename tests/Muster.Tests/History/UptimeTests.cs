using CsCheck;
using Muster.Core.History;

namespace Muster.Tests.History;

public sealed class UptimeTests
{
    private const long Range = 10_000;

    private static readonly string[] Statuses = ["inactive", "frozen", "operational", "disconnected", "configuring"];
    private static readonly string[] Heartbeats = ["unknown", "online", "timeout", "offline"];
    private static readonly string[] Links = ["connected", "disconnected"];

    private static readonly Gen<(Interval[] Overall, Interval[] Heartbeat, Interval[] Cloudlink, Deafness[] Outages)> Stories =
        Gen.Select(LaneOf(Statuses), LaneOf(Heartbeats), LaneOf(Links), Gen.Select(Gen.Long[-100, Range], Gen.Long[0, 3_000], (from, length) => new Deafness(from, from + length)).Array[0, 5]);

    [Fact]
    public void Every_millisecond_counts_as_the_rule_says() => Stories.Sample(
        story =>
        {
            var (reachable, counted) = (0L, 0L);
            for (var t = 0L; t < Range; t++)
            {
                var (status, heartbeat, link) = (At(story.Overall, t), At(story.Heartbeat, t), At(story.Cloudlink, t));
                if (status is null or "inactive" or "frozen" || (heartbeat is null && link is null) || story.Outages.Any(o => o.From <= t && t < o.To))
                    continue;
                counted++;
                if (heartbeat is "online" or "timeout" || link is "connected")
                    reachable++;
            }

            Assert.Equal(new Uptime(reachable, counted), Uptime.Of(story.Overall, story.Heartbeat, story.Cloudlink, story.Outages));
        },
        iter: 200);

    [Fact]
    public void The_share_is_a_share_and_two_parts_of_a_range_add_up_to_it() => Gen.Select(Stories, Gen.Long[1, Range - 1]).Sample((story, cut) =>
    {
        var whole = Uptime.Of(story.Overall, story.Heartbeat, story.Cloudlink, story.Outages);
        Assert.InRange(whole.Share ?? 0, 0, 1);
        Assert.Equal(whole.Counted == 0, whole.Share is null);
        var parts = new[] { (0L, cut), (cut, Range) }.Select(part => Uptime.Of(Cut(story.Overall, part), Cut(story.Heartbeat, part), Cut(story.Cloudlink, part), story.Outages));
        Assert.Equal(whole, parts.Aggregate((a, b) => a + b));
    });

    [Fact]
    public void A_device_that_updates_its_OS_without_any_link_was_not_reachable() =>
        Assert.Equal(new Uptime(0, 100), Uptime.Of([new("configuring", 0, 100, null)], [new("offline", 0, 100, null)], [new("disconnected", 0, 100, null)], []));

    [Fact]
    public void What_nobody_heard_because_Muster_was_away_is_not_the_devices_fault() =>
        Assert.Equal(new Uptime(50, 50), Uptime.Of([new("operational", 0, 100, null)], [new("online", 0, 100, null)], [new("disconnected", 0, 100, null)], [new(20, 70)]));

    [Fact]
    public void A_device_that_was_never_seen_has_no_share() =>
        Assert.Null(Uptime.Of([new("inactive", 0, 100, null)], [new("unknown", 0, 100, null)], [new("disconnected", 0, 100, null)], []).Share);

    /// <summary>A lane that begins somewhere in the range and lasts to its end.</summary>
    private static Gen<Interval[]> LaneOf(string[] values) =>
        from cuts in Gen.Long[0, Range - 1].Array[0, 12]
        from words in Gen.OneOf(values).Array[12]
        let bounds = cuts.Distinct().Order().Append(Range).ToArray()
        select bounds.Zip(bounds.Skip(1)).Select((b, i) => new Interval(words[i], b.First, b.Second, null)).ToArray();

    private static string? At(Interval[] lane, long t) => Array.Find(lane, i => i.From <= t && t < i.To).Value;

    private static Interval[] Cut(Interval[] lane, (long From, long To) part) =>
        [.. lane.Select(i => i with { From = Math.Max(i.From, part.From), To = Math.Min(i.To, part.To) }).Where(i => i.Length > 0)];
}
