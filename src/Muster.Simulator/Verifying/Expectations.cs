using System.Collections.Immutable;
using Muster.Simulator.Fleet;

namespace Muster.Simulator.Verifying;

/// <summary>Something Muster must have noticed.</summary>
/// <param name="What">The kind, for the report: "heartbeat lost", …</param>
/// <param name="Trouble">The trouble the device was in; "none" when it did so of itself.</param>
/// <param name="Earliest">Unix ms; to say so before is false.</param>
/// <param name="At">Unix ms at which theory has it known.</param>
/// <param name="Ends">Unix ms at which it was over.</param>
public sealed record Expectation(string Device, string What, string Trouble, string Fact, string Value, long Earliest, long At, long Ends);

/// <summary>What the truth of a device makes one expect of Muster.</summary>
public static class Expectations
{
    public static IEnumerable<Expectation> Of(DeviceTruth device, ImmutableArray<TruthEvent> serverAway, Bounds bounds, long ended) =>
        [.. Heartbeats(device, serverAway, bounds, ended), .. Tunnels(device, ended), .. Updates(device, ended)];

    private static IEnumerable<Expectation> Heartbeats(DeviceTruth device, ImmutableArray<TruthEvent> serverAway, Bounds bounds, long ended)
    {
        var polls = device.Polls;
        for (var i = 0; i < polls.Length; i++)
        {
            var poll = polls[i];
            if (!DeviceTruth.IsCertain(poll))
                continue;
            var (least, most) = device.Window(i);
            var next = i + 1 < polls.Length ? polls[i + 1] : null;
            var until = next?.At ?? ended;
            // Time in which the server was away does not count; how much that is only the server knows.
            if (serverAway.Any(a => a.At <= until && a.AnsweredAt >= poll.At))
                continue;
            var lostAt = poll.AnsweredAt!.Value + most;
            if (until <= lostAt)
                continue;
            var trouble = TroubleAt(device, poll.AnsweredAt.Value, lostAt);
            yield return new(device.Uuid, "heartbeat lost", trouble, "heartbeat", "timeout", poll.At + least, lostAt, until);

            var lastContact = device.Contacts.Where(c => c.At < until).Max(c => c.AnsweredAt ?? c.At + bounds.Tolerance);
            var goneAt = Math.Max(lostAt + bounds.OfflineAfter, lastContact + most);
            if (until > goneAt)
                yield return new(device.Uuid, "device gone", trouble, "heartbeat", "offline", poll.At + least, goneAt, until);
            if (next is not null && DeviceTruth.IsCertain(next) && until > lostAt + bounds.Tolerance)
                yield return new(device.Uuid, "heartbeat back", trouble, "heartbeat", "online", next.At, next.AnsweredAt!.Value, (i + 2 < polls.Length ? polls[i + 2].At : ended) + 1);
        }
    }

    private static IEnumerable<Expectation> Tunnels(DeviceTruth device, long ended)
    {
        var tunnel = device.Tunnel;
        var isUp = false;
        for (var i = 0; i < tunnel.Length; i++)
        {
            var up = tunnel[i].State == "up";
            if (!DeviceTruth.IsCertain(tunnel[i]) || (up == isUp && i > 0))
                continue;
            isUp = up;
            var ends = i + 1 < tunnel.Length ? tunnel[i + 1].At : ended;
            yield return new(device.Uuid, up ? "cloudlink up" : "cloudlink down", TroubleAt(device, tunnel[i].At, tunnel[i].At), "cloudlink", up ? "connected" : "disconnected", tunnel[i].At, tunnel[i].AnsweredAt!.Value, ends);
        }
    }

    private static IEnumerable<Expectation> Updates(DeviceTruth device, long ended)
    {
        var reports = device.Reports;
        string? before = null;
        for (var i = 0; i < reports.Length; i++)
        {
            if (!DeviceTruth.IsCertain(reports[i]) || reports[i].Claim?.UpdateStatus is not { } status || status == before)
                continue;
            before = status;
            // Of a device known before it is not known what it said last.
            if (i == 0 && !device.IsNew)
                continue;
            var ends = i + 1 < reports.Length ? reports[i + 1].At : ended;
            yield return new(device.Uuid, $"update {status}", TroubleAt(device, reports[i].At, reports[i].At), "update_status", status, reports[i].At, reports[i].AnsweredAt!.Value, ends);
        }
    }

    /// <summary>The trouble that began last of those the device was in at some time of the span.</summary>
    private static string TroubleAt(DeviceTruth device, long from, long to)
    {
        var under = new List<string>();
        foreach (var change in device.Troubles)
        {
            if (change.At > to)
                break;
            if (change.State == "begins")
                under.Add(change.Trouble ?? "");
            else if (change.At < from)
                under.Remove(change.Trouble ?? "");
        }

        return under.LastOrDefault("none");
    }
}
