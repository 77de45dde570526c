using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Muster.Storage;

namespace Muster.Server.Resources.Accounts;

/// <summary>A session as its token says: whose, proved by which secret of the account, until when (Unix ms).</summary>
public sealed record Session(long AccountId, string TokenSecret, long AuthTime, long ExpiresAt);

/// <summary>
/// Session tokens: JWT, HMAC-SHA-256, with the claims that SDKs read (<c>iat</c>, <c>exp</c>). Each carries the account's
/// token secret, so a changed password ends every session. The signing key is made on first use and kept in the database.
/// </summary>
public sealed class SessionTokens(Database database, TimeProvider time)
{
    /// <summary>A session ends this long after its login, however often its token was refreshed.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(365);

    private const string Setting = "session-signing-key";

    private readonly JsonWebTokenHandler handler = new() { SetDefaultTimesOnTokenCreation = false };
    private volatile SymmetricSecurityKey? key;

    /// <summary>A token for an account.</summary>
    /// <param name="login">The session to go on with, or null for a new login.</param>
    public async Task<string> IssueAsync(long accountId, string tokenSecret, Session? login = null)
    {
        var now = time.GetUtcNow();
        var payload = JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["id"] = accountId,
            ["jwt_secret"] = tokenSecret,
            ["authTime"] = login?.AuthTime ?? now.ToUnixTimeMilliseconds(),
            ["iat"] = now.ToUnixTimeSeconds(),
            ["exp"] = login is null ? (now + Lifetime).ToUnixTimeSeconds() : login.ExpiresAt / 1000,
        });
        return handler.CreateToken(payload, new SigningCredentials(await KeyAsync(), SecurityAlgorithms.HmacSha256));
    }

    /// <summary>What a token of ours says; null when it is none, forged or over.</summary>
    public async Task<Session?> ReadAsync(string token)
    {
        var result = await handler.ValidateTokenAsync(token, new TokenValidationParameters
        {
            IssuerSigningKey = await KeyAsync(),
            ValidAlgorithms = [SecurityAlgorithms.HmacSha256],
            ValidateIssuer = false,
            ValidateAudience = false,
            LifetimeValidator = (_, expires, _, _) => expires > time.GetUtcNow().UtcDateTime,
        });
        if (!result.IsValid || result.SecurityToken is not JsonWebToken jwt)
            return null;
        return jwt.TryGetPayloadValue<long>("id", out var account) && jwt.TryGetPayloadValue<string>("jwt_secret", out var secret) && jwt.TryGetPayloadValue<long>("authTime", out var authTime)
            ? new Session(account, secret, authTime, new DateTimeOffset(jwt.ValidTo, TimeSpan.Zero).ToUnixTimeMilliseconds())
            : null;
    }

    private async ValueTask<SymmetricSecurityKey> KeyAsync()
    {
        if (key is { } known)
            return known;
        var text = await ReadKeyAsync();
        if (text is null)
        {
            var fresh = Convert.ToBase64String(RandomNumberGenerator.GetBytes(64));
            await database.WriteAsync(async write =>
            {
                await using var insert = write.Command("INSERT INTO setting (name, value) VALUES (@p0, @p1) ON CONFLICT (name) DO NOTHING", Setting, fresh);
                await insert.ExecuteNonQueryAsync();
            });
            // Another node may have been first; what stands in the database counts.
            text = await ReadKeyAsync() ?? throw new InvalidOperationException("The signing key of sessions was not kept.");
        }

        return key = new SymmetricSecurityKey(Convert.FromBase64String(text));
    }

    private async Task<string?> ReadKeyAsync()
    {
        await using var connection = await database.OpenReadAsync();
        await using var command = connection.Statement("SELECT value FROM setting WHERE name = @p0", Setting);
        return (string?)await command.ExecuteScalarAsync();
    }
}
