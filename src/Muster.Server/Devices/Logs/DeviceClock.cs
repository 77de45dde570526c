using Muster.Storage;

namespace Muster.Server.Devices.Logs;

/// <summary>How far a device's clock is off, as the stamps of its log lines tell, and when the last one came.</summary>
internal sealed class DeviceClock(Database database)
{
    /// <summary>
    /// Milliseconds by which the device's clock is ahead of ours (behind: negative); null when no line came since
    /// <paramref name="since"/> (Unix ms). A line may be late, but never early: the smallest lag is the nearest to the truth.
    /// </summary>
    public async Task<long?> AheadAsync(long deviceId, long since, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT max(at - received_at) FROM device_log WHERE device_id = @p0 AND received_at >= @p1", deviceId, since);
        return await command.ExecuteScalarAsync(cancellation) as long?;
    }

    /// <summary>When its last log line came, Unix ms; null when none is kept.</summary>
    public async Task<long?> LastLineAsync(long deviceId, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT received_at FROM device_log WHERE device_id = @p0 ORDER BY id DESC LIMIT 1", deviceId);
        return await command.ExecuteScalarAsync(cancellation) as long?;
    }
}
