using System.Globalization;
using System.Text;
using Microsoft.Extensions.Options;
using Muster.Storage;

namespace Muster.Server.Insight;

/// <summary>
/// The one writer of the metrics' history (table device_metric): each bucket once it is over, in small transactions
/// apart from those of the reports, and what is open at an orderly stop. What a killed process had not written yet, the
/// last five minutes or so, is lost.
/// </summary>
internal sealed partial class MetricWriter(MetricSamples samples, Database database, IOptions<InsightOptions> options, TimeProvider time, ILogger<MetricWriter> log) : BackgroundService
{
    private const int WrittenAtOnce = 500;
    private const int PrunedAtOnce = 1_000;

    /// <summary>Between two transactions, so that reports don't wait behind many of them.</summary>
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(10);

    private static readonly CompositeFormat Row = CompositeFormat.Parse("{0}({1},{2},{3},{4},{5},{6},{7},{8})");

    /// <summary>Writes the buckets that are over.</summary>
    /// <exception cref="DatabaseAwayException">What is not written waits.</exception>
    public Task WriteDueAsync(CancellationToken cancellation) => WriteAsync(MetricSamples.BucketOf(time.GetUtcNow().ToUnixTimeMilliseconds()), cancellation);

    /// <summary>Writes all there is, the open bucket too; later samples of that one take the place of these.</summary>
    /// <exception cref="DatabaseAwayException">What is not written waits.</exception>
    public Task WriteAllAsync(CancellationToken cancellation) => WriteAsync(long.MaxValue, cancellation);

    /// <summary>Deletes what is older than the retention, in small steps.</summary>
    public async Task PruneAsync(CancellationToken cancellation)
    {
        var before = time.GetUtcNow().Add(-options.Value.MetricRetention).ToUnixTimeMilliseconds();
        while (await database.WriteAsync(write => PruneAsync(write, before), cancellation) == PrunedAtOnce)
            await Task.Delay(Breath, time, cancellation);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        try
        {
            await WriteAllAsync(cancellationToken);
        }
        catch (Exception e) when (e is DatabaseAwayException or OperationCanceledException)
        {
            LogNotWritten(e);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(10), time);
        await using var end = stoppingToken.Register(timer.Dispose);
        while (await timer.WaitForNextTickAsync(CancellationToken.None))
        {
            try
            {
                if (samples.TakeDropped() is var dropped and > 0)
                    LogDropped(dropped);
                await WriteDueAsync(stoppingToken);
                await PruneAsync(stoppingToken);
            }
#pragma warning disable CA1031 // the next round tries again
            catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
            {
                LogNotWritten(e);
            }
        }
    }

    private async Task WriteAsync(long before, CancellationToken cancellation)
    {
        while (samples.Leaving(before) is { } bucket)
        {
            foreach (var some in bucket.Samples.Chunk(WrittenAtOnce))
            {
                await database.WriteAsync(write => WriteAsync(write, bucket.At, some), cancellation);
                await Task.Delay(Breath, time, cancellation);
            }

            samples.Written(bucket.At);
        }
    }

    // Numbers only, so they stand in the statement: a parameter for each would cost more than the row.
    private static async Task WriteAsync(WriteScope write, long at, KeyValuePair<long, MetricSample>[] some)
    {
        var sql = new StringBuilder("INSERT INTO device_metric (at, device_id, cpu_usage, cpu_temp, memory_usage, memory_total, storage_usage, storage_total) VALUES ");
        for (var i = 0; i < some.Length; i++)
        {
            var (device, s) = some[i];
            sql.AppendFormat(CultureInfo.InvariantCulture, Row, i == 0 ? "" : ",", at, device,
                Number(s.CpuUsage), Number(s.CpuTemp), Number(s.MemoryUsage), Number(s.MemoryTotal), Number(s.StorageUsage), Number(s.StorageTotal));
        }

        sql.Append(
            """
             ON CONFLICT (at, device_id) DO UPDATE SET cpu_usage = excluded.cpu_usage, cpu_temp = excluded.cpu_temp, memory_usage = excluded.memory_usage,
            memory_total = excluded.memory_total, storage_usage = excluded.storage_usage, storage_total = excluded.storage_total
            """);
        await using var command = write.Command(sql.ToString());
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<int> PruneAsync(WriteScope write, long before)
    {
        await using var command = write.Command(
            $"DELETE FROM device_metric WHERE (at, device_id) IN (SELECT at, device_id FROM device_metric WHERE at < @p0 ORDER BY at, device_id LIMIT {PrunedAtOnce})", before);
        return await command.ExecuteNonQueryAsync();
    }

    private static string Number(int? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "NULL";

    [LoggerMessage(Level = LogLevel.Warning, Message = "Metrics could not be written down or deleted yet.")]
    private partial void LogNotWritten(Exception e);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Samples} samples of metrics were given up: too many wait to be written.")]
    private partial void LogDropped(long samples);
}
