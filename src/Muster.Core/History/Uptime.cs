using Muster.Core.Status;

namespace Muster.Core.History;

/// <summary>A time in which Muster itself did not listen: nobody knows what devices did. Unix ms.</summary>
public readonly record struct Deafness(long From, long To);

/// <summary>
/// For how much of a time a device was reachable.
/// <para>
/// <b>Reachable</b>: the heartbeat is <c>online</c> or <c>timeout</c>, or the cloudlink is connected. That is the
/// opposite of what makes a device <c>disconnected</c>. The links decide, and not the overall status, because a device
/// that provisions or updates its OS is shown as doing so even while no link is there. <c>timeout</c> counts as
/// reachable, because a device is not called disconnected in it either; so the silence before a device is
/// found to be offline counts as reachable.
/// </para>
/// <para>
/// <b>Counted</b>: only time in which somebody expected the device and we could know. Not counted are the time before
/// it was first seen and after it was deactivated (<c>inactive</c>), the time in which it was <c>frozen</c> (it is not
/// answered then), the time of which nothing is on record, and the time in which Muster did not listen.
/// </para>
/// </summary>
/// <param name="Reachable">Milliseconds.</param>
/// <param name="Counted">Milliseconds.</param>
public readonly record struct Uptime(long Reachable, long Counted)
{
    /// <summary>0 to 1; null when nothing counts.</summary>
    public double? Share => Counted == 0 ? null : (double)Reachable / Counted;

    /// <summary>Of the times of two ranges that do not overlap.</summary>
    public static Uptime operator +(Uptime a, Uptime b) => new(a.Reachable + b.Reachable, a.Counted + b.Counted);

    /// <param name="overall">Lane of the overall status, of one range with the two others, not condensed.</param>
    /// <param name="outages">In any order; they may overlap each other and the ends of the range.</param>
    public static Uptime Of(IReadOnlyList<Interval> overall, IReadOnlyList<Interval> heartbeat, IReadOnlyList<Interval> cloudlink, IEnumerable<Deafness> outages)
    {
        var (reachable, counted) = (0L, 0L);
        var (h, c) = (0, 0);
        foreach (var heard in Heard(overall, outages))
        {
            for (var at = heard.From; at < heard.To;)
            {
                Skip(heartbeat, ref h, at);
                Skip(cloudlink, ref c, at);
                var until = Math.Min(heard.To, Math.Min(End(heartbeat, h, at), End(cloudlink, c, at)));
                var (beat, link) = (ValueAt(heartbeat, h, at), ValueAt(cloudlink, c, at));
                if (beat is not null || link is not null)
                    counted += until - at;
                if (IsHeard(beat) || link == "connected")
                    reachable += until - at;
                at = until;
            }
        }

        return new(reachable, counted);
    }

    private static bool IsHeard(string? heartbeat) => heartbeat is not null && StatusWords.Heartbeat(heartbeat) is HeartbeatState.Online or HeartbeatState.Timeout;

    /// <summary>The counted intervals without the outages, in order.</summary>
    private static IEnumerable<(long From, long To)> Heard(IReadOnlyList<Interval> overall, IEnumerable<Deafness> outages)
    {
        var deaf = outages.Where(o => o.To > o.From).OrderBy(o => o.From).ToList();
        var next = 0;
        foreach (var interval in overall)
        {
            if (StatusWords.Overall(interval.Value) is OverallStatus.Inactive or OverallStatus.Frozen)
                continue;
            var at = interval.From;
            while (next < deaf.Count && deaf[next].From < interval.To)
            {
                if (deaf[next].From > at)
                    yield return (at, deaf[next].From);
                at = Math.Max(at, deaf[next].To);
                // One that reaches beyond this interval goes on in the next.
                if (deaf[next].To >= interval.To)
                    break;
                next++;
            }

            if (at < interval.To)
                yield return (at, interval.To);
        }
    }

    private static void Skip(IReadOnlyList<Interval> lane, ref int i, long at)
    {
        while (i < lane.Count && lane[i].To <= at)
            i++;
    }

    /// <summary>Until when what the lane says at an instant holds.</summary>
    private static long End(IReadOnlyList<Interval> lane, int i, long at) =>
        i >= lane.Count ? long.MaxValue : lane[i].From > at ? lane[i].From : lane[i].To;

    private static string? ValueAt(IReadOnlyList<Interval> lane, int i, long at) => i < lane.Count && lane[i].From <= at ? lane[i].Value : null;
}
