using System.Collections.Immutable;
using System.Globalization;

namespace Muster.Simulator.Devices;

/// <summary>A device's whole state as it would report it: top-level field → raw JSON.</summary>
public sealed class ReportedState(ImmutableSortedDictionary<string, string> fields)
{
    public static readonly ReportedState Nothing = new(ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal));

    /// <summary>Metrics count as changed only when they move to another bucket of this width; 0: on any change.</summary>
    private static readonly ImmutableDictionary<string, int> Buckets = new Dictionary<string, int>
    {
        ["cpu_usage"] = 20,
        ["cpu_temp"] = 5,
        ["memory_usage"] = 10,
        ["memory_total"] = 0,
        ["storage_usage"] = 0,
        ["storage_total"] = 0,
        ["storage_block_device"] = 0,
        ["cpu_id"] = 0,
    }.ToImmutableDictionary();

    public ImmutableSortedDictionary<string, string> Fields { get; } = fields;

    /// <summary>The fields of <paramref name="now"/> that differ from this state, which the cloud has.</summary>
    public ReportedState DiffTo(ReportedState now) =>
        new(now.Fields.Where(f => !Fields.TryGetValue(f.Key, out var reported) || Differs(f.Key, reported, f.Value)).ToImmutableSortedDictionary(StringComparer.Ordinal));

    /// <summary>This state after a report of <paramref name="diff"/> was taken.</summary>
    public ReportedState With(ReportedState diff) => new(Fields.SetItems(diff.Fields));

    public bool IsEmpty => Fields.IsEmpty;

    public bool IsMetricsOnly => Fields.Keys.All(Buckets.ContainsKey);

    public string ToJson(string uuid) => $"{{\"{uuid}\":{{{string.Join(',', Fields.Select(f => $"\"{f.Key}\":{f.Value}"))}}}}}";

    private static bool Differs(string field, string reported, string now) =>
        reported != now
        && !(Buckets.GetValueOrDefault(field) is > 0 and var width
            && double.TryParse(reported, CultureInfo.InvariantCulture, out var before)
            && double.TryParse(now, CultureInfo.InvariantCulture, out var after)
            && Math.Floor(before / width).Equals(Math.Floor(after / width)));
}
