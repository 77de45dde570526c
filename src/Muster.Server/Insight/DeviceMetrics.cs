using System.Data.Common;
using Microsoft.Extensions.Options;
using Muster.Storage;

namespace Muster.Server.Insight;

/// <summary>What a device reported last within the five minutes that began at <see cref="At"/>. Percent, °C and MiB; null where it did not tell.</summary>
internal sealed record MetricPoint(DateTimeOffset At, int? CpuUsage, int? CpuTemp, int? MemoryUsage, int? MemoryTotal, int? StorageUsage, int? StorageTotal);

/// <summary>The history of devices' metrics: what is on record, and what is about to be.</summary>
internal sealed class DeviceMetrics(Database database, MetricSamples samples, IOptions<InsightOptions> options, TimeProvider time)
{
    /// <summary>The longest range of one answer; of a longer one its end is told.</summary>
    public static readonly TimeSpan LongestRange = TimeSpan.FromDays(31);

    /// <summary>
    /// Points in [from, to), oldest first. A device tells only changes: where there is no point, the one before it still
    /// holds as long as the device was heard. Nothing older than the retention (<see cref="InsightOptions.MetricRetention"/>).
    /// </summary>
    public async Task<IReadOnlyList<MetricPoint>> ReadAsync(long deviceId, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var end = Math.Min(to.ToUnixTimeMilliseconds(), now.ToUnixTimeMilliseconds() + 1);
        var kept = now.Add(-options.Value.MetricRetention).ToUnixTimeMilliseconds();
        var begin = Math.Max(Math.Max(from.ToUnixTimeMilliseconds(), kept), end - (long)LongestRange.TotalMilliseconds);
        // Of the buckets those that begin in the range.
        var first = MetricSamples.BucketOf(begin + MetricSamples.Bucket - 1);
        var points = new SortedDictionary<long, MetricPoint>();
        if (first >= end)
            return [];
        // What waits is read first: what is written meanwhile is then found on record.
        var waiting = samples.Of(deviceId);
        await using (var connection = await database.OpenReadAsync(cancellation))
        {
            await using var command = connection.Statement(
                $"""
                WITH RECURSIVE bucket(at) AS (SELECT CAST(@p1 AS BIGINT) UNION ALL SELECT at + {MetricSamples.Bucket} FROM bucket WHERE at + {MetricSamples.Bucket} < @p2)
                SELECT m.at, m.cpu_usage, m.cpu_temp, m.memory_usage, m.memory_total, m.storage_usage, m.storage_total
                FROM bucket b CROSS JOIN device_metric m WHERE m.at = b.at AND m.device_id = @p0
                """,
                deviceId, first, end);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation))
                Put(points, reader.GetInt64(0), new(Number(reader, 1), Number(reader, 2), Number(reader, 3), Number(reader, 4), Number(reader, 5), Number(reader, 6)));
        }

        foreach (var (at, sample) in waiting)
        {
            if (at >= first && at < end)
                Put(points, at, sample);
        }

        return [.. points.Values];
    }

    private static void Put(SortedDictionary<long, MetricPoint> points, long at, MetricSample s) =>
        points[at] = new(DateTimeOffset.FromUnixTimeMilliseconds(at), s.CpuUsage, s.CpuTemp, s.MemoryUsage, s.MemoryTotal, s.StorageUsage, s.StorageTotal);

    private static int? Number(DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetInt32(column);
}
