using System.Data.Common;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>
/// The queued actions on record (table queued_action). An action is claimed in one transaction before its device is asked,
/// and never claimed twice: of one whose claimer died, nobody knows how it ended.
/// </summary>
internal sealed class QueuedActions(Database database, IOptions<CloudlinkOptions> options, IOptions<PresenceOptions> node, TimeProvider time)
{
    public const int LargestPage = 1_000;
    private const int LongestBody = 4_096;
    private const int ChangedAtOnce = 1_000;

    private const string Columns = "id, device_id, device_uuid, organization_id, who, method, path, state, queued_at, expires_at, begun_at, ended_at, result_status, result_body, sentence";

    private readonly string life = Guid.NewGuid().ToString("N");

    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Queues the call for all of the devices, or for none. A device for which it was queued before with the same key keeps that one.</summary>
    /// <exception cref="QueueRefusedException">Too many wait, or the key was used for something else.</exception>
    /// <exception cref="DatabaseAwayException">Nothing was queued.</exception>
    public Task<List<(QueuedAction Action, bool IsNew)>> AddAsync(ActionWish wish, IReadOnlyList<DeviceLink> devices, CancellationToken cancellation) => database.WriteAsync(
        async write =>
        {
            await write.TakeTurnAsync("queued_action", 0);
            var total = await CountAsync(write, "SELECT count(*) FROM queued_action WHERE state = 'queued'");
            List<(QueuedAction, bool)> actions = [];
            foreach (var device in devices)
            {
                if (wish.Key is not null && await FindAsync(write, wish, device.Id) is { } before)
                {
                    actions.Add((before, false));
                    continue;
                }

                if (total++ >= options.Value.QueuedActions)
                    throw new QueueRefusedException(StatusCodes.Status429TooManyRequests, $"{options.Value.QueuedActions} actions wait for devices on this server; no more can be queued now.");
                if (await CountAsync(write, "SELECT count(*) FROM queued_action WHERE state = 'queued' AND device_id = @p0", device.Id) >= options.Value.QueuedPerDevice)
                    throw new QueueRefusedException(StatusCodes.Status429TooManyRequests, $"{options.Value.QueuedPerDevice} actions wait for device {device.Uuid}; cancel some, or wait.");
                actions.Add((await InsertAsync(write, wish, device), true));
            }

            return actions;
        },
        cancellation);

    /// <summary>Null when there is none of this id.</summary>
    public async Task<QueuedAction?> FindAsync(long id, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement($"SELECT {Columns} FROM queued_action WHERE id = @p0", id);
        return (await ReadAllAsync(command, cancellation)).FirstOrDefault();
    }

    /// <summary>The newest first.</summary>
    /// <param name="organizations">Of which; null: of all.</param>
    /// <param name="after">Only those with a lower id.</param>
    public async Task<List<QueuedAction>> ListAsync(IReadOnlyCollection<long>? organizations, string? uuid, string? state, long? after, int limit, CancellationToken cancellation)
    {
        var now = Now;
        List<object?> parameters = [];
        List<string> conditions = ["1 = 1"];
        void And(string condition, object value)
        {
            conditions.Add(condition.Replace("@p", $"@p{parameters.Count}", StringComparison.Ordinal));
            parameters.Add(value);
        }

        if (organizations is not null)
            And(database.Dialect.AnyOf("organization_id", "@p"), database.Dialect.Ids(organizations));
        if (uuid is not null)
            And("device_uuid = @p", uuid);
        if (after is { } before)
            And("id < @p", before);
        // What has expired is told so at once, whenever it is written down.
        if (state is ActionStates.Queued)
            And("state = 'queued' AND expires_at > @p", now);
        else if (state is ActionStates.Expired)
            And("(state = 'expired' OR (state = 'queued' AND expires_at <= @p))", now);
        else if (state is not null)
            And("state = @p", state);
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement($"SELECT {Columns} FROM queued_action WHERE {string.Join(" AND ", conditions)} ORDER BY id DESC LIMIT {limit}", [.. parameters]);
        return await ReadAllAsync(command, cancellation);
    }

    /// <summary>False when it has begun or ended already.</summary>
    public Task<bool> CancelAsync(long id, string sentence, CancellationToken cancellation) => database.WriteAsync(
        async write =>
        {
            await using var command = write.Command("UPDATE queued_action SET state = 'cancelled', ended_at = @p1, sentence = @p2 WHERE id = @p0 AND state = 'queued' AND expires_at > @p1", id, Now, sentence);
            return await command.ExecuteNonQueryAsync(cancellation) == 1;
        },
        cancellation);

    /// <summary>Whether an action waits for the device.</summary>
    public async Task<bool> AnyWaitsAsync(long device, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT 1 FROM queued_action WHERE device_id = @p0 AND state = 'queued' AND expires_at > @p1 LIMIT 1", device, Now);
        return await command.ExecuteScalarAsync(cancellation) is not null;
    }

    /// <summary>The oldest action of the device that waits, claimed for this process; null when there is none, or one is under way.</summary>
    public Task<ClaimedAction?> ClaimAsync(long device, CancellationToken cancellation) => database.WriteAsync<ClaimedAction?>(
        async write =>
        {
            await using var command = write.Command(
                $"""
                UPDATE queued_action SET state = 'running', begun_at = @p1, node = @p2, life = @p3
                WHERE id = (SELECT min(id) FROM queued_action WHERE device_id = @p0 AND state = 'queued' AND expires_at > @p1) AND state = 'queued'
                    AND NOT EXISTS (SELECT 1 FROM queued_action r WHERE r.device_id = @p0 AND r.state = 'running')
                RETURNING {Columns}, account_id, from_address, data
                """,
                device, Now, node.Value.Node, life);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            return await reader.ReadAsync(cancellation)
                ? new(Read(reader), reader.GetInt64(15), reader.IsDBNull(16) ? null : reader.GetString(16), reader.IsDBNull(17) ? null : JsonElement.Parse(reader.GetString(17)))
                : null;
        },
        cancellation);

    /// <summary>A claimed action of which it is sure that nothing reached the device waits again.</summary>
    public Task GiveBackAsync(long id, CancellationToken cancellation) =>
        ChangeAsync("UPDATE queued_action SET state = 'queued', begun_at = NULL, node = NULL, life = NULL WHERE id = @p0 AND state = 'running' AND life = @p1", cancellation, id, life);

    /// <summary>How a claimed action ended.</summary>
    public Task EndAsync(long id, string state, int? status, string? body, string? sentence, CancellationToken cancellation) => ChangeAsync(
        "UPDATE queued_action SET state = @p2, ended_at = @p3, result_status = CAST(@p4 AS INTEGER), result_body = CAST(@p5 AS TEXT), sentence = CAST(@p6 AS TEXT) WHERE id = @p0 AND state = 'running' AND life = @p1",
        cancellation, id, life, state, Now, status, Cut(body), sentence);

    /// <summary>All that waits for a device that will not take it any more.</summary>
    public Task FailAsync(long device, string sentence, CancellationToken cancellation) => ChangeAsync(
        "UPDATE queued_action SET state = 'failed', ended_at = @p1, sentence = @p2 WHERE device_id = @p0 AND state = 'queued'", cancellation, device, Now, sentence);

    /// <summary>Writes down what has expired, and what was left behind by processes that died.</summary>
    public async Task TidyAsync(CancellationToken cancellation)
    {
        var now = Now;
        while (await ChangeAsync($"UPDATE queued_action SET state = 'expired', ended_at = @p0 WHERE id IN (SELECT id FROM queued_action WHERE state = 'queued' AND expires_at <= @p0 LIMIT {ChangedAtOnce})", cancellation, now) == ChangedAtOnce)
            await Task.Yield();
        // A call takes no longer than its timeout: who claimed it so long ago is gone, wherever that was.
        var stale = now - (long)(options.Value.DeviceTimeout + TimeSpan.FromMinutes(1)).TotalMilliseconds;
        await ChangeAsync(
            "UPDATE queued_action SET state = 'unknown', ended_at = @p0, sentence = @p1 WHERE state = 'running' AND life <> @p2 AND (node = @p3 OR begun_at < @p4)",
            cancellation, now, "Muster ended while the device was being asked: it may have done it. It is not tried again.", life, node.Value.Node, stale);
    }

    /// <summary>Devices for whose waiting actions there is something to do: connected, or never to be connected again.</summary>
    public async Task<List<(long Id, string Uuid)>> DueAsync(CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            """
            SELECT DISTINCT q.device_id, q.device_uuid FROM queued_action q LEFT JOIN device d ON d.id = q.device_id
            WHERE q.state = 'queued' AND (d.id IS NULL OR d.is_frozen <> 0 OR d.cloudlink_connected <> 0)
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<(long, string)> due = [];
        while (await reader.ReadAsync(cancellation))
            due.Add((reader.GetInt64(0), reader.GetString(1)));
        return due;
    }

    /// <summary>Deletes what ended too long ago, in small steps.</summary>
    public async Task PruneAsync(CancellationToken cancellation)
    {
        var before = time.GetUtcNow().Add(-options.Value.ActionRetention).ToUnixTimeMilliseconds();
        while (await ChangeAsync($"DELETE FROM queued_action WHERE id IN (SELECT id FROM queued_action WHERE ended_at < @p0 LIMIT {ChangedAtOnce})", cancellation, before) == ChangedAtOnce)
            await Task.Delay(TimeSpan.FromMilliseconds(50), time, cancellation);
    }

    private Task<int> ChangeAsync(string sql, CancellationToken cancellation, params object?[] parameters) => database.WriteAsync(
        async write =>
        {
            await using var command = write.Command(sql, parameters);
            return await command.ExecuteNonQueryAsync(cancellation);
        },
        cancellation);

    private async Task<QueuedAction?> FindAsync(WriteScope write, ActionWish wish, long device)
    {
        await using var command = write.Command(
            $"SELECT {Columns}, data FROM queued_action WHERE account_id = @p0 AND idempotency_key = @p1 AND device_id = @p2", wish.Asker.Caller.SubjectId, wish.Key, device);
        await using var reader = await command.ExecuteReaderAsync();
        if (!await reader.ReadAsync())
            return null;
        var action = Read(reader);
        var data = reader.IsDBNull(15) ? null : reader.GetString(15);
        return action.Method == wish.Call.Method.Method && action.Path == wish.Call.Path && data == wish.Call.Data?.GetRawText()
            ? action
            : throw new QueueRefusedException(StatusCodes.Status409Conflict, "The Idempotency-Key was used before, for another action.");
    }

    private async Task<QueuedAction> InsertAsync(WriteScope write, ActionWish wish, DeviceLink device)
    {
        await using var command = write.Command(
            $"""
            INSERT INTO queued_action (device_id, device_uuid, organization_id, account_id, who, from_address, idempotency_key, method, path, data, state, queued_at, expires_at)
            SELECT @p0, @p1, @p2, @p3, COALESCE((SELECT username FROM account WHERE id = @p3), ''), CAST(@p4 AS TEXT), CAST(@p5 AS TEXT), @p6, @p7, CAST(@p8 AS TEXT), 'queued', @p9, @p10
            RETURNING {Columns}
            """,
            device.Id, device.Uuid, device.OrganizationId, wish.Asker.Caller.SubjectId, wish.Asker.From, wish.Key, wish.Call.Method.Method, wish.Call.Path, wish.Call.Data?.GetRawText(),
            Now, Now + (long)wish.ExpiresIn.TotalMilliseconds);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return Read(reader);
    }

    private static async Task<long> CountAsync(WriteScope write, string sql, params object?[] parameters)
    {
        await using var command = write.Command(sql, parameters);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private async Task<List<QueuedAction>> ReadAllAsync(DbCommand command, CancellationToken cancellation)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<QueuedAction> actions = [];
        while (await reader.ReadAsync(cancellation))
            actions.Add(Read(reader));
        return actions;
    }

    private QueuedAction Read(DbDataReader row)
    {
        var (state, expires) = (row.GetString(7), Instant(row, 9)!.Value);
        if (state is ActionStates.Queued && expires.ToUnixTimeMilliseconds() <= Now)
            state = ActionStates.Expired;
        return new(
            row.GetInt64(0), row.GetInt64(1), row.GetString(2), row.GetInt64(3), row.GetString(4), row.GetString(5), row.GetString(6), state,
            Instant(row, 8)!.Value, expires, Instant(row, 10), Instant(row, 11), row.IsDBNull(12) ? null : row.GetInt32(12), row.IsDBNull(13) ? null : row.GetString(13), row.IsDBNull(14) ? null : row.GetString(14));
    }

    private static DateTimeOffset? Instant(DbDataReader row, int column) => row.IsDBNull(column) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(column));

    private static string? Cut(string? body) => body is null || body.Length <= LongestBody ? body?.Replace("\0", "", StringComparison.Ordinal) : body[..LongestBody].Replace("\0", "", StringComparison.Ordinal) + "…";
}
