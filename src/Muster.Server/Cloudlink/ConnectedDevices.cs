using Muster.Storage;

namespace Muster.Server.Cloudlink;

/// <summary>Devices that can be reached through a tunnel now: connected and not frozen.</summary>
internal sealed class ConnectedDevices(Database database)
{
    /// <summary>Those that meet every condition that is given, whoever asks, by id.</summary>
    public async Task<List<TunnelledDevice>> FindAsync(long? deviceId, long? fleetId, string? uuid, int limit, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            $"""
            SELECT d.id, d.uuid, s.ip_address, d.api_port, d.api_secret, f.organization_id
            FROM device d JOIN fleet f ON f.id = d.fleet_id JOIN service_instance s ON s.id = d.service_instance_id
            WHERE d.cloudlink_connected <> 0 AND d.is_frozen = 0
            {(deviceId is null ? "" : "AND d.id = @p0")} {(fleetId is null ? "" : "AND d.fleet_id = @p1")} {(uuid is null ? "" : "AND d.uuid = @p2")}
            ORDER BY d.id LIMIT {limit}
            """,
            deviceId ?? 0, fleetId ?? 0, uuid ?? "");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<TunnelledDevice> devices = [];
        while (await reader.ReadAsync(cancellation))
        {
            devices.Add(new(
                reader.GetInt64(0), reader.GetString(1), reader.GetString(2),
                reader.IsDBNull(3) ? null : reader.GetInt32(3), reader.IsDBNull(4) ? null : reader.GetString(4), reader.GetInt64(5)));
        }

        return devices;
    }
}
