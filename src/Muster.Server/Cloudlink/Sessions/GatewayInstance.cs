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
        // Both or neither: a life that does not know what the earlier one held would leave it connected for ever.
        (Id, epoch, var uuids) = await database.WriteAsync(
            async write =>
            {
                var (id, life) = await RaiseAsync(write, node, now, cancellation);
                return (id, life << 32, await HeldAsync(write, id, cancellation));
            }, cancellation);
        return uuids;
    }

    private static async Task<(long Id, long Life)> RaiseAsync(WriteScope write, string node, long now, CancellationToken cancellation)
    {
        await using var command = write.Command(
            """
            INSERT INTO service_instance (service_type, ip_address, last_heartbeat, epoch, node, created_at, modified_at) VALUES ('vpn', '127.0.0.1', @p0, 1, @p1, @p0, @p0)
            ON CONFLICT (node) WHERE node IS NOT NULL DO UPDATE SET epoch = service_instance.epoch + 1, last_heartbeat = excluded.last_heartbeat, modified_at = excluded.modified_at
            RETURNING id, epoch
            """, now, node);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return (reader.GetInt64(0), reader.GetInt64(1));
    }

    private static async Task<List<string>> HeldAsync(WriteScope write, long id, CancellationToken cancellation)
    {
        await using var command = write.Command(
            "SELECT uuid FROM device WHERE cloudlink_connected <> 0 AND (service_instance_id = @p0 OR ' ' || tunnels_elsewhere LIKE @p1)", id, $"% {id}:%");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<string> uuids = [];
        while (await reader.ReadAsync(cancellation))
            uuids.Add(reader.GetString(0));
        return uuids;
    }
}
