using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Muster.Simulator.Verifying;

/// <param name="Said">What Muster said.</param>
/// <param name="Right">What would have been right.</param>
/// <param name="From">Unix ms.</param>
/// <param name="Until">Unix ms.</param>
/// <param name="Times">In how many readings.</param>
/// <param name="Source">read; history; missing in the history.</param>
public sealed record FalseStatus(string Device, string Field, string Said, string Right, long From, long Until, int Times, string Source);

/// <param name="Recorded">By the stamp in the server's history, ms after theory; null: not there (in time).</param>
/// <param name="Seen">When a reading showed it, ms after theory; up to one sampling interval more.</param>
public sealed record Delay(string What, string Trouble, long? Recorded, long? Seen);

/// <summary>How long Muster took to notice one kind of thing under one kind of trouble. Times in ms; null where there is none.</summary>
public sealed record DelaySummary(string What, string Trouble, int Count, long? RecordedP50, long? RecordedP99, long? RecordedMax, long? SeenP50, long? SeenP99, long? SeenMax)
{
    internal static IEnumerable<DelaySummary> Of(IEnumerable<Delay> delays) => delays
        .GroupBy(d => (d.What, d.Trouble))
        .OrderBy(g => g.Key.What, StringComparer.Ordinal).ThenBy(g => g.Key.Trouble, StringComparer.Ordinal)
        .Select(g =>
        {
            var recorded = g.Where(d => d.Recorded is not null).Select(d => d.Recorded!.Value).Order().ToArray();
            var seen = g.Where(d => d.Seen is not null).Select(d => d.Seen!.Value).Order().ToArray();
            return new DelaySummary(g.Key.What, g.Key.Trouble, g.Count(), Quantile(recorded, 0.5), Quantile(recorded, 0.99), Quantile(recorded, 1), Quantile(seen, 0.5), Quantile(seen, 0.99), Quantile(seen, 1));
        });

    private static long? Quantile(long[] sorted, double share) =>
        sorted.Length == 0 ? null : sorted[Math.Clamp((int)Math.Ceiling(sorted.Length * share) - 1, 0, sorted.Length - 1)];
}

/// <summary>The answer of <c>--verify</c>.</summary>
/// <param name="Compared">Readings and lines of history that were judged.</param>
/// <param name="ServerAway">How often the server could not be reached.</param>
public sealed record VerificationReport(int Devices, long Compared, int Samples, int History, int ServerAway, ImmutableArray<FalseStatus> False, ImmutableArray<DelaySummary> Delays)
{
    private const int MostLines = 50;

    public string ToJson() => JsonSerializer.Serialize(this, VerificationJson.Default.VerificationReport);

    public string ToText()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"Verified {Devices:N0} devices: {Samples:N0} readings and {History:N0} lines of history compared; the server was away {ServerAway} times.");
        if (Delays.Length > 0)
        {
            text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"{"noticed",-26}{"trouble",-18}{"count",7}  {"recorded p50",12} {"p99",7} {"max",7}  {"seen p50",10} {"p99",7} {"max",7}   (ms after theory)");
            foreach (var d in Delays)
                text.AppendLine(CultureInfo.InvariantCulture, $"{d.What,-26}{d.Trouble,-18}{d.Count,7}  {d.RecordedP50,12} {d.RecordedP99,7} {d.RecordedMax,7}  {d.SeenP50,10} {d.SeenP99,7} {d.SeenMax,7}");
        }

        text.AppendLine().AppendLine(Compared == 0 ? "Nothing was compared." : string.Create(CultureInfo.InvariantCulture, $"{False.Length} false statuses."));
        foreach (var f in False.Take(MostLines))
            text.AppendLine(CultureInfo.InvariantCulture, $"  {Instant(f.From)} to {Instant(f.Until)} {f.Device} {f.Field}: said {f.Said}, right was {f.Right} ({f.Source}, {f.Times} times)");
        if (False.Length > MostLines)
            text.AppendLine(CultureInfo.InvariantCulture, $"  and {False.Length - MostLines} more, all in the JSON report.");
        return text.ToString();
    }

    private static string Instant(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(VerificationReport))]
internal sealed partial class VerificationJson : JsonSerializerContext;
