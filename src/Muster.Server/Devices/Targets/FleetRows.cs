using System.Collections.Immutable;
using System.Data.Common;
using Muster.Core.TargetState;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Devices.Targets;

/// <summary>A fleet as devices see it.</summary>
internal sealed record FleetRow(TargetApp App, long OrganizationId, long? TargetReleaseId);

/// <summary>
/// Fleets and releases, read once and kept (bounded) until a change of the fleet is told, so that composing for a hundred
/// thousand devices reads them once.
/// </summary>
internal sealed class FleetRows(Database database, FleetPresence presence)
{
    private readonly BoundedCache<long, (int Ticket, FleetRow Row)> fleets = new(10_000);
    private readonly BoundedCache<long, (int Ticket, AppTarget Target)> releases = new(2_000);
    private readonly BoundedCache<string, long> idsByUuid = new(10_000);

    /// <summary>Null when there is no such fleet.</summary>
    public async ValueTask<FleetRow?> FleetAsync(long id, CancellationToken cancellation)
    {
        var ticket = presence.FleetTicket(id);
        if (fleets.TryGet(id, out var known) && known.Ticket == ticket)
            return known.Row;
        await using var connection = await database.OpenReadAsync(cancellation);
        if (await ReadFleetAsync(connection, id, cancellation) is not { } row)
            return null;
        fleets.Set(id, (ticket, row));
        return row;
    }

    public async ValueTask<FleetRow?> FleetAsync(string uuid, CancellationToken cancellation)
    {
        // A fleet may be gone, and another have its uuid.
        if (idsByUuid.TryGet(uuid, out var id) && await FleetAsync(id, cancellation) is { } known)
            return known;
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT id FROM fleet WHERE uuid = @p0", uuid);
        if (await command.ExecuteScalarAsync(cancellation) is not long found)
            return null;
        idsByUuid.Set(uuid, found);
        return await FleetAsync(found, cancellation);
    }

    /// <summary>A release with the app that owns it; null when there is no such release.</summary>
    public async ValueTask<AppTarget?> ReleaseAsync(long id, CancellationToken cancellation)
    {
        if (releases.TryGet(id, out var known) && known.Ticket == presence.FleetTicket(known.Target.App.Id))
            return known.Target;
        if (await FleetIdOfAsync(id, cancellation) is not { } fleetId)
            return null;
        var ticket = presence.FleetTicket(fleetId);
        if (await FleetAsync(fleetId, cancellation) is not { } fleet)
            return null;
        await using var connection = await database.OpenReadAsync(cancellation);
        if (await ReadReleaseAsync(connection, id, cancellation) is not { } release)
            return null;
        var target = new AppTarget(fleet.App, release);
        releases.Set(id, (ticket, target));
        return target;
    }

    /// <summary>
    /// The release of a fleet with this commit. One commit may have been built several times: it is the build that succeeded,
    /// of several the one that should run, else the newest.
    /// </summary>
    /// <param name="target">The release that should run.</param>
    public async ValueTask<long?> ReleaseIdAsync(long fleetId, string commit, long? target, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            """
            SELECT id FROM release WHERE fleet_id = @p0 AND "commit" = @p1
            ORDER BY CASE WHEN status = 'success' THEN 0 ELSE 1 END, CASE WHEN id = @p2 THEN 0 ELSE 1 END, id DESC LIMIT 1
            """, fleetId, commit, target ?? 0L);
        return await command.ExecuteScalarAsync(cancellation) as long?;
    }

    /// <summary>Whether the device is one of the fleet.</summary>
    public async ValueTask<bool> IsOwnAsync(long fleetId, long deviceId, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT fleet_id FROM device WHERE id = @p0", deviceId);
        return await command.ExecuteScalarAsync(cancellation) is long own && own == fleetId;
    }

    private async Task<long?> FleetIdOfAsync(long releaseId, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT fleet_id FROM release WHERE id = @p0", releaseId);
        return await command.ExecuteScalarAsync(cancellation) as long?;
    }

    private static async Task<FleetRow?> ReadFleetAsync(DbConnection connection, long id, CancellationToken cancellation)
    {
        await using var command = connection.Statement("SELECT uuid, name, class, is_host, organization_id, target_release_id FROM fleet WHERE id = @p0", id);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        if (!await reader.ReadAsync(cancellation))
            return null;
        var app = new TargetApp(id, reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetInt32(3) != 0);
        var (organization, release) = (reader.GetInt64(4), reader.IsDBNull(5) ? (long?)null : reader.GetInt64(5));
        await reader.DisposeAsync();
        var variables = await ReadVariablesAsync(
            connection,
            """
            SELECT 0, fleet_id, name, value FROM fleet_environment_variable WHERE fleet_id = @p0
            UNION ALL SELECT 1, fleet_id, name, value FROM fleet_config_variable WHERE fleet_id = @p0
            """, id, cancellation);
        return new(app with { Environment = Of(variables, 0, id), Configuration = Of(variables, 1, id) }, organization, release);
    }

    private static async Task<TargetRelease?> ReadReleaseAsync(DbConnection connection, long id, CancellationToken cancellation)
    {
        await using var command = connection.Statement("SELECT \"commit\", composition FROM release WHERE id = @p0", id);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        if (!await reader.ReadAsync(cancellation))
            return null;
        var (commit, composition) = (reader.GetString(0), reader.IsDBNull(1) ? null : reader.GetString(1));
        await reader.DisposeAsync();
        return new(id, commit, await ReadServicesAsync(connection, id, cancellation), Composition.Parse(composition));
    }

    private static async Task<ImmutableArray<TargetService>> ReadServicesAsync(DbConnection connection, long releaseId, CancellationToken cancellation)
    {
        var variables = await ReadVariablesAsync(
            connection,
            """
            SELECT 0, v.release_image_id, v.name, v.value FROM image_environment_variable v JOIN release_image r ON r.id = v.release_image_id WHERE r.release_id = @p0
            UNION ALL SELECT 1, l.release_image_id, l.label_name, l.value FROM image_label l JOIN release_image r ON r.id = l.release_image_id WHERE r.release_id = @p0
            UNION ALL SELECT 2, v.service_id, v.name, v.value FROM service_environment_variable v
                WHERE v.service_id IN (SELECT i.service_id FROM release_image r JOIN image i ON i.id = r.image_id WHERE r.release_id = @p0)
            UNION ALL SELECT 3, l.service_id, l.label_name, l.value FROM service_label l
                WHERE l.service_id IN (SELECT i.service_id FROM release_image r JOIN image i ON i.id = r.image_id WHERE r.release_id = @p0)
            """, releaseId, cancellation);
        await using var command = connection.Statement(
            """
            SELECT r.id, s.id, s.service_name, i.id, i.location, i.content_hash, i.contract
            FROM release_image r JOIN image i ON i.id = r.image_id JOIN service s ON s.id = i.service_id
            WHERE r.release_id = @p0 ORDER BY i.id
            """, releaseId);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var services = new SortedDictionary<string, TargetService>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellation))
        {
            var (releaseImage, serviceId, name) = (reader.GetInt64(0), reader.GetInt64(1), reader.GetString(2));
            services[name] = new(serviceId, name, reader.GetInt64(3), reader.IsDBNull(5) ? reader.GetString(4) : $"{reader.GetString(4)}@{reader.GetString(5)}")
            {
                Contract = reader.IsDBNull(6) ? null : reader.GetString(6),
                ImageEnvironment = Of(variables, 0, releaseImage),
                ImageLabels = Of(variables, 1, releaseImage),
                ServiceEnvironment = Of(variables, 2, serviceId),
                ServiceLabels = Of(variables, 3, serviceId),
            };
        }

        return [.. services.Values];
    }

    private static async Task<ILookup<(int Kind, long Owner), Variable>> ReadVariablesAsync(DbConnection connection, string sql, long id, CancellationToken cancellation)
    {
        await using var command = connection.Statement(sql, id);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<(int Kind, long Owner, Variable Variable)> rows = [];
        while (await reader.ReadAsync(cancellation))
            rows.Add((reader.GetInt32(0), reader.GetInt64(1), new(reader.GetString(2), reader.GetString(3))));
        return rows.ToLookup(r => (r.Kind, r.Owner), r => r.Variable);
    }

    private static ImmutableArray<Variable> Of(ILookup<(int Kind, long Owner), Variable> variables, int kind, long owner) => [.. variables[(kind, owner)]];
}
