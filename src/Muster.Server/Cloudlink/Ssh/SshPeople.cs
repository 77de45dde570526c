using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Muster.Storage;

namespace Muster.Server.Cloudlink.Ssh;

/// <summary>A person's public key.</summary>
internal sealed record SshKeyOwner(long Account, long KeyId, string Username, string Key);

/// <summary>
/// Everybody with a public key, in the files that the SSH server reads: it knows no accounts but Muster's, and each key runs
/// one command only, which names whose it is. This class is the only writer of the files.
/// </summary>
internal sealed partial class SshPeople(Database database, SshFiles files)
{
    private const int MostKeys = 10_000;

    private string written = "";

    /// <summary>Brings the files up to date.</summary>
    /// <exception cref="DatabaseAwayException">They stay as they were.</exception>
    public async Task FollowAsync(CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            $"SELECT a.id, k.id, a.username, k.public_key FROM public_key k JOIN account a ON a.id = k.account_id ORDER BY a.username, k.id LIMIT {MostKeys}");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<SshKeyOwner> owners = [];
        while (await reader.ReadAsync(cancellation))
            owners.Add(new(reader.GetInt64(0), reader.GetInt64(1), reader.GetString(2), reader.GetString(3)));
        Write(owners);
    }

    /// <summary>The text of a key of the account as it is now; null when it is none of its.</summary>
    public async ValueTask<string?> KeyAsync(long account, long key, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT public_key FROM public_key WHERE id = @p0 AND account_id = @p1", key, account);
        return await command.ExecuteScalarAsync(cancellation) as string;
    }

    /// <summary>The line of a key file; null when the text is no key.</summary>
    public static string? Line(SshKeyOwner owner, string command)
    {
        // Whatever else stands there (options, a comment) is not taken over: an option of a person's own would be obeyed.
        var match = Key().Match(owner.Key.Trim());
        return match.Success
            ? string.Create(CultureInfo.InvariantCulture, $"restrict,pty,command=\"{command} {owner.Account} {owner.KeyId}\" {match.Groups["type"].Value} {match.Groups["blob"].Value}")
            : null;
    }

    private void Write(List<SshKeyOwner> owners)
    {
        var users = new StringBuilder();
        Dictionary<string, StringBuilder> keys = new(StringComparer.Ordinal);
        foreach (var owner in owners)
        {
            if (!FileName().IsMatch(owner.Username) || owner.Username == SshFiles.Separated || Line(owner, files.Command) is not { } line)
                continue;
            if (!keys.TryGetValue(owner.Username, out var file))
            {
                keys[owner.Username] = file = new();
                users.Append(files.UserLine(owner.Username)).Append('\n');
            }

            file.Append(line).Append('\n');
        }

        var now = string.Join('\0', keys.Select(k => $"{k.Key}\0{k.Value}"));
        if (now == written)
            return;
        foreach (var (name, lines) in keys)
            files.Write(Path.Combine(SshFiles.Keys, name), lines.ToString());
        foreach (var gone in files.KeyFiles().Where(name => !keys.ContainsKey(name)))
            files.Remove(Path.Combine(SshFiles.Keys, gone));
        // Last: who is known by then has keys.
        files.Write(SshFiles.Users, files.UserLine(SshFiles.Separated) + "\n" + users);
        written = now;
    }

    [GeneratedRegex(@"^(?<type>ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) +(?<blob>[A-Za-z0-9+/]{20,16000}={0,3})( .*)?$", RegexOptions.ExplicitCapture)]
    private static partial Regex Key();

    [GeneratedRegex(@"^[A-Za-z0-9_][A-Za-z0-9._@+-]{0,69}\z", RegexOptions.NonBacktracking)]
    private static partial Regex FileName();
}
