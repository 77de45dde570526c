using System.Security.Cryptography;
using System.Text;
using Muster.Storage;

namespace Muster.Server.Resources.Accounts;

/// <summary>Makes API keys. Only the hash is kept: the key itself is shown once, to whom it is made for.</summary>
public sealed class ApiKeys(TimeProvider time)
{
    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    /// <summary>32 letters and digits, 190 random bits: the form SDKs expect.</summary>
    public static string Generate() => RandomNumberGenerator.GetString(Letters, 32);

    /// <summary>What is kept of a key. A key has 128 random bits or more, so a fast hash is enough.</summary>
    public static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    /// <summary>Adds a key to an actor, inside the caller's transaction. Returns the key's row id.</summary>
    /// <param name="roles">Space separated roles of the key.</param>
    /// <param name="expiryDate">Unix ms, or null for never.</param>
    public async Task<long> AddAsync(WriteScope write, long actorId, string key, string roles, string? name = null, string? description = null, long? expiryDate = null)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        await using var command = write.Command(
            """
            INSERT INTO api_key (actor_id, key_hash, roles, name, description, expiry_date, created_at, modified_at)
            VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p6) RETURNING id
            """, actorId, Hash(key), roles, name, description, expiryDate, now);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
