using System.Collections.Immutable;
using System.Data.Common;
using System.Runtime.CompilerServices;
using Muster.Core.Presence;
using Muster.Core.Status;

namespace Muster.Storage.Presence;

/// <summary>Reads what presence keeps in memory: all of it at start, single devices and fleets when an input changed.</summary>
public sealed class PresenceReader(Database database)
{
    private static readonly string ConfigList = string.Join(", ",
        new[] { ConfigValues.PollInterval, ConfigValues.CloudlinkControl }.SelectMany(name => new[] { $"'BALENA_{name}'", $"'RESIN_{name}'" }));

    private static readonly string Columns = string.Join(", ", DeviceColumn.All.Select(c => "d." + c.Name));

    private readonly Words words = new();

    /// <summary>All devices, by id, in chunks.</summary>
    public async IAsyncEnumerable<IReadOnlyList<DeviceRow>> AllDevicesAsync(int chunk = 20_000, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        for (var last = 0L; ;)
        {
            var rows = await RowsAsync(connection, "d.id > @p0", $"LIMIT {chunk}", last, id => $"{id} > @p0 AND {id} <= @p1", cancellation);
            if (rows.Count > 0)
                yield return rows;
            if (rows.Count < chunk)
                yield break;
            last = rows[^1].State.Id;
        }
    }

    /// <summary>The devices of these ids that are on record.</summary>
    public async Task<IReadOnlyList<DeviceRow>> DevicesAsync(IReadOnlyCollection<long> ids, CancellationToken cancellation = default)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        return await RowsAsync(connection, database.Dialect.AnyOf("d.id", "@p0"), "", database.Dialect.Ids(ids), id => database.Dialect.AnyOf(id, "@p0"), cancellation);
    }

    /// <summary>Ids of all devices of these fleets.</summary>
    public async Task<IReadOnlyList<long>> DeviceIdsAsync(IReadOnlyCollection<long> fleets, CancellationToken cancellation = default)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        return await ListAsync(connection, $"SELECT id FROM device WHERE {database.Dialect.AnyOf("fleet_id", "@p0")}", r => r.GetInt64(0), cancellation, database.Dialect.Ids(fleets));
    }

    /// <summary>Fleets by their ids or by their organizations' ids; all when both are null.</summary>
    public async Task<IReadOnlyList<FleetRow>> FleetsAsync(IReadOnlyCollection<long>? fleets = null, IReadOnlyCollection<long>? organizations = null, CancellationToken cancellation = default)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        var where = fleets is not null ? database.Dialect.AnyOf("f.id", "@p0") : organizations is not null ? database.Dialect.AnyOf("f.organization_id", "@p0") : "@p0 = 0";
        var scope = (fleets ?? organizations) is { } ids ? database.Dialect.Ids(ids) : 0L;
        var config = await ConfigAsync(connection,
            $"SELECT v.fleet_id, v.name, v.value FROM fleet_config_variable v JOIN fleet f ON f.id = v.fleet_id WHERE v.name IN ({ConfigList}) AND {where}", cancellation, scope);
        return await ListAsync(connection,
            $"""
            SELECT f.id, f.organization_id, f.target_release_id, o.device_allowance, CASE WHEN t.needs_paid_plan <> 0 AND o.plan = 'free' THEN 1 ELSE 0 END
            FROM fleet f JOIN organization o ON o.id = f.organization_id JOIN fleet_type t ON t.id = f.fleet_type_id WHERE {where}
            """,
            r => new FleetRow(r.GetInt64(0), r.GetInt64(1), Number(r, 2), Number(r, 3), r.GetInt64(4) != 0) { Config = config.GetValueOrDefault(r.GetInt64(0), DeviceRow.NoConfig) },
            cancellation, scope);
    }

    /// <summary>
    /// Active devices of an organization that its allowance or plan freezes, and others that must not be frozen: those
    /// whose <c>is_frozen</c> is not what it should be (docs/device-statuses.md, "Order").
    /// </summary>
    public async Task<IReadOnlyList<(long DeviceId, bool Frozen)>> WronglyFrozenAsync(long organization, CancellationToken cancellation = default)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        return await ListAsync(connection,
            """
            SELECT id, should FROM (
                SELECT d.id, d.is_frozen,
                    CASE WHEN d.is_active = 0 THEN 0
                         WHEN t.needs_paid_plan <> 0 AND o.plan = 'free' THEN 1
                         WHEN o.device_allowance IS NOT NULL AND row_number() OVER (PARTITION BY d.is_active ORDER BY coalesce(d.activated_at, 0), d.id) > o.device_allowance THEN 1
                         ELSE 0 END AS should
                FROM device d JOIN fleet f ON f.id = d.fleet_id JOIN organization o ON o.id = f.organization_id JOIN fleet_type t ON t.id = f.fleet_type_id
                WHERE f.organization_id = @p0) w
            WHERE should <> is_frozen
            """,
            r => (r.GetInt64(0), r.GetInt64(1) != 0), cancellation, organization);
    }

    /// <summary>Uuids of deleted devices, the youngest first.</summary>
    public async Task<IReadOnlyList<string>> DeletedUuidsAsync(int limit, CancellationToken cancellation = default)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        return await ListAsync(connection, $"SELECT uuid FROM deleted_device ORDER BY deleted_at DESC LIMIT {limit}", r => r.GetString(0), cancellation);
    }

    /// <summary>The observer clock of a node as last written down, or null when it never ran.</summary>
    public async Task<ObserverCheckpoint?> ClockAsync(string node, CancellationToken cancellation = default)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        var rows = await ListAsync(connection, "SELECT observed, resumed_at, outage, unclean_at, written_at, stopped_in_order FROM observer_clock WHERE node = @p0",
            r => new ObserverCheckpoint(r.GetInt64(0), r.GetInt64(1), r.GetInt64(2), r.GetInt64(3), r.GetInt64(4), r.GetInt64(5) != 0), cancellation, node);
        return rows.Count == 0 ? null : rows[0];
    }

    /// <summary>The latest contact on record, on the observer clock; 0 when there is none.</summary>
    public async Task<long> LastObservedAsync(CancellationToken cancellation = default)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        return (await ListAsync(connection, "SELECT coalesce(max(observed_contact), 0) FROM device_contact", r => r.GetInt64(0), cancellation))[0];
    }

    private async Task<List<DeviceRow>> RowsAsync(DbConnection connection, string where, string limit, object scope, Func<string, string> related, CancellationToken cancellation)
    {
        var rows = await ListAsync(connection,
            $"""
            SELECT d.id, d.uuid, d.fleet_id, d.is_active, d.activated_at, d.is_frozen, d.pinned_release_id,
                c.last_poll_at, c.last_contact_at, c.observed_poll, c.observed_contact, c.poll_interval_ms, {Columns}
            FROM device d LEFT JOIN device_contact c ON c.device_id = d.id WHERE {where} ORDER BY d.id {limit}
            """,
            Row, cancellation, scope);
        if (rows.Count == 0)
            return rows;

        object?[] parameters = [scope, rows[^1].State.Id];
        var at = 0;
        int Find(long id)
        {
            // Both lists are in the order of ids.
            while (at < rows.Count && rows[at].State.Id < id)
                at++;
            return at < rows.Count && rows[at].State.Id == id ? at : -1;
        }

        foreach (var install in await ListAsync(connection,
            $"SELECT device_id, image_id, release_id, status, download_progress FROM image_install WHERE {related("device_id")} AND status <> 'deleted' ORDER BY device_id, image_id",
            r => (Device: r.GetInt64(0), Install: new ServiceInstall(r.GetInt64(1), r.GetInt64(2), words.Of(r.GetString(3)), (int?)Number(r, 4))), cancellation, parameters))
        {
            if (Find(install.Device) is var i and >= 0)
                rows[i] = rows[i] with { State = rows[i].State with { Reported = rows[i].State.Reported with { Installs = rows[i].State.Reported.Installs.Add(install.Install) } } };
        }

        at = 0;
        foreach (var key in await ListAsync(connection,
            $"SELECT d.id, k.key_hash, k.expiry_date FROM device d JOIN api_key k ON k.actor_id = d.actor_id WHERE {related("d.id")} ORDER BY d.id, k.id",
            r => (Device: r.GetInt64(0), Key: new DeviceKey(r.GetFieldValue<byte[]>(1), Number(r, 2))), cancellation, parameters))
        {
            if (Find(key.Device) is var i and >= 0)
                rows[i] = rows[i] with { Keys = rows[i].Keys.Add(key.Key) };
        }

        await PassOverGoneAsync(connection, rows, cancellation);
        at = 0;
        var config = await ConfigAsync(connection, $"SELECT device_id, name, value FROM device_config_variable WHERE name IN ({ConfigList}) AND {related("device_id")}", cancellation, parameters);
        if (config.Count > 0)
        {
            for (var i = 0; i < rows.Count; i++)
            {
                if (config.TryGetValue(rows[i].State.Id, out var values))
                    rows[i] = rows[i] with { Config = values };
            }
        }

        return rows;
    }

    /// <summary>An update status is that of a release: of one that was deleted, or of a fleet that the device has left, nothing is known any more.</summary>
    private async Task PassOverGoneAsync(DbConnection connection, List<DeviceRow> rows, CancellationToken cancellation)
    {
        var told = rows.SelectMany(r => r.State.Reported.ReleaseUpdates.IsDefault ? [] : r.State.Reported.ReleaseUpdates.Select(u => u.ReleaseId)).Distinct().ToList();
        if (told.Count == 0)
            return;
        var fleets = (await ListAsync(connection, $"SELECT id, fleet_id FROM release WHERE {database.Dialect.AnyOf("id", "@p0")}",
            r => (Id: r.GetInt64(0), Fleet: r.GetInt64(1)), cancellation, database.Dialect.Ids(told))).ToDictionary(r => r.Id, r => r.Fleet);
        for (var i = 0; i < rows.Count; i++)
        {
            var state = rows[i].State;
            bool IsOwn(ReleaseUpdate update) => fleets.TryGetValue(update.ReleaseId, out var fleet) && fleet == state.FleetId;
            if (!state.Reported.ReleaseUpdates.IsDefault && !state.Reported.ReleaseUpdates.All(IsOwn))
                rows[i] = rows[i] with { State = state with { Reported = state.Reported with { ReleaseUpdates = [.. state.Reported.ReleaseUpdates.Where(IsOwn)] } } };
        }
    }

    private DeviceRow Row(DbDataReader r)
    {
        const int first = 12;
        string? Text(int i) => r.IsDBNull(first + i) ? null : r.GetString(first + i);
        string? Word(int i) => r.IsDBNull(first + i) ? null : words.Of(r.GetString(first + i));
        long? Long(int i) => Number(r, first + i);
        int? Int(int i) => (int?)Number(r, first + i);

        var reported = new ReportedState
        {
            Status = Word(0),
            ProvisioningState = Word(1),
            ProvisioningProgress = Int(2),
            DownloadProgress = Int(3),
            OsVersion = Word(4),
            OsVariant = Word(5),
            SupervisorVersion = Word(6),
            IpAddress = Text(7),
            MacAddress = Text(8),
            PublicAddress = Text(9),
            ApiPort = Int(10),
            ApiSecret = Text(11),
            MemoryUsage = Int(12),
            MemoryTotal = Int(13),
            StorageBlockDevice = Word(14),
            StorageUsage = Int(15),
            StorageTotal = Int(16),
            CpuUsage = Int(17),
            CpuTemp = Int(18),
            CpuId = Text(19),
            IsUndervolted = Long(20) is 1,
            UpdateStatusChangedAt = Long(21),
            UpdateStatus = StatusWords.Update(Word(22)) ?? UpdateStatus.None,
            RunningReleaseId = Long(23),
            ReleaseUpdates = ReleaseUpdate.Parse(Text(36)),
            UpdateMovedAt = Long(37),
        };
        var state = new DeviceState
        {
            Id = r.GetInt64(0),
            Uuid = r.GetString(1),
            FleetId = r.GetInt64(2),
            IsActive = r.GetInt64(3) != 0,
            ActivatedAt = Number(r, 4),
            IsFrozen = r.GetInt64(5) != 0,
            PinnedReleaseId = Number(r, 6),
            Reported = reported == ReportedState.Empty ? ReportedState.Empty : reported,
            Heartbeat = StatusWords.Heartbeat(Word(24) ?? ""),
            HeartbeatChangedAt = Long(25),
            CloudlinkConnected = Long(26) is 1,
            CloudlinkChangedAt = Long(27),
            ConnectivityChangedAt = Long(28),
            ServiceInstanceId = Long(29),
            CloudlinkEpoch = Long(30) ?? 0,
            Status = StatusWords.Overall(Word(31) ?? "inactive"),
            Progress = Int(32),
            Reason = StatusWords.Reason(Word(33) ?? "never-seen"),
            StatusSince = Long(34),
            UpdateDetail = Text(35),
            Elsewhere = TunnelsElsewhere.Of(Text(38)),
        };
        return new(state, new(Number(r, 7), Number(r, 8), Number(r, 9), Number(r, 10)) { PollInterval = Number(r, 11) });
    }

    private async Task<Dictionary<long, IReadOnlyDictionary<string, string>>> ConfigAsync(DbConnection connection, string sql, CancellationToken cancellation, params object?[] parameters)
    {
        var config = new Dictionary<long, IReadOnlyDictionary<string, string>>();
        foreach (var (id, name, value) in await ListAsync(connection, sql, r => (r.GetInt64(0), r.GetString(1), r.GetString(2)), cancellation, parameters))
        {
            if (!config.TryGetValue(id, out var values))
                config.Add(id, values = new Dictionary<string, string>(StringComparer.Ordinal));
            ((Dictionary<string, string>)values)[name] = value;
        }

        return config;
    }

    private static long? Number(DbDataReader r, int i) => r.IsDBNull(i) ? null : r.GetInt64(i);

    private async Task<List<T>> ListAsync<T>(DbConnection connection, string sql, Func<DbDataReader, T> read, CancellationToken cancellation, params object?[] parameters)
    {
        try
        {
            await using var command = connection.Statement(sql, parameters);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            var list = new List<T>();
            while (await reader.ReadAsync(cancellation))
                list.Add(read(reader));
            return list;
        }
        catch (Exception e) when (database.IsAway(e))
        {
            throw new DatabaseAwayException("The database broke off.", e);
        }
    }

    /// <summary>One string per word that many devices share (status, versions). Bounded: devices choose these words.</summary>
    private sealed class Words
    {
        private const int Bound = 10_000;
        private readonly HashSet<string> known = new(StringComparer.Ordinal);
        private readonly Lock gate = new();

        public string Of(string word)
        {
            lock (gate)
            {
                if (known.TryGetValue(word, out var same))
                    return same;
                if (known.Count < Bound)
                    known.Add(word);
                return word;
            }
        }
    }
}
