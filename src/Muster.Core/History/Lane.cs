namespace Muster.Core.History;

/// <summary>A stored change of one fact of a device (docs/design.md, "Words").</summary>
/// <param name="At">Unix ms.</param>
public readonly record struct FactChange(string? From, string? To, long At, string Cause);

/// <summary>What is known of a fact without the changes in the range.</summary>
/// <param name="Value">The value that held when the range began; where none is known, the value before the first change in it.</param>
/// <param name="Cause">What brought that value about; null when that is not on record.</param>
public readonly record struct Standing(string? Value, string? Cause);

/// <summary>A time in which a fact had one value.</summary>
/// <param name="From">Unix ms, within the range asked for.</param>
/// <param name="To">Unix ms; not within.</param>
/// <param name="Cause">What brought the value about; null when that is not on record.</param>
/// <param name="Condensed">0 when exactly true. Else so many shorter intervals stand behind this one, and <paramref name="Value"/> is the one that held longest in it.</param>
public readonly record struct Interval(string Value, long From, long To, string? Cause, int Condensed = 0)
{
    public long Length => To - From;
}

/// <summary>The values of one fact over a time, from its stored changes.</summary>
public static class Lane
{
    /// <summary>The word for a fact without a value: no update status was ever told.</summary>
    public const string None = "none";

    /// <summary>
    /// The intervals of a fact in [<paramref name="from"/>, <paramref name="to"/>), without gaps, each with another value
    /// than the one before it.
    /// </summary>
    /// <param name="standing">What held at <paramref name="from"/>; null when nothing is on record, then the first change says what was before it.</param>
    /// <param name="changes">Changes in the range, oldest first.</param>
    public static IReadOnlyList<Interval> Of(Standing? standing, IReadOnlyList<FactChange> changes, long from, long to)
    {
        if (from >= to || (standing is null && changes.Count == 0))
            return [];
        var (value, cause) = standing is { } known ? (known.Value ?? None, known.Cause) : (changes[0].From ?? None, null);
        var begin = from;
        List<Interval> lane = [];
        foreach (var change in changes)
        {
            var next = change.To ?? None;
            if (next == value)
                continue;
            var at = Math.Clamp(change.At, begin, to);
            if (at > begin)
                Append(lane, new(value, begin, at, cause));
            (value, cause, begin) = (next, change.Cause, at);
        }

        if (to > begin)
            Append(lane, new(value, begin, to, cause));
        return lane;
    }

    /// <summary>
    /// At most <paramref name="most"/> intervals, the same ones every time. Those that are long enough to be seen stay as
    /// they are; neighbours shorter than that become one, with the value that held longest in it (of equals the first).
    /// </summary>
    /// <param name="most">At least 3.</param>
    public static IReadOnlyList<Interval> Condense(IReadOnlyList<Interval> lane, int most)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 3);
        if (lane.Count <= most)
            return lane;
        // An interval or run of at least this width fits in so many times; before each there is at most one shorter run.
        var slots = (most - 1) / 2;
        var width = (lane[^1].To - lane[0].From + slots - 1) / slots;
        List<Interval> condensed = [];
        for (var i = 0; i < lane.Count;)
        {
            var end = i + 1;
            if (lane[i].Length < width)
            {
                while (end < lane.Count && lane[end].Length < width && lane[end - 1].To - lane[i].From < width)
                    end++;
            }

            condensed.Add(end == i + 1 ? lane[i] : Together(lane, i, end));
            i = end;
        }

        return condensed;
    }

    private static Interval Together(IReadOnlyList<Interval> lane, int first, int end)
    {
        var held = new Dictionary<string, long>(StringComparer.Ordinal);
        for (var i = first; i < end; i++)
            held[lane[i].Value] = held.GetValueOrDefault(lane[i].Value) + lane[i].Length;
        var value = lane[first].Value;
        for (var i = first; i < end; i++)
        {
            if (held[lane[i].Value] > held[value])
                value = lane[i].Value;
        }

        return new(value, lane[first].From, lane[end - 1].To, null, end - first);
    }

    /// <summary>A value that was left and taken on again within one millisecond was never left.</summary>
    private static void Append(List<Interval> lane, Interval next)
    {
        if (lane.Count > 0 && lane[^1].Value == next.Value)
            lane[^1] = lane[^1] with { To = next.To };
        else
            lane.Add(next);
    }
}
