using System.Collections.Immutable;
using Muster.Simulator.Devices;
using Muster.Simulator.Fleet;

namespace Muster.Simulator.Verifying;

/// <summary>
/// What can have been true of one device. A request was acted upon at some instant between its sending and its answer; one
/// without a good answer may or may not have been acted upon. So every question has a set of right answers, most often of one.
/// </summary>
public sealed class DeviceTruth
{
    /// <summary>A tunnel server that died in an earlier run is found out by now, ms.</summary>
    private const long OldSessionsEnd = 75_000;

    private readonly Bounds bounds;
    private readonly ImmutableArray<TruthEvent> polls;
    private readonly ImmutableArray<(long Least, long Most)> windows;
    private readonly ImmutableArray<TruthEvent> contacts;
    private readonly ImmutableArray<TruthEvent> reports;
    private readonly ImmutableArray<TruthEvent> tunnel;
    private readonly ImmutableArray<TruthEvent> serverAway;
    private readonly long begins;

    /// <param name="events">Of this device, in order of <see cref="TruthEvent.At"/>.</param>
    /// <param name="serverAway">Spans in which the server gave no answer.</param>
    public DeviceTruth(string uuid, IReadOnlyList<TruthEvent> events, ImmutableArray<TruthEvent> serverAway, Bounds bounds)
    {
        Uuid = uuid;
        this.bounds = bounds;
        this.serverAway = serverAway;
        polls = [.. events.Where(e => e.Event == TruthEvents.Poll)];
        // The interval may be changed between two polls; the later one tells.
        var intervals = polls.Select(p => p.PollInterval ?? bounds.PollInterval).ToArray();
        windows = [.. intervals.Select((interval, i) => (Interval: interval, Next: intervals[Math.Min(i + 1, intervals.Length - 1)]))
            .Select(w => (Math.Min(w.Interval, w.Next) + bounds.TimeoutMargin, Math.Max(w.Interval, w.Next) + bounds.TimeoutMargin))];
        reports = [.. events.Where(e => e.Event == TruthEvents.Report)];
        tunnel = [.. events.Where(e => e.Event == TruthEvents.Tunnel)];
        contacts = [.. events.Where(e => e.Event is TruthEvents.Poll or TruthEvents.Report or TruthEvents.Contact or TruthEvents.Request)];
        Troubles = [.. events.Where(e => e.Event == TruthEvents.Trouble)];
        begins = events.Count > 0 ? events[0].At : 0;
        IsNew = events.Any(e => e is { Event: TruthEvents.Register, Status: 201 });
    }

    public string Uuid { get; }

    /// <summary>Registered in this run, so that nothing happened before it.</summary>
    public bool IsNew { get; }

    public ImmutableArray<TruthEvent> Troubles { get; }

    public ImmutableArray<TruthEvent> Polls => polls;

    public ImmutableArray<TruthEvent> Contacts => contacts;

    public ImmutableArray<TruthEvent> Reports => reports;

    public ImmutableArray<TruthEvent> Tunnel => tunnel;

    /// <summary>The server acted upon it for certain, before the answer.</summary>
    public static bool IsCertain(TruthEvent request) =>
        request is { AnsweredAt: not null, Status: (>= 200 and < 300) or 304 } && request.Event != TruthEvents.Request;

    /// <summary>Silence after the poll of this number that brings the heartbeat to timeout, shortest and longest, ms.</summary>
    public (long Least, long Most) Window(int poll) => windows[poll];

    /// <summary>The answers that can be right at some instant from <paramref name="from"/> to <paramref name="to"/>, Unix ms.</summary>
    public Possible At(long from, long to)
    {
        var heartbeat = Heartbeat(from, to);
        var cloudlink = Cloudlink(from, to);
        var claims = Claims(from, to);
        return new(
            heartbeat,
            cloudlink,
            claims is null ? null : [.. claims.Value.Select(c => c?.UpdateStatus)],
            Overall(from, to, heartbeat, cloudlink, claims));
    }

    private ImmutableArray<string> Heartbeat(long from, long to)
    {
        var last = -1;
        var onlineStill = false;
        var anyPoll = false;
        for (var i = 0; i < polls.Length && polls[i].At <= to; i++)
        {
            var poll = polls[i];
            anyPoll = true;
            if (IsCertain(poll) && poll.AnsweredAt <= from)
                last = i;
            onlineStill |= from <= Latest(poll, to) + windows[i].Most + bounds.Tolerance;
        }

        var possible = ImmutableArray.CreateBuilder<string>();
        if (last < 0)
        {
            possible.Add("unknown");
            if (!IsNew)
                possible.AddRange("online", "timeout", "offline");
            else if (anyPoll)
                possible.Add("online");
            // Heard, and never polled: silence ends that too.
            if (contacts.Any(c => c.At + bounds.PollInterval + bounds.TimeoutMargin + bounds.OfflineAfter <= to + 1))
                possible.Add("offline");
            return possible.ToImmutable();
        }

        if (onlineStill)
            possible.Add("online");
        var (certain, window) = (polls[last], windows[last]);
        // Rounding to milliseconds may differ by one on either side.
        if (to + 1 < certain.At + window.Least)
            return possible.ToImmutable();
        var mustBeOfflineAt = contacts.Where(c => c.At <= to).Select(c => Latest(c, to) + window.Most).Append(Latest(certain, to) + window.Most + bounds.OfflineAfter).Max();
        if (from <= mustBeOfflineAt + bounds.Tolerance)
            possible.Add("timeout");
        var silentContacts = contacts.All(c => !IsCertain(c) || c.AnsweredAt > from || to + 1 >= c.At + window.Least);
        if (silentContacts && to + 1 >= certain.At + window.Least + bounds.OfflineAfter)
            possible.Add("offline");
        return possible.ToImmutable();
    }

    /// <summary>The latest instant from which silence may be counted: a server that was away does not count that time.</summary>
    private long Latest(TruthEvent request, long to)
    {
        var latest = request.AnsweredAt ?? (request.At + bounds.Tolerance);
        foreach (var away in serverAway)
        {
            if (away.At <= to && away.AnsweredAt >= request.At)
                latest = Math.Max(latest, Math.Min(to, away.AnsweredAt.Value));
        }

        return latest;
    }

    private ImmutableArray<bool> Cloudlink(long from, long to)
    {
        var (up, down) = (false, true);
        if (!IsNew && from < begins + OldSessionsEnd + bounds.Tolerance)
            up = true;
        foreach (var change in tunnel)
        {
            if (change.At > to)
                break;
            var isUp = change.State == "up";
            if (IsCertain(change) && change.AnsweredAt <= from)
                (up, down) = (isUp, !isUp);
            else if (isUp)
                up = true;
            else
                down = true;
        }

        return (up, down) switch
        {
            (true, true) => [true, false],
            (true, false) => [true],
            _ => [false],
        };
    }

    /// <summary>What the device may last have said of itself; a null element: nothing yet; null: something before this run.</summary>
    private ImmutableArray<Claim?>? Claims(long from, long to)
    {
        var possible = new List<Claim?> { null };
        var anyCertain = false;
        foreach (var report in reports)
        {
            if (report.At > to)
                break;
            var isCertain = IsCertain(report) && report.AnsweredAt <= from;
            anyCertain |= isCertain && report.Claim is not { OsProgress: not null };
            // The OS's tool tells its progress only; whatever else was possible stays so.
            List<Claim?> now = report.Claim is { OsProgress: { } progress }
                ? [.. possible.Distinct().Select(before => (before ?? new Claim(false, null, null, null)) with { OsProgress = progress })]
                : [report.Claim];
            possible = isCertain ? now : [.. possible, .. now];
        }

        return !anyCertain && !IsNew ? null : [.. possible];
    }

    private ImmutableArray<string> Overall(long from, long to, ImmutableArray<string> heartbeats, ImmutableArray<bool> cloudlinks, ImmutableArray<Claim?>? claims)
    {
        if (!IsNew && claims is null)
            return [];
        var possible = new SortedSet<string>(StringComparer.Ordinal);
        var contacted = contacts.Any(c => IsCertain(c) && c.AnsweredAt <= from);
        if (!contacted)
            possible.Add("inactive");
        if (!contacted && !contacts.Any(c => c.At <= to) && !cloudlinks.Contains(true))
            return [.. possible];
        var everUp = tunnel.Any(t => t.State == "up" && t.At <= to);
        bool[] evers = everUp ? [true, tunnel.Any(t => t.State == "up" && IsCertain(t) && t.AnsweredAt <= from)] : [!IsNew, false];
        var expected = polls.Where(p => p.At <= to && p.TunnelEnabled is not null).Select(p => p.TunnelEnabled!.Value).DefaultIfEmpty(true).TakeLast(2).ToArray();
        foreach (var heartbeat in heartbeats)
        {
            foreach (var cloudlink in cloudlinks)
            {
                foreach (var claim in claims ?? [null])
                {
                    foreach (var ever in evers)
                        possible.UnionWith(expected.Select(e => Status(heartbeat, cloudlink, ever, e, claim)));
                }
            }
        }

        return [.. possible];
    }

    /// <summary>
    /// The meaning of the statuses (docs/device-statuses.md) for a simulated device. Written here once more on purpose:
    /// a judge that asked the server's own rule would find every mistake of that rule right.
    /// </summary>
    private static string Status(string heartbeat, bool cloudlink, bool everOnCloudlink, bool cloudlinkExpected, Claim? claim)
    {
        if (!cloudlink && heartbeat == "unknown")
            return everOnCloudlink ? "disconnected" : "configuring";
        if (!cloudlink && heartbeat == "offline")
            return "disconnected";
        if (claim is { OsProgress: not null })
            return "configuring";
        if (claim is { Downloading: true } && (heartbeat is "online" or "timeout"))
            return "updating";
        return heartbeat == "online" && (cloudlink || !cloudlinkExpected) ? "operational" : "reduced-functionality";
    }
}

/// <summary>Sets of right answers. An empty or absent set: not known, so nothing is false.</summary>
public sealed record Possible(ImmutableArray<string> Heartbeat, ImmutableArray<bool> Cloudlink, ImmutableArray<string?>? UpdateStatus, ImmutableArray<string> Overall);
