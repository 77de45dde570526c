using System.Data.Common;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Identity;
using Muster.Core.Access;
using Muster.Core.Text;
using Muster.Storage;

namespace Muster.Server.Resources.Accounts;

/// <summary>A person's account as the log-in needs it.</summary>
public sealed record Account(long Id, long ActorId, string Username, string Email, string? PasswordHash, string TokenSecret);

/// <summary>Accounts and organizations: made here by the command line, on first start and by the resource API.</summary>
public sealed class People(Database database, ApiKeys keys, Callers callers, Sessions sessions, TimeProvider time)
{
    /// <summary>Shorter passwords are refused.</summary>
    public const int ShortestPassword = 8;

    private static readonly PasswordHasher<string> Hasher = new();

    // Verified against when there is no such account, so that the answer takes the same time.
    private static readonly Lazy<string> NobodysHash = new(() => Hasher.HashPassword("", RandomNumberGenerator.GetHexString(32)));

    /// <summary>Creates an account. The user name defaults to the part of the address before the @.</summary>
    /// <exception cref="ArgumentException">Address, name or password cannot be used; the message says which and why.</exception>
    public async Task<long> CreateUserAsync(string email, string password, string? username = null, bool isServerAdmin = false)
    {
        username ??= UsernameOf(email);
        Check(email.Length is >= 3 and <= 254 && email.Contains('@', StringComparison.Ordinal) && !email.Any(char.IsWhiteSpace), "That is no e-mail address.");
        Check(username.Length is >= 1 and <= 70 && !username.Any(char.IsWhiteSpace) && NameRule.Problem(username) is null, "A user name has 1 to 70 characters and no white space.");
        // Else one person's name could be another's address, for the log-in and for invites.
        Check(!username.Contains('@', StringComparison.Ordinal), "A user name has no '@'.");
        CheckPassword(password);
        return await database.WriteAsync(async write =>
        {
            await using var taken = write.Command($"SELECT username FROM account WHERE {SqlDialect.Lower("email")} = @p0 OR {SqlDialect.Lower("username")} = @p1", email.ToLowerInvariant(), username.ToLowerInvariant());
            Check(await taken.ExecuteScalarAsync() is null, $"An account with the address {email} or the name {username} already exists.");
            return (await AddUserAsync(write, email, username, password, isServerAdmin)).Id;
        });
    }

    /// <summary>Sets a password and ends every session of the account. False when there is no such account.</summary>
    /// <exception cref="ArgumentException">The password is too short.</exception>
    public async Task<bool> SetPasswordAsync(string emailOrUsername, string password)
    {
        CheckPassword(password);
        return await FindAsync(emailOrUsername) is { } account && await SetPasswordAsync(account.Id, password, but: null);
    }

    /// <summary>Sets a password and ends every session of the account but one. False when there is no such account.</summary>
    /// <param name="but">Id of the session that goes on; null: none does.</param>
    /// <exception cref="ArgumentException">The password is too short.</exception>
    public async Task<bool> SetPasswordAsync(long accountId, string password, long? but)
    {
        CheckPassword(password);
        var hash = Hasher.HashPassword("", password);
        var changed = await database.WriteAsync(async write =>
        {
            await using var command = write.Command(
                "UPDATE account SET password_hash = @p1, token_secret = @p2, modified_at = @p3 WHERE id = @p0", accountId, hash, NewTokenSecret(), Now);
            if (await command.ExecuteNonQueryAsync() == 0)
                return false;
            await sessions.EndOthersAsync(write, accountId, but);
            return true;
        });
        callers.Forget();
        return changed;
    }

    /// <summary>Deletes an account with its memberships, keys and sessions. False when there is no such account.</summary>
    /// <exception cref="ArgumentException">An organization would be left without an administrator, or the server would.</exception>
    public async Task<bool> RemoveAsync(string emailOrUsername)
    {
        if (await FindAsync(emailOrUsername) is not { } account)
            return false;
        var removed = await database.WriteAsync(async write =>
        {
            await using var orphans = write.Command(
                """
                SELECT o.handle FROM organization o JOIN organization_membership m ON m.organization_id = o.id AND m.account_id = @p0 AND m.role = 'administrator'
                WHERE NOT EXISTS (SELECT 1 FROM organization_membership r WHERE r.organization_id = o.id AND r.account_id <> @p0 AND r.role = 'administrator') ORDER BY o.handle
                """, account.Id);
            Check(await orphans.ExecuteScalarAsync() is null, $"{account.Username} is the only administrator of an organization; make somebody else one first, or delete the organization.");
            await using var others = write.Command("SELECT 1 FROM account WHERE id <> @p0 AND is_server_admin <> 0 AND EXISTS (SELECT 1 FROM account a WHERE a.id = @p0 AND a.is_server_admin <> 0) UNION ALL SELECT 1 FROM account WHERE id = @p0 AND is_server_admin = 0", account.Id);
            Check(await others.ExecuteScalarAsync() is not null, $"{account.Username} is the only administrator of this server.");
            await using var delete = write.Command("DELETE FROM account WHERE id = @p0", account.Id);
            return await delete.ExecuteNonQueryAsync() > 0;
        });
        callers.Forget();
        return removed;
    }

    /// <summary>Creates an organization; its owner, if given by e-mail or user name, becomes administrator.</summary>
    /// <exception cref="ArgumentException">The handle cannot be used, or there is no such owner.</exception>
    public async Task<long> CreateOrganizationAsync(string name, string handle, string? owner = null)
    {
        Check(IsHandle(handle), "A handle has 1 to 60 lower-case letters, digits, '_' or '-'.");
        Check(name.Length is >= 1 and <= 255 && NameRule.Problem(name) is null, "An organization's name has 1 to 255 characters that can be seen.");
        var account = owner is null ? null : await FindAsync(owner) ?? throw new ArgumentException($"There is no account {owner}.");
        var id = await database.WriteAsync(write => AddOrganizationAsync(write, name, handle, account?.Id));
        callers.Forget();
        return id;
    }

    /// <summary>Makes an account a member of an organization, which is made when missing.</summary>
    /// <exception cref="ArgumentException">There is no such account, or the handle cannot be used.</exception>
    public async Task JoinAsync(string emailOrUsername, string handle, Role role)
    {
        var account = await FindAsync(emailOrUsername) ?? throw new ArgumentException($"There is no account {emailOrUsername}.");
        Check(IsHandle(handle), "A handle has 1 to 60 lower-case letters, digits, '_' or '-'.");
        await database.WriteAsync(async write =>
        {
            await using var find = write.Command("SELECT id FROM organization WHERE handle = @p0", handle);
            var organization = await find.ExecuteScalarAsync() as long? ?? await AddOrganizationAsync(write, handle, handle, administrator: null);
            await using var join = write.Command(
                """
                INSERT INTO organization_membership (organization_id, account_id, role, created_at, modified_at) VALUES (@p0, @p1, @p2, @p3, @p3)
                ON CONFLICT (organization_id, account_id) DO UPDATE SET role = excluded.role, modified_at = excluded.modified_at
                """, organization, account.Id, role.Word(), Now);
            await join.ExecuteNonQueryAsync();
        });
        callers.Forget();
    }

    /// <summary>Every account, by user name.</summary>
    public async Task<IReadOnlyList<(string Username, string Email, bool IsServerAdmin)>> ListAsync()
    {
        await using var connection = await database.OpenReadAsync();
        await using var command = connection.Statement("SELECT username, email, is_server_admin FROM account ORDER BY username");
        await using var reader = await command.ExecuteReaderAsync();
        List<(string, string, bool)> accounts = [];
        while (await reader.ReadAsync())
            accounts.Add((reader.GetString(0), reader.GetString(1), reader.GetInt32(2) != 0));
        return accounts;
    }

    /// <summary>Creates a key for an external tunnel server (role <c>service.vpn</c>). The key is returned once and kept as a hash.</summary>
    /// <param name="key">A key of the caller's own choice, at least 16 characters, or null for a generated one.</param>
    /// <exception cref="ArgumentException">The key is too short.</exception>
    public async Task<string> CreateServiceKeyAsync(string name, string? key = null)
    {
        Check(key is null or { Length: >= 16 }, "A key of your own choice has at least 16 characters.");
        key ??= ApiKeys.Generate();
        await database.WriteAsync(async write => await keys.AddAsync(write, await AddActorAsync(write, "service"), key, AccessRule.TunnelService, name));
        callers.Forget();
        return key;
    }

    /// <summary>The account with this e-mail address or user name (either spelled in any case), or null.</summary>
    public async Task<Account?> FindAsync(string emailOrUsername, CancellationToken cancellation = default)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        return await FirstAsync(connection.Statement($"{AccountColumns} WHERE {SqlDialect.Lower("email")} = @p0 OR {SqlDialect.Lower("username")} = @p0 ORDER BY CASE WHEN email = @p1 OR username = @p1 THEN 0 ELSE 1 END, id", emailOrUsername.ToLowerInvariant(), emailOrUsername), cancellation);
    }

    /// <summary>The account with this id, or null.</summary>
    public async Task<Account?> FindAsync(long id, CancellationToken cancellation = default)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        return await FirstAsync(connection.Statement($"{AccountColumns} WHERE id = @p0", id), cancellation);
    }

    /// <summary>Whether the password is the account's. Takes the same time for an account that does not exist.</summary>
    public static bool IsPassword(Account? account, string password) =>
        Hasher.VerifyHashedPassword("", account?.PasswordHash ?? NobodysHash.Value, password) != PasswordVerificationResult.Failed && account?.PasswordHash is not null;

    /// <summary>Adds an account inside the caller's transaction.</summary>
    internal async Task<(long Id, long ActorId)> AddUserAsync(WriteScope write, string email, string username, string password, bool isServerAdmin)
    {
        var actor = await AddActorAsync(write, "user");
        await using var command = write.Command(
            """
            INSERT INTO account (actor_id, username, email, password_hash, token_secret, is_server_admin, created_at, modified_at)
            VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p6) RETURNING id
            """, actor, username, email, Hasher.HashPassword("", password), NewTokenSecret(), isServerAdmin, Now);
        return ((long)(await command.ExecuteScalarAsync())!, actor);
    }

    /// <summary>Adds an organization inside the caller's transaction, with its first administrator.</summary>
    internal async Task<long> AddOrganizationAsync(WriteScope write, string name, string handle, long? administrator)
    {
        await using var command = write.Command("INSERT INTO organization (name, handle, created_at, modified_at) VALUES (@p0, @p1, @p2, @p2) RETURNING id", name, handle, Now);
        var id = (long)(await command.ExecuteScalarAsync())!;
        if (administrator is { } account)
        {
            await using var member = write.Command(
                "INSERT INTO organization_membership (organization_id, account_id, role, created_at, modified_at) VALUES (@p0, @p1, @p2, @p3, @p3)",
                id, account, Role.Administrator.Word(), Now);
            await member.ExecuteNonQueryAsync();
        }

        return id;
    }

    internal static async Task<long> AddActorAsync(WriteScope write, string kind)
    {
        await using var command = write.Command("INSERT INTO actor (kind) VALUES (@p0) RETURNING id", kind);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    internal static string UsernameOf(string email) => new([.. email.TakeWhile(c => c != '@').Select(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' ? char.ToLowerInvariant(c) : '_')]);

    internal static bool IsHandle(string handle) => handle.Length is >= 1 and <= 60 && handle.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '_' or '-');

    private const string AccountColumns = "SELECT id, actor_id, username, email, password_hash, token_secret FROM account";

    private static async Task<Account?> FirstAsync(DbCommand command, CancellationToken cancellation)
    {
        await using var owned = command;
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation)
            ? new Account(reader.GetInt64(0), reader.GetInt64(1), reader.GetString(2), reader.GetString(3), reader.IsDBNull(4) ? null : reader.GetString(4), reader.GetString(5))
            : null;
    }

    private static string NewTokenSecret() => RandomNumberGenerator.GetString("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 32);

    private static void CheckPassword(string password) => Check(password.Length is >= ShortestPassword and <= 1024, $"A password has at least {ShortestPassword} characters.");

    private static void Check(bool holds, string sentence)
    {
        if (!holds)
            throw new ArgumentException(sentence);
    }

    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();
}
