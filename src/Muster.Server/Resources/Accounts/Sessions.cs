using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.Tokens;
using Muster.Storage;

namespace Muster.Server.Resources.Accounts;

/// <summary>A log-in as its owner sees it. Times in Unix ms.</summary>
/// <param name="From">Address that the person logged in from; null when it is not known.</param>
/// <param name="Client">What the client called itself; null when it is not known.</param>
public sealed record SessionView(long Id, long CreatedAt, long LastUsedAt, long ExpiresAt, string? From, string? Client);

/// <summary>
/// The log-ins of people: a row each, which every token of it names. What is used with a token that names no living row is
/// nobody's. This class is the only writer of the rows.
/// </summary>
public sealed class Sessions(Database database, SessionTokens tokens, TimeProvider time)
{
    /// <summary>A session ends this long after its log-in, however often its token was refreshed.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(365);

    /// <summary>Sessions of one account; at one more, the one that was not used for the longest time ends.</summary>
    public const int MostOfAccount = 500;

    private const int LongestClient = 200;

    /// <summary>That a session is used is written down no more often than this.</summary>
    private static readonly TimeSpan UseNotedEvery = TimeSpan.FromMinutes(5);

    /// <summary>Raised after sessions have ended. Handlers return at once and don't throw.</summary>
    public event Action? Ended;

    /// <summary>Begins a session for somebody who has proved who he is: its token.</summary>
    public async Task<string> BeginAsync(long accountId, string? from, string? client)
    {
        var (now, id) = (Now, Base64UrlEncoder.Encode(RandomNumberGenerator.GetBytes(16)));
        var expires = now + (long)Lifetime.TotalMilliseconds;
        await database.WriteAsync(async write =>
        {
            await DoAsync(write,
                "INSERT INTO account_session (account_id, token_id, created_at, last_used_at, expires_at, from_address, client) VALUES (@p0, @p1, @p2, @p2, @p3, @p4, @p5)",
                accountId, id, now, expires, from, client is { Length: > LongestClient } ? client[..LongestClient] : client);
            await DoAsync(write,
                $"""
                DELETE FROM account_session WHERE account_id = @p0 AND (expires_at <= @p1 OR (adopted = 0 AND id IN (
                    SELECT id FROM account_session WHERE account_id = @p0 ORDER BY last_used_at DESC, id DESC LIMIT 1000000 OFFSET {MostOfAccount})))
                """, accountId, now);
        });
        return await tokens.IssueAsync(accountId, id, now, expires);
    }

    /// <summary>A fresh token for a session that lives.</summary>
    public async Task<string?> RefreshAsync(long session)
    {
        (long Account, string Token, long Created, long Expires)? row = null;
        await using (var connection = await database.OpenReadAsync())
        {
            await using var command = connection.Statement("SELECT account_id, token_id, created_at, expires_at FROM account_session WHERE id = @p0 AND ended_at IS NULL", session);
            await using var reader = await command.ExecuteReaderAsync();
            if (await reader.ReadAsync())
                row = (reader.GetInt64(0), reader.GetString(1), reader.GetInt64(2), reader.GetInt64(3));
        }

        return row is { } found ? await tokens.IssueAsync(found.Account, found.Token, found.Created, found.Expires) : null;
    }

    /// <summary>The sessions of an account, the one that was used last first.</summary>
    public async Task<IReadOnlyList<SessionView>> ListAsync(long accountId, CancellationToken cancellation = default)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            "SELECT id, created_at, last_used_at, expires_at, from_address, client FROM account_session WHERE account_id = @p0 AND ended_at IS NULL AND expires_at > @p1 ORDER BY last_used_at DESC, id DESC",
            accountId, Now);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<SessionView> sessions = [];
        while (await reader.ReadAsync(cancellation))
            sessions.Add(new(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), Text(reader, 4), Text(reader, 5)));
        return sessions;
    }

    /// <summary>Ends a session of this account, and all that is open with it. False when there is none.</summary>
    public async Task<bool> EndAsync(long accountId, long session)
    {
        var ended = await database.WriteAsync(async write =>
            await DoAsync(write, "DELETE FROM account_session WHERE id = @p0 AND account_id = @p1 AND adopted = 0", session, accountId)
            + await DoAsync(write, "UPDATE account_session SET ended_at = @p2 WHERE id = @p0 AND account_id = @p1 AND ended_at IS NULL", session, accountId, Now));
        Ended?.Invoke();
        return ended > 0;
    }

    /// <summary>Ends all sessions of this account but one, and all that is open with them.</summary>
    /// <param name="but">Id of the session that stays; null: none does.</param>
    public async Task EndOthersAsync(long accountId, long? but)
    {
        await database.WriteAsync(write => EndOthersAsync(write, accountId, but));
        Ended?.Invoke();
    }

    /// <summary><inheritdoc cref="EndOthersAsync(long, long?)" path="/summary"/> Inside the caller's transaction: the caller forgets callers after the commit.</summary>
    internal async Task EndOthersAsync(WriteScope write, long accountId, long? but)
    {
        await DoAsync(write, "DELETE FROM account_session WHERE account_id = @p0 AND id <> @p1 AND adopted = 0", accountId, but ?? 0);
        await DoAsync(write, "UPDATE account_session SET ended_at = @p2 WHERE account_id = @p0 AND id <> @p1 AND ended_at IS NULL", accountId, but ?? 0, Now);
    }

    /// <summary>Whose session this token is of, while it lives; null when it is none, or over.</summary>
    internal async Task<LiveSession?> FindAsync(string token, CancellationToken cancellation)
    {
        if (await tokens.ReadAsync(token) is not { } said)
            return null;
        var found = await FindAsync(said, cancellation);
        if (found is { Session: null })
        {
            await AdoptAsync(said);
            found = await FindAsync(said, cancellation);
        }

        if (found is not { Session: { } session } || found.IsEnded)
            return null;
        if (Now - found.LastUsedAt > (long)UseNotedEvery.TotalMilliseconds)
            await NoteUseAsync(session);
        return new(session, found.Actor, said.AccountId, said.ExpiresAt);
    }

    /// <summary>Null: the token is not good. Without a session: it is of an account, and has no row yet.</summary>
    private async Task<Found?> FindAsync(SessionToken said, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            """
            SELECT a.actor_id, a.token_secret, s.id, s.ended_at, s.last_used_at, s.expires_at FROM account a
            LEFT JOIN account_session s ON s.account_id = a.id AND s.token_id = @p1 WHERE a.id = @p0
            """, said.AccountId, IdOf(said));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        if (!await reader.ReadAsync(cancellation))
            return null;
        if (said.TokenId is null && !CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(reader.GetString(1)), Encoding.UTF8.GetBytes(said.TokenSecret!)))
            return null;
        if (reader.IsDBNull(2))
            return said.TokenId is null ? new(reader.GetInt64(0), null, IsEnded: false, 0) : null;
        return new(reader.GetInt64(0), reader.GetInt64(2), !reader.IsDBNull(3) || reader.GetInt64(5) <= Now, reader.GetInt64(4));
    }

    /// <summary>Gives the session of an old token its row: all tokens of one log-in have the same.</summary>
    private Task<int> AdoptAsync(SessionToken said) => database.WriteAsync(write => DoAsync(write,
        """
        INSERT INTO account_session (account_id, token_id, adopted, created_at, last_used_at, expires_at) VALUES (@p0, @p1, 1, @p2, @p3, @p4)
        ON CONFLICT (token_id) DO NOTHING
        """, said.AccountId, IdOf(said), said.AuthTime, Now, said.ExpiresAt));

    private async Task NoteUseAsync(long session)
    {
        try
        {
            await database.WriteAsync(write => DoAsync(write, "UPDATE account_session SET last_used_at = @p1 WHERE id = @p0", session, Now));
        }
        catch (DatabaseAwayException)
        {
            // Noted with the next use.
        }
    }

    private static string IdOf(SessionToken said) =>
        said.TokenId ?? "old:" + Base64UrlEncoder.Encode(SHA256.HashData(Encoding.UTF8.GetBytes($"{said.AccountId}|{said.AuthTime}|{said.TokenSecret}")));

    private static string? Text(DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static async Task<int> DoAsync(WriteScope write, string sql, params object?[] parameters)
    {
        await using var command = write.Command(sql, parameters);
        return await command.ExecuteNonQueryAsync();
    }

    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    private sealed record Found(long Actor, long? Session, bool IsEnded, long LastUsedAt);
}

/// <summary>A session that lives.</summary>
/// <param name="ExpiresAt">Of the token, Unix ms.</param>
internal sealed record LiveSession(long Id, long ActorId, long AccountId, long ExpiresAt);
