using Muster.Core.Status;
using Muster.Storage;

namespace Muster.Server.Devices.Logs;

/// <summary>What a device's own log says of its update: a supervisor tells nowhere else why it does not get on.</summary>
internal sealed class UpdateSigns(Database database)
{
    /// <summary>Lines of the supervisor that are looked through, the newest first.</summary>
    private const int LinesRead = 200;

    /// <summary>The newest line that tells of an update; null when none of the last ones does.</summary>
    /// <param name="since">Unix ms.</param>
    public async Task<UpdateSign?> NewestAsync(long deviceId, long since, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            "SELECT message, received_at FROM device_log WHERE device_id = @p0 AND is_system = 1 AND received_at >= @p1 ORDER BY id DESC LIMIT @p2", deviceId, since, (long)LinesRead);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            if (UpdateSign.Of(reader.GetString(0), reader.GetInt64(1)) is { } sign)
                return sign;
        }

        return null;
    }
}
