using System.Collections.Immutable;

namespace Muster.Simulator.Scenarios;

/// <param name="Device">Index of the device; -1 for what concerns the fleet as a whole.</param>
/// <param name="At">Milliseconds from the start.</param>
/// <param name="Begins">False: the trouble ends.</param>
public readonly record struct PlannedChange(long At, int Device, TroubleKind Kind, bool Begins);

/// <summary>A scenario worked out for a number of devices: who suffers what, and when. The same for the same seed.</summary>
public static class ScenarioPlan
{
    /// <summary>One round of the timeline, in order of time.</summary>
    public static ImmutableArray<PlannedChange> Of(Scenario scenario, int devices, int seed, double timeScale)
    {
        var changes = new List<PlannedChange>();
        long Scaled(double seconds) => (long)(seconds * 1000 / timeScale);
        for (var index = 0; index < scenario.Troubles.Length; index++)
        {
            var trouble = scenario.Troubles[index];
            var random = new Random(unchecked((seed * 397) ^ index));
            foreach (var device in Hit(trouble, devices, random))
            {
                var at = Scaled(trouble.At + (random.NextDouble() * trouble.Spread));
                var until = at + Scaled(trouble.For);
                if (trouble.TroubleKind.IsMoment())
                {
                    changes.Add(new(at, device, trouble.TroubleKind, true));
                    continue;
                }

                // Flapping: out for the first half of each period.
                var period = trouble.TroubleKind == TroubleKind.Flapping ? Math.Max(2, Scaled(trouble.Period)) : until - at;
                for (var from = at; from < until; from += period)
                {
                    changes.Add(new(from, device, trouble.TroubleKind, true));
                    changes.Add(new(trouble.TroubleKind == TroubleKind.Flapping ? from + (period / 2) : until, device, trouble.TroubleKind, false));
                }
            }
        }

        return [.. changes.OrderBy(c => c.At).ThenBy(c => c.Device)];
    }

    private static IEnumerable<int> Hit(ScenarioTrouble trouble, int devices, Random random)
    {
        if (trouble.TroubleKind == TroubleKind.NextRelease)
            return [-1];
        var candidates = Enumerable.Range(0, devices).Where(d => trouble.Site is not { } site || d % trouble.Sites == site).ToArray();
        random.Shuffle(candidates);
        return candidates.Take(trouble.Count(candidates.Length) ?? 0);
    }
}
