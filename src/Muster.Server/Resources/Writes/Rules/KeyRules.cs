using System.Buffers.Binary;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Muster.Core.Access;

namespace Muster.Server.Resources.Writes.Rules;

/// <summary>API keys can be renamed, given another expiry date and revoked here; they are made elsewhere.</summary>
internal sealed class ApiKeyRule : ResourceRule
{
    /// <summary>A date in the past is taken, as at the creation: the key ends at once.</summary>
    public override async Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        if (!row.Has("expiry_date"))
            return;
        // A key that was given for a time must not give itself more: who holds it may be a thief.
        if (write.Caller.Credential is { Kind: CredentialKind.Key, Id: var own } && ids.Contains(own)
            && await write.NumberAsync("SELECT expiry_date FROM api_key WHERE id = @p0", own) is { } expiry && (row.Number("expiry_date") ?? long.MaxValue) > expiry)
            throw RefusedException.Invalid("\"expiry_date\" of a key cannot be put off with the key itself; log in.");
        await EndsAsync(write, ids);
    }

    public override Task RemovingAsync(Write write, IReadOnlyList<long> ids) => EndsAsync(write, ids);

    private static async Task EndsAsync(Write write, IReadOnlyList<long> ids)
    {
        write.After.Callers = true;
        write.After.KeysOf.UnionWith(await write.RowsOfAsync(ids, "SELECT d.id FROM api_key k JOIN device d ON d.actor_id = k.actor_id WHERE k.id IN ({ids})", r => r.GetInt64(0)));
    }
}

/// <summary>A person's SSH keys.</summary>
internal sealed partial class PublicKeyRule : ResourceRule
{
    /// <summary>An RSA key of 16,384 bits has less than 3,000 characters.</summary>
    private const int LongestKey = 8_000;

    public override Task CreatingAsync(Write write, RowValues row) => CheckAsync(row);

    public override Task CreatedAsync(Write write, RowValues row, long id) => BoundAsync(write, [id], OwnerBounds.MostPublicKeys);

    public override Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        write.After.Callers = true;
        return CheckAsync(row);
    }

    public override Task RemovingAsync(Write write, IReadOnlyList<long> ids)
    {
        write.After.Callers = true;
        return Task.CompletedTask;
    }

    private static Task CheckAsync(RowValues row)
    {
        if (row.Text("public_key") is { } key)
        {
            row["public_key"] = key.Trim();
            if (!IsKey(key.Trim()))
                throw RefusedException.Invalid("public_key is no SSH public key: it is one line, such as 'ssh-ed25519 AAAA… you@laptop'.");
        }

        return Task.CompletedTask;
    }

    /// <summary>One line, because SSH servers read keys line by line; and a key, which begins with its own type, and no options before it.</summary>
    private static bool IsKey(string line)
    {
        if (line.Length > LongestKey || !Line().IsMatch(line) || line.Split(' ', 3, StringSplitOptions.RemoveEmptyEntries) is not [var type, var encoded, ..])
            return false;
        var key = new byte[encoded.Length];
        return Convert.TryFromBase64String(encoded, key, out var length) && length > sizeof(int)
            && BinaryPrimitives.ReadInt32BigEndian(key) == type.Length && length > sizeof(int) + type.Length
            && Encoding.ASCII.GetString(key, sizeof(int), type.Length) == type;
    }

    [GeneratedRegex(@"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) +[A-Za-z0-9+/]+={0,3}( [^\x00-\x1f]*)?\z", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Line();
}

/// <summary>External tunnel servers announce themselves and say every so often that they live.</summary>
internal sealed class ServiceInstanceRule : ResourceRule
{
    public override Task CreatingAsync(Write write, RowValues row)
    {
        if (!IPAddress.TryParse(row.Text("ip_address"), out _))
            throw RefusedException.Invalid("Invalid ip address");
        row["last_heartbeat"] = write.Now;
        return Task.CompletedTask;
    }

    public override Task CreatedAsync(Write write, RowValues row, long id)
    {
        write.After.ServiceInstances.Add(id);
        return Task.CompletedTask;
    }

    public override Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        row["last_heartbeat"] = write.Now;
        return Task.CompletedTask;
    }

    public override Task ChangedAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        write.After.ServiceInstances.UnionWith(ids);
        return Task.CompletedTask;
    }
}
