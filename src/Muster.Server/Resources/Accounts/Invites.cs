using System.Data.Common;
using Muster.Core.Access;
using Muster.Server.Insight;
using Muster.Storage;

namespace Muster.Server.Resources.Accounts;

/// <summary>An invite as the invited person reads it.</summary>
/// <param name="Fleet">Name of the fleet it was made for; null when it was made for the organization.</param>
/// <param name="InvitedBy">User name of the administrator who made it.</param>
public sealed record PendingInvite(long Id, string Organization, string Handle, string? Fleet, string Role, string? Message, string InvitedBy, DateTimeOffset ExpiresAt);

/// <summary>
/// What an invited person can do: read the invites, accept, decline. An invite names one person by e-mail address or user
/// name, and only that person can accept it, with or without its link: somebody else to whom the link is passed cannot.
/// It ends after a week, or when the inviter is no longer an administrator.
/// </summary>
public sealed class Invites
{
    /// <summary>An invite that nobody accepted ends after this.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(7);

    private const int MostShown = 50;

    // {which}: one more condition. p0, p1: the person's address and name as keys; p2: now.
    private const string Pending =
        """
        FROM invite i JOIN organization o ON o.id = i.organization_id JOIN account c ON c.id = i.created_by_account_id LEFT JOIN fleet f ON f.id = i.fleet_id
        WHERE i.invitee_key IN (@p0, @p1) AND i.expires_at > @p2 AND (c.is_server_admin <> 0 OR EXISTS (
            SELECT 1 FROM organization_membership cm WHERE cm.organization_id = i.organization_id AND cm.account_id = c.id AND cm.role = 'administrator'))
        """;

    private readonly Database database;
    private readonly People people;
    private readonly Callers callers;
    private readonly AuditLog audit;
    private readonly TimeProvider time;

    internal Invites(Database database, People people, Callers callers, AuditLog audit, TimeProvider time) =>
        (this.database, this.people, this.callers, this.audit, this.time) = (database, people, callers, audit, time);

    /// <summary>The invites that the caller can accept, newest first.</summary>
    /// <param name="token">Only the one with this token; null for all.</param>
    public async Task<IReadOnlyList<PendingInvite>> OfAsync(Caller caller, string? token = null, CancellationToken cancellation = default)
    {
        if (await KeysAsync(caller, cancellation) is not var (email, name))
            return [];
        await using var connection = await database.OpenReadAsync(cancellation);
        var sql = $"SELECT i.id, o.name, o.handle, f.name, i.role, i.message, c.username, i.expires_at {Pending}";
        await using var command = token is null
            ? connection.Statement($"{sql} ORDER BY i.id DESC LIMIT {MostShown}", email, name, Now)
            : connection.Statement($"{sql} AND i.token_hash = @p3", email, name, Now, ApiKeys.Hash(token));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<PendingInvite> found = [];
        while (await reader.ReadAsync(cancellation))
        {
            found.Add(new(
                reader.GetInt64(0), reader.GetString(1), reader.GetString(2), Text(reader, 3), reader.GetString(4), Text(reader, 5), reader.GetString(6),
                DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(7))));
        }

        return found;
    }

    /// <summary>Makes the caller a member. A role that the caller has there already is kept. False when there is no such invite for the caller.</summary>
    /// <param name="from">Address the request came from, for the audit log.</param>
    public Task<bool> AcceptAsync(Caller caller, string token, string? from) => AcceptAsync(caller, "i.token_hash = @p3", ApiKeys.Hash(token), from);

    /// <inheritdoc cref="AcceptAsync(Caller, string, string?)"/>
    public Task<bool> AcceptAsync(Caller caller, long id, string? from) => AcceptAsync(caller, "i.id = @p3", id, from);

    /// <summary>Ends an invite of the caller's. False when there is none.</summary>
    /// <inheritdoc cref="AcceptAsync(Caller, string, string?)"/>
    public async Task<bool> DeclineAsync(Caller caller, long id, string? from)
    {
        if (await KeysAsync(caller, CancellationToken.None) is not var (email, name))
            return false;
        return await database.WriteAsync(async write => await TakeAsync(write, caller, email, name, "i.id = @p3", id, "invite.decline", from) is not null);
    }

    /// <summary>Whether a text can be an e-mail address or a user name.</summary>
    internal static bool IsInvitee(string text) => text.Length is >= 1 and <= 254 && !text.Any(c => char.IsWhiteSpace(c) || char.IsControl(c));

    /// <summary>By this an invite finds its person.</summary>
    internal static string Key(string emailOrUsername) => emailOrUsername.ToLowerInvariant();

    private async Task<bool> AcceptAsync(Caller caller, string which, object value, string? from)
    {
        if (await KeysAsync(caller, CancellationToken.None) is not var (email, name))
            return false;
        var accepted = await database.WriteAsync(async write =>
        {
            if (await TakeAsync(write, caller, email, name, which, value, "invite.accept", from) is not var (organization, role))
                return false;
            await using var join = write.Command(
                """
                INSERT INTO organization_membership (organization_id, account_id, role, created_at, modified_at) VALUES (@p0, @p1, @p2, @p3, @p3)
                ON CONFLICT (organization_id, account_id) DO NOTHING
                """, organization, caller.SubjectId, role, Now);
            await join.ExecuteNonQueryAsync();
            return true;
        });
        callers.Forget();
        return accepted;
    }

    /// <summary>Deletes the invite: of two who come at once, one has it.</summary>
    private async Task<(long Organization, string Role)?> TakeAsync(WriteScope write, Caller caller, string email, string name, string which, object value, string what, string? from)
    {
        long organization;
        string role;
        await using (var take = write.Command($"DELETE FROM invite WHERE id IN (SELECT i.id {Pending} AND {which}) RETURNING organization_id, role", email, name, Now, value))
        await using (var reader = await take.ExecuteReaderAsync())
        {
            if (!await reader.ReadAsync())
                return null;
            (organization, role) = (reader.GetInt64(0), reader.GetString(1));
        }

        await audit.NoteAsync(write, [new AuditEntry(caller, what, null, organization, from, $"as {role}")], AuditOutcome.Done);
        return (organization, role);
    }

    /// <summary>An address has an '@' and a name has none, so that no name passes for somebody's address.</summary>
    private async Task<(string Email, string Name)?> KeysAsync(Caller caller, CancellationToken cancellation)
    {
        if (caller.Kind != CallerKind.User || await people.FindAsync(caller.SubjectId, cancellation) is not { } account)
            return null;
        return (Key(account.Email), account.Username.Contains('@', StringComparison.Ordinal) ? Key(account.Email) : Key(account.Username));
    }

    private static string? Text(DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();
}
