using CsCheck;
using Muster.Core.History;

namespace Muster.Tests.History;

public sealed class LaneTests
{
    private const long Range = 10_000;

    /// <summary>Changes as the server writes them: each begins where the one before ended.</summary>
    private static readonly Gen<(string?[] Values, long[] At)> Stories =
        from at in Gen.Long[0, Range].Array[0, 60]
        from values in Gen.OneOf<string?>("a", "b", "c", null).Array[at.Length + 1]
        select (values, at.Order().ToArray());

    [Fact]
    public void Intervals_follow_each_other_without_gaps_and_cover_the_range() => Stories.Sample(story =>
    {
        var lane = Lane.Of(Before(story), Changes(story), 0, Range);
        Assert.Equal((0, Range), (lane[0].From, lane[^1].To));
        Assert.All(lane, i => Assert.True(i.Length > 0));
        Assert.All(lane.Zip(lane.Skip(1)), pair => Assert.True(pair.First.To == pair.Second.From && pair.First.Value != pair.Second.Value));
    });

    [Fact]
    public void At_every_instant_the_lane_says_what_the_last_change_said() => Gen.Select(Stories, Gen.Long[0, Range - 1]).Sample((story, instant) =>
    {
        var lane = Lane.Of(Before(story), Changes(story), 0, Range);
        var last = Array.FindLastIndex(story.At, at => at <= instant);
        Assert.Equal(story.Values[last + 1] ?? Lane.None, lane.Single(i => i.From <= instant && instant < i.To).Value);
    });

    [Fact]
    public void Two_parts_of_a_range_say_what_the_whole_says() => Gen.Select(Stories, Gen.Long[1, Range - 1]).Sample((story, cut) =>
    {
        var changes = Changes(story);
        var whole = Lane.Of(Before(story), changes, 0, Range);
        var first = Lane.Of(Before(story), [.. changes.Where(c => c.At < cut)], 0, cut);
        var last = changes.LastOrDefault(c => c.At < cut);
        Standing standing = last.Cause is null ? Before(story) : new(last.To, last.Cause);
        var second = Lane.Of(standing, [.. changes.Where(c => c.At >= cut)], cut, Range);
        var joined = first[^1].Value == second[0].Value ? [.. first.SkipLast(1), second[0] with { From = first[^1].From }, .. second.Skip(1)] : first.Concat(second);
        Assert.Equal(whole.Select(i => (i.Value, i.From, i.To)), joined.Select(i => (i.Value, i.From, i.To)));
    });

    [Fact]
    public void Condensed_lanes_are_short_cover_the_same_and_keep_what_is_long() => Gen.Select(Stories, Gen.Int[3, 30]).Sample((story, most) =>
    {
        var lane = Lane.Of(Before(story), Changes(story), 0, Range);
        var condensed = Lane.Condense(lane, most);
        Assert.InRange(condensed.Count, 1, Math.Max(most, 1));
        Assert.Equal((0, Range), (condensed[0].From, condensed[^1].To));
        Assert.All(condensed.Zip(condensed.Skip(1)), pair => Assert.Equal(pair.First.To, pair.Second.From));
        Assert.Equal(lane.Count, condensed.Sum(i => Math.Max(1, i.Condensed)));
        var width = ((Range + ((most - 1) / 2) - 1) / ((most - 1) / 2));
        Assert.Subset(condensed.ToHashSet(), lane.Where(i => i.Length >= width).ToHashSet());
        if (lane.Count <= most)
            Assert.Equal(lane, condensed);
    });

    [Fact]
    public void What_was_before_the_first_change_is_known_from_it() =>
        Assert.Equal([new("online", 0, 40, null), new("timeout", 40, 100, "silence")], Lane.Of(null, [new("online", "timeout", 40, "silence")], 0, 100));

    [Fact]
    public void Of_what_is_not_on_record_nothing_is_said() => Assert.Empty(Lane.Of(null, [], 0, 100));

    private static Standing Before((string?[] Values, long[] At) story) => new(story.Values[0], null);

    private static List<FactChange> Changes((string?[] Values, long[] At) story) =>
        [.. story.At.Select((at, i) => new FactChange(story.Values[i], story.Values[i + 1], at, "test"))];
}
