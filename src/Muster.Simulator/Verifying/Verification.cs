using System.Collections.Immutable;
using Muster.Simulator.Fleet;

namespace Muster.Simulator.Verifying;

/// <summary>
/// Compares what devices really did with what Muster said of them: lists every false status, and how long true ones took.
/// Pure.
/// </summary>
public static class Verification
{
    /// <summary>The server stamps its history with its own clock and at its own instant; both are the same machine's, ms.</summary>
    private const long ClockSlack = 100;

    /// <param name="ended">Unix ms; nothing later is compared.</param>
    public static VerificationReport Compare(IReadOnlyList<TruthEvent> truth, Said said, Bounds bounds, long ended)
    {
        var away = truth.Where(e => e.Event == TruthEvents.ServerAway).ToImmutableArray();
        var devices = truth.Where(e => e.Device.Length > 0).GroupBy(e => e.Device)
            .ToDictionary(g => g.Key, g => new DeviceTruth(g.Key, [.. g.OrderBy(e => e.At)], away, bounds), StringComparer.Ordinal);
        var samples = said.Samples.Where(s => s.AnsweredAt <= ended).GroupBy(s => s.Device).ToDictionary(g => g.Key, g => g.OrderBy(s => s.AskedAt).ToArray(), StringComparer.Ordinal);
        var history = said.History.Where(t => t.At + ClockSlack <= ended).GroupBy(t => t.Device).ToDictionary(g => g.Key, g => g.OrderBy(t => t.At).ToArray(), StringComparer.Ordinal);

        var compared = 0L;
        var falses = ImmutableArray.CreateBuilder<FalseStatus>();
        var delays = ImmutableArray.CreateBuilder<Delay>();
        foreach (var device in devices.Values)
        {
            var ofDevice = samples.GetValueOrDefault(device.Uuid) ?? [];
            var transitions = history.GetValueOrDefault(device.Uuid) ?? [];
            compared += ofDevice.Length + transitions.Length;
            falses.AddRange(FalseSamples(device, ofDevice));
            falses.AddRange(FalseTransitions(device, transitions));
            var expectations = Expectations.Of(device, away, bounds, ended).ToArray();
            falses.AddRange(Missed(expectations, transitions, bounds, history.Count > 0, ended));
            delays.AddRange(expectations.Select(e => Measure(e, ofDevice, transitions)));
        }

        return new(devices.Count, compared, said.Samples.Length, said.History.Length, away.Length,
            [.. falses.OrderBy(f => f.From)], [.. DelaySummary.Of(delays)]);
    }

    private static IEnumerable<FalseStatus> FalseSamples(DeviceTruth device, Sample[] samples)
    {
        var running = new Dictionary<string, FalseStatus>(StringComparer.Ordinal);
        foreach (var sample in samples)
        {
            var possible = device.At(sample.AskedAt, sample.AnsweredAt);
            foreach (var (field, said, right) in Judged(sample, possible))
            {
                if (right is null)
                {
                    if (running.Remove(field, out var over))
                        yield return over;
                }
                else if (running.GetValueOrDefault(field) is { } same && same.Said == said)
                {
                    running[field] = same with { Until = sample.AnsweredAt, Times = same.Times + 1 };
                }
                else
                {
                    if (running.Remove(field, out var other))
                        yield return other;
                    running[field] = new(device.Uuid, field, said, right, sample.AskedAt, sample.AnsweredAt, 1, "read");
                }
            }
        }

        foreach (var rest in running.Values)
            yield return rest;
    }

    private static IEnumerable<FalseStatus> FalseTransitions(DeviceTruth device, Transition[] transitions)
    {
        foreach (var transition in transitions)
        {
            var possible = device.At(transition.At - ClockSlack, transition.At + ClockSlack);
            var sample = transition.Fact switch
            {
                "overall_status" => new Sample { OverallStatus = transition.To },
                "heartbeat" => new Sample { Heartbeat = transition.To },
                "cloudlink" => new Sample { Cloudlink = transition.To is "connected" or "true" or "1" or "up" },
                _ => new Sample(),
            };
            foreach (var (field, said, right) in Judged(sample, possible))
            {
                if (right is not null)
                    yield return new(device.Uuid, field, said, right, transition.At, transition.At, 1, "history");
            }

            if (transition.Fact == "update_status" && possible.UpdateStatus is { } updates && !updates.Contains(transition.To))
                yield return new(device.Uuid, "update_status", transition.To ?? "null", Words(updates), transition.At, transition.At, 1, "history");
        }
    }

    /// <summary>Each field the reading has, and the right answers if what it said is none of them.</summary>
    private static IEnumerable<(string Field, string Said, string? Right)> Judged(Sample sample, Possible possible)
    {
        if (sample.OverallStatus is { } overall)
            yield return ("overall_status", overall, possible.Overall.IsEmpty || possible.Overall.Contains(overall) ? null : Words(possible.Overall));
        if (sample.Heartbeat is { } heartbeat)
            yield return ("heartbeat", heartbeat, possible.Heartbeat.Contains(heartbeat) ? null : Words(possible.Heartbeat));
        if (sample.Cloudlink is { } cloudlink)
            yield return ("cloudlink", Word(cloudlink), possible.Cloudlink.Contains(cloudlink) ? null : string.Join(" or ", possible.Cloudlink.Select(Word)));
        // A reading of a whole device; a single line of history is judged by its caller.
        if (sample.Device is not null)
            yield return ("update_status", sample.UpdateStatus ?? "null", possible.UpdateStatus is not { } updates || updates.Contains(sample.UpdateStatus) ? null : Words(updates));
    }

    private static IEnumerable<FalseStatus> Missed(IEnumerable<Expectation> expectations, Transition[] history, Bounds bounds, bool hasHistory, long ended)
    {
        if (!hasHistory)
            yield break;
        foreach (var expected in expectations)
        {
            // Over before the tolerance was: then saying nothing of it is right too.
            if (expected.Ends < expected.At + bounds.Tolerance || expected.At + bounds.Tolerance > ended || expected.Fact == "overall_status")
                continue;
            if (!history.Any(t => t.Fact == expected.Fact && Same(t.To, expected.Value) && t.At >= expected.Earliest - ClockSlack && t.At <= expected.Ends + ClockSlack))
                yield return new(expected.Device, expected.Fact, "nothing", expected.Value, expected.At, expected.Ends, 1, "missing in the history");
        }
    }

    private static Delay Measure(Expectation expected, Sample[] samples, Transition[] history)
    {
        var recorded = history.FirstOrDefault(t => t.Fact == expected.Fact && Same(t.To, expected.Value) && t.At >= expected.Earliest - ClockSlack && t.At <= expected.Ends + ClockSlack);
        long? seen = null;
        foreach (var sample in samples)
        {
            if (sample.AnsweredAt < expected.Earliest || sample.AskedAt > expected.Ends)
                continue;
            var value = expected.Fact switch
            {
                "heartbeat" => sample.Heartbeat,
                "cloudlink" => Word(sample.Cloudlink == true),
                "update_status" => sample.UpdateStatus,
                _ => sample.OverallStatus,
            };
            if (!Same(value, expected.Value))
                continue;
            seen = Math.Max(0, sample.AnsweredAt - expected.At);
            break;
        }

        return new(expected.What, expected.Trouble, recorded is null ? null : Math.Max(0, recorded.At - expected.At), seen);
    }

    private static bool Same(string? said, string expected) =>
        said == expected || (expected == "connected" && said is "true" or "1" or "up") || (expected == "disconnected" && said is "false" or "0" or "down");

    private static string Word(bool cloudlink) => cloudlink ? "connected" : "disconnected";

    private static string Words(IEnumerable<string?> right) => string.Join(" or ", right.Select(r => r ?? "null").Distinct());
}
