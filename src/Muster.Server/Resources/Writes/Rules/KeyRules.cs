using System.Net;

namespace Muster.Server.Resources.Writes.Rules;

/// <summary>API keys can be renamed and revoked here; they are made elsewhere.</summary>
internal sealed class ApiKeyRule : ResourceRule
{
    public override async Task RemovingAsync(Write write, IReadOnlyList<long> ids)
    {
        write.After.Callers = true;
        write.After.KeysOf.UnionWith(await write.RowsOfAsync(ids, "SELECT d.id FROM api_key k JOIN device d ON d.actor_id = k.actor_id WHERE k.id IN ({ids})", r => r.GetInt64(0)));
    }
}

/// <summary>A person's SSH keys.</summary>
internal sealed class PublicKeyRule : ResourceRule
{
    public override Task CreatingAsync(Write write, RowValues row) => CheckAsync(row);

    public override Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids) => CheckAsync(row);

    // One line: a device's SSH server reads the keys line by line.
    private static Task CheckAsync(RowValues row)
    {
        if (row.Text("public_key") is { } key)
        {
            row["public_key"] = key.Trim();
            if (key.Trim().Length == 0 || key.Trim().AsSpan().ContainsAny('\n', '\r'))
                throw RefusedException.Invalid("A public key is one line.");
        }

        return Task.CompletedTask;
    }
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
