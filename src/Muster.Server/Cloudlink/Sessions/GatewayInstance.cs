using Muster.Storage;

namespace Muster.Server.Cloudlink.Sessions;

/// <summary>
/// The gateways of this node as a service instance: one row per node, for ever, with an epoch that each start raises, so
/// that nothing said of an earlier life overrides a later one. This class is the only writer of the row.
/// </summary>
internal sealed class GatewayInstance(Database database, TimeProvider time)
{
    private long epoch;

    /// <summary>0 until it is on record.</summary>
    public long Id { get; private set; }

    /// <summary>Each word to presence is newer than all before, of this life and of earlier ones.</summary>
    public long NextEpoch() => Interlocked.Increment(ref epoch);

    /// <summary>Puts this life of the node on record.</summary>
    /// <returns>Uuids of the devices whose sessions an earlier life held.</returns>
    /// <exception cref="DatabaseAwayException">Try again; an epoch may be passed over.</exception>
    public async Task<List<string>> BeginAsync(string node, CancellationToken cancellation)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        (Id, epoch) = await database.WriteAsync(
            async write =>
            {
                await using var command = write.Command(
                    """
                    INSERT INTO service_instance (service_type, ip_address, last_heartbeat, epoch, node, created_at, modified_at) VALUES ('vpn', '127.0.0.1', @p0, 1, @p1, @p0, @p0)
                    ON CONFLICT (node) WHERE node IS NOT NULL DO UPDATE SET epoch = service_instance.epoch + 1, last_heartbeat = excluded.last_heartbeat, modified_at = excluded.modified_at
                    RETURNING id, epoch
                    """, now, node);
                await using var reader = await command.ExecuteReaderAsync(cancellation);
                await reader.ReadAsync(cancellation);
                return (reader.GetInt64(0), reader.GetInt64(1) << 32);
            }, cancellation);

        await using var connection = await database.OpenReadAsync(cancellation);
        await using var held = connection.Statement("SELECT uuid FROM device WHERE service_instance_id = @p0 AND cloudlink_connected <> 0", Id);
        await using var rows = await held.ExecuteReaderAsync(cancellation);
        List<string> uuids = [];
        while (await rows.ReadAsync(cancellation))
            uuids.Add(rows.GetString(0));
        return uuids;
    }
}
