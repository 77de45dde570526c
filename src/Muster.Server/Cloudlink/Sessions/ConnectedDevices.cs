using System.Data.Common;
using System.Globalization;
using Muster.Storage;

namespace Muster.Server.Cloudlink.Sessions;

/// <summary>A device, whether or not it can be reached.</summary>
/// <param name="ChangedAt">Since when its cloudlink is up or down, Unix ms; null when it never was up.</param>
/// <param name="Tunnel">The way to it; null while there is none.</param>
internal sealed record DeviceLink(long Id, string Uuid, long FleetId, long OrganizationId, bool IsFrozen, long? ChangedAt, TunnelledDevice? Tunnel);

/// <summary>Devices that can be reached through a tunnel now: connected and not frozen.</summary>
internal sealed class ConnectedDevices(Database database)
{
    /// <summary>Those that meet every condition that is given, whoever asks, by id.</summary>
    public async Task<List<TunnelledDevice>> FindAsync(long? deviceId, long? fleetId, string? uuid, int limit, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            $"""
            SELECT d.id, d.uuid, s.ip_address, d.api_port, d.api_secret, f.organization_id, s.id
            FROM device d JOIN fleet f ON f.id = d.fleet_id JOIN service_instance s ON s.id = d.service_instance_id
            WHERE d.cloudlink_connected <> 0 AND d.is_frozen = 0 AND {Conditions(deviceId, fleetId, uuid)}
            ORDER BY d.id LIMIT {limit}
            """,
            deviceId ?? 0, fleetId ?? 0, uuid ?? "");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<TunnelledDevice> devices = [];
        while (await reader.ReadAsync(cancellation))
            devices.Add(Tunnelled(reader));

        return devices;
    }

    /// <summary>Those that are named, and those of the fleets, whoever asks.</summary>
    public async Task<List<TunnelledDevice>> AmongAsync(IReadOnlyCollection<long> devices, IReadOnlyCollection<long> fleets, int limit, CancellationToken cancellation)
    {
        List<TunnelledDevice> found = [];
        if (devices.Count + fleets.Count == 0)
            return found;
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            $"""
            SELECT d.id, d.uuid, s.ip_address, d.api_port, d.api_secret, f.organization_id, s.id
            FROM device d JOIN fleet f ON f.id = d.fleet_id JOIN service_instance s ON s.id = d.service_instance_id
            WHERE d.cloudlink_connected <> 0 AND d.is_frozen = 0 AND ({database.Dialect.AnyOf("d.id", "@p0")} OR {database.Dialect.AnyOf("d.fleet_id", "@p1")})
            LIMIT {limit}
            """,
            database.Dialect.Ids(devices), database.Dialect.Ids(fleets));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            found.Add(Tunnelled(reader));
        return found;
    }

    /// <summary>One device, whoever asks; null when there is none.</summary>
    /// <param name="device">Uuid or id.</param>
    public async Task<DeviceLink?> LinkAsync(string device, CancellationToken cancellation) =>
        // A uuid has 32 digits at least, an id never.
        long.TryParse(device, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            ? await LinkAsync(id, cancellation)
            : (await LinksAsync(deviceId: null, fleetId: null, device, limit: 1, cancellation)).FirstOrDefault();

    /// <inheritdoc cref="LinkAsync(string, CancellationToken)"/>
    public async Task<DeviceLink?> LinkAsync(long device, CancellationToken cancellation) =>
        (await LinksAsync(device, fleetId: null, uuid: null, limit: 1, cancellation)).FirstOrDefault();

    /// <summary>Devices that meet every condition that is given, connected or not, whoever asks, by id.</summary>
    public async Task<List<DeviceLink>> LinksAsync(long? deviceId, long? fleetId, string? uuid, int limit, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            $"""
            SELECT d.id, d.uuid, s.ip_address, d.api_port, d.api_secret, f.organization_id, s.id, d.fleet_id, d.is_frozen, d.cloudlink_changed_at, d.cloudlink_connected
            FROM device d JOIN fleet f ON f.id = d.fleet_id LEFT JOIN service_instance s ON s.id = d.service_instance_id
            WHERE {Conditions(deviceId, fleetId, uuid)}
            ORDER BY d.id LIMIT {limit}
            """,
            deviceId ?? 0, fleetId ?? 0, uuid ?? "");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<DeviceLink> links = [];
        while (await reader.ReadAsync(cancellation))
        {
            var isConnected = reader.GetInt32(10) != 0 && !reader.IsDBNull(2);
            links.Add(new(
                reader.GetInt64(0), reader.GetString(1), reader.GetInt64(7), reader.GetInt64(5), reader.GetInt32(8) != 0,
                reader.IsDBNull(9) ? null : reader.GetInt64(9), isConnected ? Tunnelled(reader) : null));
        }

        return links;
    }

    private static string Conditions(long? deviceId, long? fleetId, string? uuid) =>
        $"1 = 1{(deviceId is null ? "" : " AND d.id = @p0")}{(fleetId is null ? "" : " AND d.fleet_id = @p1")}{(uuid is null ? "" : " AND d.uuid = @p2")}";

    private static TunnelledDevice Tunnelled(DbDataReader reader) => new(
        reader.GetInt64(0), reader.GetString(1), reader.GetInt64(6), reader.GetString(2),
        reader.IsDBNull(3) ? null : reader.GetInt32(3), reader.IsDBNull(4) ? null : reader.GetString(4), reader.GetInt64(5));
}
