using System.Collections.Concurrent;
using System.Data.Common;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Muster.Core.Access;
using Muster.Core.Health;
using Muster.Server.Cloudlink.Actions;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Insight;
using Muster.Storage;

namespace Muster.Server.Cloudlink.Diagnostics;

/// <summary>A run of all checks of a device.</summary>
/// <param name="Took">Milliseconds.</param>
/// <param name="Who">Who had it run, by the name of the time.</param>
/// <param name="Level">The worst of the checks: ok, warn, fail, unknown.</param>
public sealed record HealthCheckRun(long Id, string Uuid, DateTimeOffset At, long Took, string Who, string Level, IReadOnlyList<DeviceHealthCheck> Checks);

/// <summary>It cannot be examined now; the message is one sentence for the person who asked.</summary>
public sealed class ExaminationRefusedException(int status, string message) : Exception(message)
{
    /// <summary>The HTTP status that says so.</summary>
    public int Status { get; } = status;
}

/// <summary>
/// Examines devices: what is on record of them, and what their supervisor answers over the tunnel; the first step when a
/// device has a cloudlink and no heartbeat (docs/device-statuses.md). Results are kept, bounded by age and number.
/// </summary>
public sealed class HealthChecks
{
    /// <summary>Runs that are kept of one device.</summary>
    public const int MostPerDevice = 100;

    /// <summary>Of one answer to a question for the history.</summary>
    public const int LargestPage = 100;

    private readonly Examinations examinations;
    private readonly DeviceHealth health;
    private readonly AuditLog audit;
    private readonly Database database;
    private readonly CloudlinkOptions options;
    private readonly TimeProvider time;

    internal HealthChecks(Examinations examinations, DeviceHealth health, AuditLog audit, Database database, IOptions<CloudlinkOptions> options, TimeProvider time) =>
        (this.examinations, this.health, this.audit, this.database, this.options, this.time) = (examinations, health, audit, database, options.Value, time);

    /// <summary>Runs all checks and keeps the result; null when there is no such device, or it is not the caller's to see.</summary>
    /// <param name="from">The caller's address, for the audit log.</param>
    /// <exception cref="ExaminationRefusedException">It is being examined already, or too many are.</exception>
    /// <exception cref="DatabaseAwayException">Nothing was kept.</exception>
    public async Task<HealthCheckRun?> RunAsync(Caller caller, string uuid, string? from, CancellationToken cancellation = default)
    {
        if (await examinations.SeenAsync(caller, uuid, cancellation) is not { } link)
            return null;
        using var place = examinations.Take(link.Id);
        var entry = await audit.BeginAsync(new(caller, "health-check.run", link.Id, link.OrganizationId, from, null), cancellation);
        var outcome = AuditOutcome.Unknown;
        try
        {
            var (at, began) = (time.GetUtcNow(), time.GetTimestamp());
            var asked = examinations.AskAsync(link, SupervisorHealth.Questions, cancellation);
            var recorded = await health.ReadAsync(caller, uuid, cancellation);
            var answered = SupervisorHealth.Of(await asked);
            if (recorded is null)
                return null;
            List<DeviceHealthCheck> checks = [.. answered.Select(c => new DeviceHealthCheck(c.Name, c.Level.Word(), c.Sentence, c.Advice)), .. recorded.Checks];
            var level = HealthRule.Overall([.. answered, .. recorded.Checks.Select(c => new HealthCheck(c.Name, HealthWords.Parse(c.Level), c.Sentence))]).Word();
            var took = (long)time.GetElapsedTime(began).TotalMilliseconds;
            var (id, who) = await KeepAsync(caller, link.Id, at, took, level, checks, cancellation);
            outcome = level;
            return new(id, link.Uuid, at, took, who, level, checks);
        }
        finally
        {
            await audit.EndAsync(entry, outcome);
        }
    }

    /// <summary>The kept runs of a device, the newest first; null when there is no such device, or it is not the caller's to see.</summary>
    /// <exception cref="DatabaseAwayException">The database is away.</exception>
    public async Task<IReadOnlyList<HealthCheckRun>?> ListAsync(Caller caller, string uuid, int limit, CancellationToken cancellation = default) =>
        await examinations.SeenAsync(caller, uuid, cancellation) is { } link
            ? await ReadAsync(link.Uuid, "device_id = @p0", limit, [link.Id], cancellation)
            : null;

    /// <summary>One of them; null when there is none.</summary>
    /// <exception cref="DatabaseAwayException">The database is away.</exception>
    public async Task<HealthCheckRun?> FindAsync(Caller caller, string uuid, long id, CancellationToken cancellation = default) =>
        await examinations.SeenAsync(caller, uuid, cancellation) is { } link
            ? (await ReadAsync(link.Uuid, "device_id = @p0 AND id = @p1", 1, [link.Id, id], cancellation)).FirstOrDefault()
            : null;

    private Task<(long Id, string Who)> KeepAsync(Caller caller, long device, DateTimeOffset at, long took, string level, List<DeviceHealthCheck> checks, CancellationToken cancellation) => database.WriteAsync(
        async write =>
        {
            await using var command = write.Command(
                $"""
                INSERT INTO health_check (device_id, at, took, who_kind, who_id, who, level, checks)
                VALUES (@p0, @p1, @p2, @p3, @p4, {Examinations.NameOf("@p3", "@p4")}, @p5, @p6) RETURNING id, who
                """,
                device, at.ToUnixTimeMilliseconds(), took, AuditLog.Kind(caller.Kind), caller.SubjectId, level, JsonSerializer.Serialize(checks));
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            await reader.ReadAsync(cancellation);
            var kept = (reader.GetInt64(0), reader.GetString(1));
            await reader.DisposeAsync();
            await Examinations.PruneAsync(write, "health_check", device, MostPerDevice, at.Add(-options.ExaminationRetention), cancellation);
            return kept;
        },
        cancellation);

    private async Task<List<HealthCheckRun>> ReadAsync(string uuid, string condition, int limit, object?[] parameters, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement($"SELECT id, at, took, who, level, checks FROM health_check WHERE {condition} ORDER BY id DESC LIMIT {limit}", parameters);
        await using DbDataReader reader = await command.ExecuteReaderAsync(cancellation);
        List<HealthCheckRun> runs = [];
        while (await reader.ReadAsync(cancellation))
        {
            runs.Add(new(
                reader.GetInt64(0), uuid, DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(1)), reader.GetInt64(2), reader.GetString(3), reader.GetString(4),
                JsonSerializer.Deserialize<List<DeviceHealthCheck>>(reader.GetString(5)) ?? []));
        }

        return runs;
    }
}

/// <summary>What examinations of devices share: whom they may ask, how, and how many at once.</summary>
internal sealed class Examinations(ConnectedDevices connected, SupervisorClient supervisors, TimeProvider time)
{
    /// <summary>Devices that are examined at once.</summary>
    private const int MostAtOnce = 32;

    private const int PrunedAtOnce = 100;

    /// <summary>A question that is not answered by then counts as unanswered.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<long, bool> under = new();

    /// <summary>The device, if it is there for the caller.</summary>
    public async Task<DeviceLink?> SeenAsync(Caller caller, string uuid, CancellationToken cancellation) =>
        await connected.LinkAsync(uuid, cancellation) is { } link && SupervisorRule.MaySee(caller, link.Id, link.OrganizationId) ? link : null;

    /// <summary>A place among those that are examined, until it is disposed.</summary>
    /// <exception cref="ExaminationRefusedException">It is being examined already, or too many are.</exception>
    public IDisposable Take(long device)
    {
        if (under.Count >= MostAtOnce)
            throw new ExaminationRefusedException(StatusCodes.Status429TooManyRequests, $"{MostAtOnce} devices are being examined; try again in a moment.");
        if (!under.TryAdd(device, true))
            throw new ExaminationRefusedException(StatusCodes.Status409Conflict, "The device is being examined; its result follows in a moment.");
        return new Place(this, device);
    }

    /// <summary>Asks the device's supervisor all of the questions at once.</summary>
    public async Task<Dictionary<string, SupervisorWord>> AskAsync(DeviceLink link, IReadOnlyList<string> questions, CancellationToken cancellation)
    {
        var words = await Task.WhenAll(questions.Select(question => AskAsync(link, new SupervisorCall(HttpMethod.Get, question, null), cancellation)));
        return questions.Zip(words).ToDictionary(pair => pair.First, pair => pair.Second);
    }

    public async Task<SupervisorWord> AskAsync(DeviceLink link, SupervisorCall question, CancellationToken cancellation)
    {
        if (link.IsFrozen)
            return new(null, "The device is frozen and is not asked.", 0);
        if (link.Tunnel is not { } tunnel)
            return new(null, "Not asked: the cloudlink is down.", 0);
        var began = time.GetTimestamp();
        using var late = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellation);
        try
        {
            var answer = await supervisors.CallAsync(tunnel, question, either.Token);
            var took = (long)time.GetElapsedTime(began).TotalMilliseconds;
            return new(answer.Status, answer.Body, took, answer.Date is { } date ? (long)(date - time.GetUtcNow()).TotalMilliseconds : null);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new(StatusCodes.Status504GatewayTimeout, "The device did not answer in time.", (long)Patience.TotalMilliseconds);
        }
    }

    /// <summary>SQL for the name of who examines.</summary>
    public static string NameOf(string kind, string id) =>
        $"COALESCE((SELECT username FROM account WHERE {kind} = 'user' AND id = {id}), (SELECT name FROM device WHERE {kind} = 'device' AND id = {id}), '')";

    /// <summary>Each result makes room for itself: the device's oldest beyond the bound, and some of what is too old.</summary>
    public static async Task PruneAsync(WriteScope write, string table, long device, int most, DateTimeOffset before, CancellationToken cancellation)
    {
        await using var beyond = write.Command($"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE device_id = @p0 ORDER BY id DESC LIMIT {PrunedAtOnce} OFFSET {most})", device);
        await beyond.ExecuteNonQueryAsync(cancellation);
        await using var old = write.Command($"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE at < @p0 LIMIT {PrunedAtOnce})", before.ToUnixTimeMilliseconds());
        await old.ExecuteNonQueryAsync(cancellation);
    }

    private sealed class Place(Examinations examinations, long device) : IDisposable
    {
        public void Dispose() => examinations.under.TryRemove(device, out _);
    }
}
