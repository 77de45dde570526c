using System.Data.Common;
using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using Muster.Storage;

namespace Muster.Server.Devices.Logs;

/// <summary>
/// Writes logs in batches of their own, apart from reports, and keeps as much of them as the options say. Who sends lines
/// waits until they are written, so a slow database slows the senders and nothing piles up.
/// </summary>
internal sealed partial class LogStore(Database database, LogFeed feed, TimeProvider time, IOptions<LogOptions> options, ILogger<LogStore> log) : BackgroundService
{
    private const int MaxBatch = 1000;
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(10);

    private readonly LogOptions bounds = options.Value;
    private readonly Dictionary<long, int> sinceTrim = [];
    private readonly Channel<Waiting> waiting = Channel.CreateBounded<Waiting>(Math.Max(1, options.Value.MaxWaiting / 10));

    private sealed record Waiting(long DeviceId, IReadOnlyList<LogLine> Lines, TaskCompletionSource Written);

    /// <summary>Completes when the lines are on record.</summary>
    /// <exception cref="DatabaseAwayException">They are not.</exception>
    public async Task AppendAsync(long deviceId, IReadOnlyList<LogLine> lines, CancellationToken cancellation)
    {
        if (lines.Count == 0)
            return;
        var entry = new Waiting(deviceId, lines, new(TaskCreationOptions.RunContinuationsAsynchronously));
        await waiting.Writer.WriteAsync(entry, cancellation);
        await entry.Written.Task.WaitAsync(cancellation);
    }

    /// <summary>The newest lines, oldest of them first.</summary>
    /// <param name="since">Only lines of this instant or later, by the device's clock (Unix ms).</param>
    public async Task<List<LogLine>> ReadAsync(long deviceId, int count, long? since, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            "SELECT at, received_at, service_id, is_system, is_stderr, message FROM device_log WHERE device_id = @p0 AND at >= @p1 ORDER BY id DESC LIMIT @p2",
            deviceId, since ?? 0L, (long)count);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<LogLine> lines = [];
        while (await reader.ReadAsync(cancellation))
            lines.Add(new(reader.GetInt64(0), reader.GetInt64(1), reader.IsDBNull(2) ? null : reader.GetInt64(2), reader.GetInt32(3) != 0, reader.GetInt32(4) != 0, reader.GetString(5)));
        lines.Reverse();
        return lines;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var lastSweep = time.GetUtcNow();
        try
        {
            while (await waiting.Reader.WaitToReadAsync(stoppingToken))
            {
                await Task.Delay(bounds.Gather, time, stoppingToken);
                await WriteAsync(Take());
                if (time.GetUtcNow() - lastSweep > SweepEvery)
                {
                    lastSweep = time.GetUtcNow();
                    await SweepAsync();
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // What came before the stop is still written.
            while (Take() is { Count: > 0 } rest)
                await WriteAsync(rest);
        }
    }

    private List<Waiting> Take()
    {
        List<Waiting> batch = [];
        for (var lines = 0; lines < MaxBatch && waiting.Reader.TryRead(out var entry); lines += entry.Lines.Count)
            batch.Add(entry);
        return batch;
    }

    private async Task WriteAsync(List<Waiting> batch)
    {
        try
        {
            await database.WriteAsync(async write =>
            {
                foreach (var chunk in batch.SelectMany(e => e.Lines.Select(l => (e.DeviceId, Line: l))).Chunk(100))
                    await InsertAsync(write, chunk);
                foreach (var device in batch.GroupBy(e => e.DeviceId))
                    await TrimAsync(write, device.Key, device.Sum(e => e.Lines.Count));
            });
        }
        catch (Exception e)
        {
            // Whoever waits is told; the batch must not take the writer down.
            LogNotWritten(e, batch.Count);
            foreach (var entry in batch)
                entry.Written.TrySetException(e is DatabaseAwayException or DbException ? new DatabaseAwayException("The log was not written.", e) : e);
            return;
        }

        foreach (var entry in batch)
        {
            foreach (var line in entry.Lines)
                feed.Publish(entry.DeviceId, line);
            entry.Written.TrySetResult();
        }
    }

    private static async Task InsertAsync(WriteScope write, (long DeviceId, LogLine Line)[] lines)
    {
        // A device that was deleted meanwhile takes its lines with it.
        var sql = new StringBuilder("INSERT INTO device_log (device_id, at, received_at, service_id, is_system, is_stderr, message) SELECT device_id, at, received_at, service_id, is_system, is_stderr, message FROM (");
        var parameters = new List<object?>(lines.Length * 7);
        foreach (var (deviceId, line) in lines)
        {
            var p = parameters.Count;
            sql.Append(System.Globalization.CultureInfo.InvariantCulture, $"{(p == 0 ? "SELECT" : " UNION ALL SELECT")} {p} AS position, ")
                .Append(System.Globalization.CultureInfo.InvariantCulture, $"CAST(@p{p} AS BIGINT) AS device_id, CAST(@p{p + 1} AS BIGINT) AS at, CAST(@p{p + 2} AS BIGINT) AS received_at, CAST(@p{p + 3} AS BIGINT) AS service_id, CAST(@p{p + 4} AS INTEGER) AS is_system, CAST(@p{p + 5} AS INTEGER) AS is_stderr, CAST(@p{p + 6} AS TEXT) AS message");
            parameters.AddRange([deviceId, line.At, line.ReceivedAt, line.ServiceId, line.IsSystem, line.IsStdErr, line.Message]);
        }

        sql.Append(") l WHERE EXISTS (SELECT 1 FROM device d WHERE d.id = l.device_id) ORDER BY position");
        await using var command = write.Command(sql.ToString(), parameters.ToArray());
        await command.ExecuteNonQueryAsync();
    }

    // Not at every batch: a tenth more than the bound may stand for a while.
    private async Task TrimAsync(WriteScope write, long deviceId, int added)
    {
        var since = sinceTrim.GetValueOrDefault(deviceId) + added;
        if (since < Math.Max(1, bounds.KeepLines / 10))
        {
            if (sinceTrim.Count > 100_000)
                sinceTrim.Clear();
            sinceTrim[deviceId] = since;
            return;
        }

        sinceTrim.Remove(deviceId);
        await using var command = write.Command(
            "DELETE FROM device_log WHERE device_id = @p0 AND id <= (SELECT id FROM device_log WHERE device_id = @p0 ORDER BY id DESC LIMIT 1 OFFSET @p1)",
            deviceId, (long)bounds.KeepLines);
        await command.ExecuteNonQueryAsync();
    }

    private async Task SweepAsync()
    {
        var oldest = (time.GetUtcNow() - bounds.KeepFor).ToUnixTimeMilliseconds();
        try
        {
            // In bites, so that reports are not kept waiting behind one long transaction.
            while (await database.WriteAsync(async write =>
            {
                await using var command = write.Command("DELETE FROM device_log WHERE id IN (SELECT id FROM device_log WHERE received_at < @p0 LIMIT 5000)", oldest);
                return await command.ExecuteNonQueryAsync();
            }) == 5000)
            {
            }
        }
        catch (DatabaseAwayException e)
        {
            LogNotSwept(e);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} uploads of device logs could not be written")]
    private partial void LogNotWritten(Exception e, int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Old device logs could not be removed")]
    private partial void LogNotSwept(Exception e);
}
