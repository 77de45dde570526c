using Microsoft.Extensions.Options;
using Muster.Core.Access;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Insight;

/// <summary>
/// The log of who did what (table audit). An entry is durable before the thing happens, so nothing happens that the log
/// does not know; its outcome follows. What a process that dies had begun gets the outcome <c>unknown</c> at the next start
/// of its node. Bounded by age and by number.
/// </summary>
internal sealed partial class AuditLog(Database database, IOptions<InsightOptions> options, IOptions<PresenceOptions> node, TimeProvider time, ILogger<AuditLog> log) : BackgroundService
{
    private const int LongestWord = 100;
    private const int LongestDetail = 1_000;
    private const int PrunedAtOnce = 1_000;

    /// <summary>Outcomes that may wait for a database that is away; those that find no room are unknown after the next start.</summary>
    private const int MostOwed = 10_000;

    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PruneEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(50);

    private readonly string life = Guid.NewGuid().ToString("N");
    private readonly Lock gate = new();
    private readonly Dictionary<long, (string Outcome, long At)> owed = [];

    /// <summary>Puts on record what is about to happen.</summary>
    /// <returns>For <see cref="EndAsync(long, string)"/>.</returns>
    /// <exception cref="DatabaseAwayException">It is not on record: do nothing, and say so.</exception>
    public async Task<long> BeginAsync(AuditEntry entry, CancellationToken cancellation) => (await BeginAllAsync([entry], cancellation))[0];

    /// <summary>The same for several, with one write.</summary>
    /// <inheritdoc cref="BeginAsync(AuditEntry, CancellationToken)"/>
    public Task<long[]> BeginAllAsync(IReadOnlyList<AuditEntry> entries, CancellationToken cancellation) => WriteAsync(entries, outcome: null, cancellation);

    /// <summary>What ended as soon as it began: above all refusals.</summary>
    /// <exception cref="DatabaseAwayException">It is not on record.</exception>
    public Task NoteAsync(IReadOnlyList<AuditEntry> entries, string outcome, CancellationToken cancellation) => WriteAsync(entries, outcome, cancellation);

    /// <summary>What is done by a transaction: on record with it, or not at all.</summary>
    public async Task NoteAsync(WriteScope write, IReadOnlyList<AuditEntry> entries, string outcome)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var entry in entries)
            await InsertAsync(write, entry, outcome, now, CancellationToken.None);
    }

    /// <summary>How it ended. While the database is away the outcome is kept, and written when it is back.</summary>
    public Task EndAsync(long id, string outcome) => EndAllAsync([(id, outcome)]);

    /// <summary>The same for several, with one write.</summary>
    public async Task EndAllAsync(IReadOnlyList<(long Id, string Outcome)> ended)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var outcomes = ended.Select(e => (e.Id, e.Outcome, At: now)).ToList();
        try
        {
            await WriteAsync(outcomes, CancellationToken.None);
        }
        catch (Exception e) when (e is DatabaseAwayException || database.IsAway(e))
        {
            Owe(outcomes);
        }
    }

    /// <summary>Gives what earlier lives of this node had begun its outcome, which nobody knows.</summary>
    public Task EndEarlierLivesAsync(CancellationToken cancellation) => database.WriteAsync(
        async write =>
        {
            await using var command = write.Command("UPDATE audit SET outcome = @p0 WHERE outcome IS NULL AND node = @p1 AND life <> @p2", AuditOutcome.Unknown, node.Value.Node, life);
            await command.ExecuteNonQueryAsync(cancellation);
        },
        cancellation);

    /// <summary>Deletes what is too old, and the oldest of what is too much, in small steps.</summary>
    public async Task PruneAsync(CancellationToken cancellation)
    {
        var before = time.GetUtcNow().Add(-options.Value.AuditRetention).ToUnixTimeMilliseconds();
        while (await database.WriteAsync(write => PruneAsync(write, before), cancellation) == PrunedAtOnce)
            await Task.Delay(Breath, time, cancellation);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Beat, time);
        await using var end = stoppingToken.Register(timer.Dispose);
        var knowsEarlier = false;
        var prunedAt = 0L;
        do
        {
            try
            {
                if (!knowsEarlier)
                    await EndEarlierLivesAsync(stoppingToken);
                knowsEarlier = true;
                await PayAsync(stoppingToken);
                if (prunedAt == 0 || time.GetElapsedTime(prunedAt) >= PruneEvery)
                {
                    await PruneAsync(stoppingToken);
                    prunedAt = time.GetTimestamp();
                }
            }
#pragma warning disable CA1031 // the next round tries again
            catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
            {
                LogLater(e.Message);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
        while (await timer.WaitForNextTickAsync(CancellationToken.None));
    }

    private void Owe(List<(long Id, string Outcome, long At)> outcomes)
    {
        lock (gate)
        {
            foreach (var (id, outcome, at) in outcomes)
            {
                if (owed.Count < MostOwed)
                    owed[id] = (outcome, at);
            }
        }
    }

    private async Task PayAsync(CancellationToken cancellation)
    {
        List<(long Id, string Outcome, long At)> due;
        lock (gate)
            due = [.. owed.Select(o => (o.Key, o.Value.Outcome, o.Value.At))];
        if (due.Count == 0)
            return;
        await WriteAsync(due, cancellation);
        lock (gate)
        {
            foreach (var (id, _, _) in due)
                owed.Remove(id);
        }
    }

    private Task WriteAsync(List<(long Id, string Outcome, long At)> outcomes, CancellationToken cancellation) => database.WriteAsync(
        async write =>
        {
            foreach (var (id, outcome, at) in outcomes)
            {
                // The first word counts.
                await using var command = write.Command("UPDATE audit SET outcome = @p0, ended_at = @p1 WHERE id = @p2 AND outcome IS NULL", Cut(outcome, LongestWord), at, id);
                await command.ExecuteNonQueryAsync(cancellation);
            }
        },
        cancellation);

    private async Task<long[]> WriteAsync(IReadOnlyList<AuditEntry> entries, string? outcome, CancellationToken cancellation)
    {
        if (entries.Count == 0)
            return [];
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        return await database.WriteAsync(
            async write =>
            {
                var ids = new long[entries.Count];
                for (var i = 0; i < ids.Length; i++)
                    ids[i] = await InsertAsync(write, entries[i], outcome, now, cancellation);
                return ids;
            },
            cancellation);
    }

    private async Task<long> InsertAsync(WriteScope write, AuditEntry entry, string? outcome, long now, CancellationToken cancellation)
    {
        await using var command = write.Command(
            """
            INSERT INTO audit (at, who_kind, who_id, who, what, device_id, device_uuid, device_name, fleet_id, organization_id, from_address, detail, outcome, ended_at, node, life)
            SELECT @p0, @p1, @p2, COALESCE(a.username, w.name, o.name, ''), @p3, d.id, d.uuid, d.name, d.fleet_id, COALESCE(CAST(@p5 AS BIGINT), f.organization_id),
                CAST(@p6 AS TEXT), CAST(@p7 AS TEXT), CAST(@p8 AS TEXT), CAST(@p9 AS BIGINT), @p10, @p11
            FROM (SELECT 1 AS one) n
            LEFT JOIN device d ON d.id = CAST(@p4 AS BIGINT) LEFT JOIN fleet f ON f.id = d.fleet_id
            LEFT JOIN account a ON @p1 = 'user' AND a.id = @p2 LEFT JOIN device w ON @p1 = 'device' AND w.id = @p2 LEFT JOIN fleet o ON @p1 = 'fleet' AND o.id = @p2
            RETURNING id
            """,
            now, Kind(entry.Who.Kind), entry.Who.SubjectId, Cut(entry.What, LongestWord), entry.DeviceId, entry.OrganizationId,
            Cut(entry.From, LongestWord), Cut(entry.Detail, LongestDetail), outcome, outcome is null ? null : now, node.Value.Node, life);
        return (long)(await command.ExecuteScalarAsync(cancellation))!;
    }

    /// <summary>The word of the database and of the API for who acts.</summary>
    public static string Kind(CallerKind kind) => kind switch
    {
        CallerKind.User => "user",
        CallerKind.Device => "device",
        CallerKind.Fleet => "fleet",
        CallerKind.Service => "service",
        _ => "anonymous",
    };

    private async Task<int> PruneAsync(WriteScope write, long before)
    {
        await using var command = write.Command(
            $"""
            DELETE FROM audit WHERE id IN (
                SELECT o.id FROM (SELECT id, at FROM audit ORDER BY id LIMIT {PrunedAtOnce}) o
                WHERE o.at < @p0 OR o.id <= (SELECT max(id) FROM audit) - @p1)
            """,
            before, options.Value.AuditMost);
        return await command.ExecuteNonQueryAsync();
    }

    private static string? Cut(string? text, int longest) => text is null || text.Length <= longest ? text : text[..longest];

    [LoggerMessage(Level = LogLevel.Debug, Message = "The audit log is written later: {Why}")]
    private partial void LogLater(string why);
}
