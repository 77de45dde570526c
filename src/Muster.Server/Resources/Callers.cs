using System.Buffers.Text;
using System.Collections.Immutable;
using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using Muster.Core.Access;
using Muster.Server.Resources.Accounts;
using Muster.Server.Resources.Connections;
using Muster.Storage;

namespace Muster.Server.Resources;

/// <summary>
/// Who is calling: turns a bearer token, an API key (header or <c>?apikey=</c>) or Basic credentials into a <see cref="Caller"/>.
/// Keys are looked up by SHA-256 in a bounded cache in front of the database. Every request of somebody known is an open
/// connection, which ends when its credential does, or a role of the caller.
/// </summary>
public sealed class Callers
{
    /// <summary>Longer than any key or token of ours; what is longer is not looked up.</summary>
    private const int LongestSecret = 2048;

    private readonly Database database;
    private readonly Sessions sessions;
    private readonly OpenConnections connections;
    private readonly TimeProvider time;
    private readonly CallerCache cache;

    public Callers(Database database, Sessions sessions, OpenConnections connections, TimeProvider time)
    {
        (this.database, this.sessions, this.connections, this.time, cache) = (database, sessions, connections, time, new(time));
        sessions.Ended += Forget;
    }

    /// <summary>Raised after a change of anybody's rights. Handlers return at once and don't throw.</summary>
    public event Action? Forgotten;

    /// <summary>The caller of this request; <see cref="Caller.Anonymous"/> when there are no credentials or wrong ones. Resolved once per request.</summary>
    public ValueTask<Caller> OfAsync(HttpContext context) => OfAsync(context, Secret(context.Request));

    /// <summary>The caller of a request that brings its credentials in another way than the API's: the cookie of the pages.</summary>
    /// <param name="secret">Token or key; null: there is none.</param>
    public async ValueTask<Caller> OfAsync(HttpContext context, string? secret)
    {
        if (context.Items.TryGetValue(typeof(Caller), out var known))
            return (Caller)known!;
        var caller = secret is { Length: > 0 and <= LongestSecret } ? await OfSecretAsync(secret, context.RequestAborted) : Caller.Anonymous;
        context.Items[typeof(Caller)] = caller;
        if (caller.Kind == CallerKind.Anonymous)
            return caller;
        var connection = connections.Enter(context.Request.Path, caller.Credential, async cancellation => (await OfSecretAsync(secret!, cancellation)).IsStill(caller), context.Abort);
        context.Items[typeof(OpenConnection)] = connection;
        context.Response.RegisterForDispose(connection);
        return caller;
    }

    /// <summary>Whether this request's caller was resolved already, and is not anonymous.</summary>
    public static bool IsKnown(HttpContext context) =>
        context.Items.TryGetValue(typeof(Caller), out var known) && known is Caller { Kind: not CallerKind.Anonymous };

    /// <summary>The request as an open connection, after <see cref="OfAsync(HttpContext)"/> found somebody known.</summary>
    public static OpenConnection ConnectionOf(HttpContext context) => (OpenConnection)context.Items[typeof(OpenConnection)]!;

    /// <summary>The secret of the request as sent (Bearer, ApiKey, the password of Basic, or <c>?apikey=</c>), or null.</summary>
    public static string? Secret(HttpRequest request)
    {
        if (request.Headers.Authorization is [{ } header, ..] && header.IndexOf(' ', StringComparison.Ordinal) is > 0 and var space)
        {
            var scheme = header.AsSpan(0, space);
            var value = header.AsSpan(space + 1).Trim();
            if (scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase) || scheme.Equals("ApiKey", StringComparison.OrdinalIgnoreCase))
                return value.Length is > 0 and <= LongestSecret ? value.ToString() : null;
            if (scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase))
                return BasicPassword(value);
        }

        return request.Query["apikey"] is [{ Length: > 0 and <= LongestSecret } key] ? key : null;
    }

    /// <summary>
    /// Told after a committed change of a key, a membership, a password or an account: from here on every request is
    /// judged anew. Other nodes notice within <see cref="CallerCache.Lifetime"/>.
    /// </summary>
    public void Forget()
    {
        cache.Clear();
        Forgotten?.Invoke();
    }

    /// <summary>The caller whose session's token or key this is; <see cref="Caller.Anonymous"/> when it is none, or no longer.</summary>
    public ValueTask<Caller> OfTokenAsync(string token, CancellationToken cancellation) =>
        token.Length is > 0 and <= LongestSecret ? OfSecretAsync(token, cancellation) : ValueTask.FromResult(Caller.Anonymous);

    /// <summary>
    /// A person who has proved himself in another way than by a secret (an SSH key), or for whom something is done later:
    /// as he stands now. <see cref="Caller.Anonymous"/> when there is no such account, or no longer.
    /// </summary>
    public async Task<Caller> OfAccountAsync(long account, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT actor_id FROM account WHERE id = @p0", account);
        return await command.ExecuteScalarAsync(cancellation) is long actor ? await UserAsync(connection, actor, account, [], default, cancellation) : Caller.Anonymous;
    }

    internal async ValueTask<Caller> OfSecretAsync(string secret, CancellationToken cancellation)
    {
        var hash = ApiKeys.Hash(secret);
        if (cache.Find(hash) is { } cached)
            return cached;
        var ticket = cache.Ticket;
        var (caller, until) = secret.Count(c => c == '.') == 2 ? await OfSessionAsync(secret, cancellation) : await OfKeyAsync(hash, cancellation);
        if (caller.Kind != CallerKind.Anonymous)
            cache.Keep(hash, caller, until, ticket);
        return caller;
    }

    private static string? BasicPassword(ReadOnlySpan<char> encoded)
    {
        if (encoded.Length > LongestSecret || !Base64.IsValid(encoded))
            return null;
        var text = Encoding.UTF8.GetString(Convert.FromBase64String(encoded.ToString()));
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon >= 0 && colon < text.Length - 1 ? text[(colon + 1)..] : null;
    }

    private async Task<(Caller Caller, long? Until)> OfSessionAsync(string token, CancellationToken cancellation)
    {
        if (await sessions.FindAsync(token, cancellation) is not { } session)
            return (Caller.Anonymous, null);
        await using var connection = await database.OpenReadAsync(cancellation);
        return (await UserAsync(connection, session.ActorId, session.AccountId, [], new(CredentialKind.Session, session.Id), cancellation), session.ExpiresAt);
    }

    private async Task<(Caller Caller, long? Until)> OfKeyAsync(byte[] hash, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            """
            SELECT k.key_hash, k.roles, k.expiry_date, k.actor_id, a.id, f.id, d.id, k.id FROM api_key k
            LEFT JOIN account a ON a.actor_id = k.actor_id LEFT JOIN fleet f ON f.actor_id = k.actor_id LEFT JOIN device d ON d.actor_id = k.actor_id
            WHERE k.key_hash = @p0
            """, hash);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        if (!await reader.ReadAsync(cancellation) || !CryptographicOperations.FixedTimeEquals((byte[])reader.GetValue(0), hash))
            return (Caller.Anonymous, null);
        ImmutableArray<string> roles = [.. reader.GetString(1).Split(' ', StringSplitOptions.RemoveEmptyEntries)];
        long? until = reader.IsDBNull(2) ? null : reader.GetInt64(2);
        if (until <= time.GetUtcNow().ToUnixTimeMilliseconds())
            return (Caller.Anonymous, null);
        var actor = reader.GetInt64(3);
        var credential = new Credential(CredentialKind.Key, reader.GetInt64(7));
        if (!reader.IsDBNull(4))
        {
            var account = reader.GetInt64(4);
            await reader.DisposeAsync();
            return (await UserAsync(connection, actor, account, roles, credential, cancellation), until);
        }

        var none = ImmutableDictionary<long, Role>.Empty;
        if (!reader.IsDBNull(5))
            return (new Caller(CallerKind.Fleet, actor, reader.GetInt64(5), roles, none) { Credential = credential }, until);
        if (!reader.IsDBNull(6))
            return (new Caller(CallerKind.Device, actor, reader.GetInt64(6), roles, none) { Credential = credential }, until);
        // A key whose person, fleet or device is gone is nobody's.
        return roles.Contains(AccessRule.TunnelService) ? (new Caller(CallerKind.Service, actor, 0, roles, none) { Credential = credential }, until) : (Caller.Anonymous, null);
    }

    private static async Task<Caller> UserAsync(DbConnection connection, long actor, long account, ImmutableArray<string> keyRoles, Credential credential, CancellationToken cancellation)
    {
        await using var command = connection.Statement(
            """
            SELECT a.is_server_admin, m.organization_id, m.role FROM account a
            LEFT JOIN organization_membership m ON m.account_id = a.id WHERE a.id = @p0
            """, account);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var admin = false;
        var isThere = false;
        var memberships = ImmutableDictionary.CreateBuilder<long, Role>();
        while (await reader.ReadAsync(cancellation))
        {
            isThere = true;
            admin = reader.GetInt32(0) != 0;
            if (!reader.IsDBNull(1))
                memberships[reader.GetInt64(1)] = RoleWords.Parse(reader.GetString(2)) ?? Role.Observer;
        }

        if (!isThere)
            return Caller.Anonymous;
        return new Caller(CallerKind.User, actor, account, keyRoles, memberships.ToImmutable(), admin) { Credential = credential };
    }
}
