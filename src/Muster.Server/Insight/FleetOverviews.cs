using System.Data.Common;
using System.Globalization;
using Muster.Core.Access;
using Muster.Storage;
using Muster.Storage.Resources;

namespace Muster.Server.Insight;

/// <summary>A fleet and how many of its devices have each overall status; statuses that no device has are left out.</summary>
internal sealed record FleetCounts(long Id, string Uuid, string Name, string Slug, SortedDictionary<string, long> Statuses)
{
    public long Devices => Statuses.Values.Sum();
}

/// <summary>All that the Fleets page says of a fleet. Values that no device has are left out of the counts.</summary>
public sealed record FleetCard
{
    public required long Id { get; init; }
    public required string Uuid { get; init; }
    public required string Name { get; init; }
    public required string Slug { get; init; }

    /// <summary>The fleet's releases are operating systems; its devices are none that people add.</summary>
    public required bool IsHost { get; init; }
    public required bool IsArchived { get; init; }
    public required FleetOrganization Organization { get; init; }
    public required FleetDeviceType DeviceType { get; init; }

    public required long Devices { get; init; }

    /// <summary>Devices per overall status.</summary>
    public required IReadOnlyDictionary<string, long> Statuses { get; init; }

    /// <summary>Devices per state of the heartbeat.</summary>
    public required IReadOnlyDictionary<string, long> Heartbeats { get; init; }

    /// <summary>Devices whose cloudlink is <c>connected</c> or <c>disconnected</c>.</summary>
    public required IReadOnlyDictionary<string, long> Cloudlinks { get; init; }

    /// <summary>Devices per update status, <c>none</c> for those that never told one: the update funnel.</summary>
    public required IReadOnlyDictionary<string, long> Updates { get; init; }

    /// <summary>What the devices run, most first; the release is null for those that run none we know.</summary>
    public required IReadOnlyList<RunningRelease> Running { get; init; }

    /// <summary>The release that devices without a pin should run; null when the fleet has none.</summary>
    public required FleetRelease? Target { get; init; }

    /// <summary>The release that most devices run; null when none runs any.</summary>
    public FleetRelease? MostRun => Running.FirstOrDefault(r => r.Release is not null)?.Release;

    /// <summary>Devices that should run some release: by their pin, else by the fleet's target.</summary>
    public required long WithTarget { get; init; }

    /// <summary>Those of them that run it.</summary>
    public required long OnTarget { get; init; }

    /// <summary>0 to 1; null when no device should run anything.</summary>
    public double? ShareOnTarget => WithTarget == 0 ? null : (double)OnTarget / WithTarget;

    /// <summary>Changes of the overall status within the last hour, by status; at most two seconds old.</summary>
    public required IReadOnlyDictionary<string, StatusMoves> LastHour { get; init; }

    /// <summary>When the overall status of one of its devices last changed; null when none is on record.</summary>
    public required DateTimeOffset? LastChangeAt { get; init; }
}

public sealed record FleetOrganization(long Id, string Name, string Handle);

/// <param name="Architecture">Slug of the CPU architecture.</param>
public sealed record FleetDeviceType(string Slug, string Name, string Architecture);

/// <param name="Version">As the API's <c>raw_version</c>.</param>
public sealed record FleetRelease(long Id, string Commit, string Version);

public sealed record RunningRelease(FleetRelease? Release, long Devices);

/// <summary>How often a status was taken on and left.</summary>
public sealed record StatusMoves(long Came, long Left);

/// <summary>
/// Fleets with their kept counts (docs/design.md, promise 8): no device is read but those that are pinned, and these from an
/// index. All counts of one answer are of one moment.
/// </summary>
internal sealed class FleetOverviews(Database database, TimeProvider time) : IDisposable
{
    public const int LargestPage = 1_000;

    /// <summary>The changes of the last hour are counted this often at most, for all who ask.</summary>
    public static readonly TimeSpan HourFreshness = TimeSpan.FromSeconds(2);

    private static readonly IReadOnlyDictionary<string, StatusMoves> NoMoves = new SortedDictionary<string, StatusMoves>();

    private readonly SemaphoreSlim counting = new(1);
    private volatile Hour? lastHour;

    /// <summary>Whether the caller is one who sees fleets here at all: people, and services of ours.</summary>
    public static bool IsFor(Caller caller) => Condition(ReadScope.Of(caller)) is not null;

    /// <summary>The fleets that the caller may see, by id; none for whom there is nothing to see.</summary>
    /// <param name="after">Only fleets with a larger id.</param>
    /// <param name="limit">So many at most.</param>
    public async Task<IReadOnlyList<FleetCard>> ReadAsync(Caller caller, long after = 0, int limit = LargestPage, CancellationToken cancellation = default)
    {
        var scope = ReadScope.Of(caller);
        return Condition(scope) is { } condition ? await ReadAsync($"f.id > @p0 AND {condition} ORDER BY f.id LIMIT {limit}", after, scope.SubjectId, cancellation) : [];
    }

    /// <summary>Those of these fleets that the caller may see, by id.</summary>
    public async Task<IReadOnlyList<FleetCard>> ReadAsync(Caller caller, IReadOnlyCollection<long> fleets, CancellationToken cancellation = default)
    {
        var scope = ReadScope.Of(caller);
        return Condition(scope) is { } condition && fleets.Count > 0
            ? await ReadAsync($"{database.Dialect.AnyOf("f.id", "@p0")} AND {condition}", database.Dialect.Ids(fleets), scope.SubjectId, cancellation)
            : [];
    }

    /// <summary>The overall statuses alone.</summary>
    /// <inheritdoc cref="ReadAsync(Caller, long, int, CancellationToken)"/>
    public async Task<List<FleetCounts>> CountsAsync(Caller caller, long after, int limit, CancellationToken cancellation)
    {
        var scope = ReadScope.Of(caller);
        List<FleetCounts> fleets = [];
        if (Condition(scope) is not { } condition)
            return fleets;
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            $"""
            SELECT p.id, p.uuid, p.name, p.slug, c.value, c.devices
            FROM (SELECT f.id, f.uuid, f.name, f.slug FROM fleet f WHERE f.id > @p0 AND {condition} ORDER BY f.id LIMIT {limit}) p
            LEFT JOIN fleet_count c ON c.fleet_id = p.id AND c.fact = 'overall_status' AND c.devices <> 0
            ORDER BY p.id, c.value
            """,
            after, scope.SubjectId);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            var id = reader.GetInt64(0);
            if (fleets.Count == 0 || fleets[^1].Id != id)
                fleets.Add(new(id, reader.GetString(1), reader.GetString(2), reader.GetString(3), new(StringComparer.Ordinal)));
            if (!reader.IsDBNull(4))
                fleets[^1].Statuses.Add(reader.GetString(4), reader.GetInt64(5));
        }

        return fleets;
    }

    public void Dispose() => counting.Dispose();

    /// <summary>Which fleets (f) the caller may see, @p1 being its subject; null for those who may see none.</summary>
    private static string? Condition(ReadScope scope) => scope.Kind switch
    {
        ReadScopeKind.Everything or ReadScopeKind.Service => "TRUE",
        ReadScopeKind.Memberships => "f.organization_id IN (SELECT m.organization_id FROM organization_membership m WHERE m.account_id = @p1)",
        _ => null,
    };

    /// <param name="which">Condition on fleets (f): @p0 is <paramref name="chosen"/>, @p1 the caller's subject.</param>
    private async Task<IReadOnlyList<FleetCard>> ReadAsync(string which, object chosen, long subject, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        var tallies = await TalliesAsync(connection, which, chosen, subject, cancellation);
        if (tallies.Count == 0)
            return [];
        var releases = await ReleasesAsync(connection, tallies.Values, cancellation);
        var hour = await LastHourAsync(connection, cancellation);
        return await CardsAsync(connection, tallies, releases, hour, cancellation);
    }

    /// <summary>Targets, counts and pins in one statement, so that they are of one moment and the share is exact.</summary>
    private static async Task<SortedDictionary<long, Tally>> TalliesAsync(DbConnection connection, string which, object chosen, long subject, CancellationToken cancellation)
    {
        await using var command = connection.Statement(
            $"""
            WITH p AS MATERIALIZED (SELECT f.id, f.target_release_id FROM fleet f WHERE {which})
            SELECT p.id, 'target' AS fact, NULL AS value, 0 AS devices, p.target_release_id AS release_id FROM p
            UNION ALL
            SELECT p.id, c.fact, c.value, c.devices, NULL FROM p JOIN fleet_count c ON c.fleet_id = p.id WHERE c.devices <> 0
            UNION ALL
            SELECT p.id, 'pin', coalesce(CAST(d.running_release_id AS TEXT), 'none'), count(*), d.pinned_release_id
            FROM p JOIN device d ON d.fleet_id = p.id WHERE d.pinned_release_id IS NOT NULL GROUP BY p.id, d.pinned_release_id, d.running_release_id
            """,
            chosen, subject);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var tallies = new SortedDictionary<long, Tally>();
        while (await reader.ReadAsync(cancellation))
        {
            var fleet = reader.GetInt64(0);
            if (!tallies.TryGetValue(fleet, out var tally))
                tallies.Add(fleet, tally = new());
            tally.Take(reader.GetString(1), Text(reader, 2), reader.GetInt64(3), Number(reader, 4));
        }

        return tallies;
    }

    private async Task<Dictionary<long, FleetRelease>> ReleasesAsync(DbConnection connection, IEnumerable<Tally> tallies, CancellationToken cancellation)
    {
        var ids = tallies.SelectMany(t => t.Running.Keys.Select(id => (long?)id).Append(t.Target)).OfType<long>().Distinct().ToList();
        var version = ResourceModel.Version7.Resource("release")!.Field("raw_version")!.Of("r");
        await using var command = connection.Statement($"SELECT r.id, r.\"commit\", {version} FROM release r WHERE {database.Dialect.AnyOf("r.id", "@p0")}", database.Dialect.Ids(ids));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var releases = new Dictionary<long, FleetRelease>();
        while (await reader.ReadAsync(cancellation))
            releases.Add(reader.GetInt64(0), new(reader.GetInt64(0), reader.GetString(1), reader.GetString(2)));
        return releases;
    }

    private async Task<List<FleetCard>> CardsAsync(
        DbConnection connection, SortedDictionary<long, Tally> tallies, Dictionary<long, FleetRelease> releases, Hour hour, CancellationToken cancellation)
    {
        await using var command = connection.Statement(
            $"""
            SELECT f.id, f.uuid, f.name, f.slug, f.is_host, f.is_archived, o.id, o.name, o.handle, t.slug, t.name, a.slug,
                (SELECT max(l.at) FROM transition l WHERE l.fleet_id = f.id AND l.fact = 'overall_status')
            FROM fleet f JOIN organization o ON o.id = f.organization_id JOIN device_type t ON t.id = f.device_type_id JOIN cpu_architecture a ON a.id = t.cpu_architecture_id
            WHERE {database.Dialect.AnyOf("f.id", "@p0")} ORDER BY f.id
            """,
            database.Dialect.Ids(tallies.Keys));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<FleetCard> cards = [];
        while (await reader.ReadAsync(cancellation))
        {
            var id = reader.GetInt64(0);
            var tally = tallies[id];
            var (withTarget, onTarget) = tally.Targeted();
            cards.Add(new()
            {
                Id = id,
                Uuid = reader.GetString(1),
                Name = reader.GetString(2),
                Slug = reader.GetString(3),
                IsHost = reader.GetInt64(4) != 0,
                IsArchived = reader.GetInt64(5) != 0,
                Organization = new(reader.GetInt64(6), reader.GetString(7), reader.GetString(8)),
                DeviceType = new(reader.GetString(9), reader.GetString(10), reader.GetString(11)),
                Devices = tally.Devices,
                Statuses = tally.Of("overall_status"),
                Heartbeats = tally.Of("heartbeat"),
                Cloudlinks = tally.Of("cloudlink"),
                Updates = tally.Of("update_status"),
                Running = tally.RunningReleases(releases),
                Target = tally.Target is { } target ? releases.GetValueOrDefault(target) : null,
                WithTarget = withTarget,
                OnTarget = onTarget,
                LastHour = hour.Moves.GetValueOrDefault(id, NoMoves),
                LastChangeAt = Number(reader, 12) is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at) : null,
            });
        }

        return cards;
    }

    private async Task<Hour> LastHourAsync(DbConnection connection, CancellationToken cancellation)
    {
        if (lastHour is { } fresh && time.GetElapsedTime(fresh.CountedAt) < HourFreshness)
            return fresh;
        await counting.WaitAsync(cancellation);
        try
        {
            if (lastHour is { } just && time.GetElapsedTime(just.CountedAt) < HourFreshness)
                return just;
            return lastHour = new(time.GetTimestamp(), await MovesAsync(connection, time.GetUtcNow().AddHours(-1).ToUnixTimeMilliseconds(), cancellation));
        }
        finally
        {
            counting.Release();
        }
    }

    private static async Task<Dictionary<long, IReadOnlyDictionary<string, StatusMoves>>> MovesAsync(DbConnection connection, long since, CancellationToken cancellation)
    {
        // CROSS JOIN tells SQLite to begin with the fleets: it would read the whole index for the sake of the grouping.
        await using var command = connection.Statement(
            """
            SELECT t.fleet_id, t.from_value, t.to_value, count(*) FROM fleet f CROSS JOIN transition t
            WHERE t.fleet_id = f.id AND t.fact = 'overall_status' AND t.at >= @p0
            GROUP BY t.fleet_id, t.from_value, t.to_value
            """,
            since);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var moves = new Dictionary<long, IReadOnlyDictionary<string, StatusMoves>>();
        while (await reader.ReadAsync(cancellation))
        {
            var fleet = reader.GetInt64(0);
            if (!moves.TryGetValue(fleet, out var known))
                moves.Add(fleet, known = new SortedDictionary<string, StatusMoves>(StringComparer.Ordinal));
            var ofFleet = (SortedDictionary<string, StatusMoves>)known;
            var devices = reader.GetInt64(3);
            if (Text(reader, 1) is { } from)
                Add(ofFleet, from, 0, devices);
            if (Text(reader, 2) is { } to)
                Add(ofFleet, to, devices, 0);
        }

        return moves;
    }

    private static void Add(SortedDictionary<string, StatusMoves> moves, string status, long came, long left)
    {
        var before = moves.GetValueOrDefault(status, new(0, 0));
        moves[status] = new(before.Came + came, before.Left + left);
    }

    private static string? Text(DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static long? Number(DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetInt64(column);

    /// <summary>What the database counts of one fleet.</summary>
    private sealed class Tally
    {
        private static readonly SortedDictionary<string, long> None = [];
        private readonly Dictionary<string, SortedDictionary<string, long>> counts = new(StringComparer.Ordinal);
        private readonly List<(long Pin, long? Running, long Devices)> pins = [];

        public long? Target { get; private set; }

        /// <summary>Devices per release they run; 0 stands for none.</summary>
        public Dictionary<long, long> Running { get; } = [];

        public long Devices => Of("overall_status").Values.Sum();

        public void Take(string fact, string? value, long devices, long? release)
        {
            switch (fact)
            {
                case "target":
                    Target = release;
                    break;
                case "pin":
                    pins.Add((release!.Value, Release(value), devices));
                    break;
                case "running_release":
                    Running[Release(value) ?? 0] = devices;
                    break;
                default:
                    if (!counts.TryGetValue(fact, out var values))
                        counts.Add(fact, values = new(StringComparer.Ordinal));
                    values[value!] = devices;
                    break;
            }
        }

        public SortedDictionary<string, long> Of(string fact) => counts.GetValueOrDefault(fact, None);

        public List<RunningRelease> RunningReleases(Dictionary<long, FleetRelease> releases) =>
        [
            .. Running.OrderByDescending(r => r.Value).ThenByDescending(r => r.Key)
                .Select(r => new RunningRelease(releases.GetValueOrDefault(r.Key), r.Value)),
        ];

        /// <summary>Devices that should run something, and those that do: as if none were pinned, then corrected by those that are.</summary>
        public (long With, long On) Targeted()
        {
            var pinned = pins.Sum(p => p.Devices);
            var pinnedOn = pins.Where(p => p.Running == p.Pin).Sum(p => p.Devices);
            if (Target is not { } target)
                return (pinned, pinnedOn);
            var pinnedRunningTarget = pins.Where(p => p.Running == target).Sum(p => p.Devices);
            return (Devices, Running.GetValueOrDefault(target) - pinnedRunningTarget + pinnedOn);
        }

        private static long? Release(string? value) => value is null or "none" ? null : long.Parse(value, CultureInfo.InvariantCulture);
    }

    /// <param name="CountedAt">On the monotonic clock.</param>
    /// <param name="Moves">By fleet.</param>
    private sealed record Hour(long CountedAt, Dictionary<long, IReadOnlyDictionary<string, StatusMoves>> Moves);
}
