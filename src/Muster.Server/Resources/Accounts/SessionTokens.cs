using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Muster.Storage;

namespace Muster.Server.Resources.Accounts;

/// <summary>What a session's token says.</summary>
/// <param name="TokenId">Names the session's row; null in tokens from before sessions had rows.</param>
/// <param name="TokenSecret">The account's secret when the token was issued; only tokens without <paramref name="TokenId"/> have it.</param>
/// <param name="AuthTime">When the person logged in, Unix ms.</param>
/// <param name="ExpiresAt">Unix ms.</param>
internal sealed record SessionToken(long AccountId, string? TokenId, string? TokenSecret, long AuthTime, long ExpiresAt);

/// <summary>
/// Session tokens: JWT, HMAC-SHA-256, with the claims that SDKs read (<c>iat</c>, <c>exp</c>). Each names its session
/// (<c>sid</c>), and is good as long as that is. The signing key is made on first use and kept in the database.
/// </summary>
public sealed class SessionTokens(Database database, TimeProvider time)
{
    private const string Setting = "session-signing-key";

    private readonly JsonWebTokenHandler handler = new() { SetDefaultTimesOnTokenCreation = false };
    private volatile SymmetricSecurityKey? key;

    internal async Task<string> IssueAsync(long accountId, string tokenId, long authTime, long expiresAt)
    {
        var payload = JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["id"] = accountId,
            ["sid"] = tokenId,
            ["authTime"] = authTime,
            ["iat"] = time.GetUtcNow().ToUnixTimeSeconds(),
            ["exp"] = expiresAt / 1000,
        });
        return handler.CreateToken(payload, new SigningCredentials(await KeyAsync(), SecurityAlgorithms.HmacSha256));
    }

    /// <summary>What a token of ours says; null when it is none, forged or expired. Whether its session still lives, <see cref="Sessions"/> knows.</summary>
    internal async Task<SessionToken?> ReadAsync(string token)
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
        var id = jwt.TryGetPayloadValue<string>("sid", out var sid) ? sid : null;
        var secret = jwt.TryGetPayloadValue<string>("jwt_secret", out var text) ? text : null;
        return (id ?? secret) is not null && jwt.TryGetPayloadValue<long>("id", out var account) && jwt.TryGetPayloadValue<long>("authTime", out var authTime)
            ? new SessionToken(account, id, secret, authTime, new DateTimeOffset(jwt.ValidTo, TimeSpan.Zero).ToUnixTimeMilliseconds())
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
