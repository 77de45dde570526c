using System.Security.Cryptography;
using Muster.Server.Hosting;
using Muster.Server.Resources.Catalog;
using Muster.Storage;

namespace Muster.Server.Resources.Accounts;

/// <summary>
/// What must be there before anybody calls: hardware and fleet types (each start adds what a newer Muster knows), and on
/// the very first start an administrator with an organization.
/// </summary>
internal sealed class FirstStart(Database database, People people, TimeProvider time, IConfiguration configuration, DataDirectory data) : IHostedLifecycleService
{
    private const string Done = "first-start";

    /// <summary>Before any capability starts.</summary>
    public Task StartingAsync(CancellationToken cancellationToken) => RunAsync();

    public async Task RunAsync()
    {
        var password = configuration["Admin:Password"] is { Length: > 0 } given ? given : null;
        var email = configuration["Admin:Email"] is { Length: > 0 } address ? address : "admin@muster.local";
        if (password is { Length: < People.ShortestPassword })
            throw new SettingException($"Admin__Password has at least {People.ShortestPassword} characters.");
        var generated = password is null ? RandomNumberGenerator.GetString("abcdefghjkmnpqrstuvwxyz23456789", 16) : null;
        var first = await database.WriteAsync(async write =>
        {
            await CatalogueAsync(write);
            // The row is the lock: of two nodes that start at once, one makes the account.
            if (await DoAsync(write, "INSERT INTO setting (name, value) VALUES (@p0, @p1) ON CONFLICT (name) DO NOTHING", Done, email) == 0)
                return false;
            // Account 1 is nobody's: a token forged for the id that is guessed first names no account.
            await DoAsync(write, "INSERT INTO actor (kind) VALUES ('user')");
            await DoAsync(write, "INSERT INTO account (actor_id, username, email, token_secret, created_at, modified_at) SELECT max(id), '', '', '', 0, 0 FROM actor");
            await DoAsync(write, "DELETE FROM account WHERE username = ''");
            var username = People.UsernameOf(email);
            var (account, _) = await people.AddUserAsync(write, email, username, password ?? generated!, isServerAdmin: true);
            await people.AddOrganizationAsync(write, username, username, account);
            return true;
        });
        if (first && generated is not null)
            Show(email, generated);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // To the terminal and to a file that only the owner reads; never to the log.
    private void Show(string email, string password)
    {
        data.WriteSecret("first-login.txt", $"{email}\n{password}\n");
        Console.WriteLine($"First log-in: {email} with password {password} (kept in {data.File("first-login.txt")}; change it and delete the file)");
    }

    private async Task CatalogueAsync(WriteScope write)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var architecture in DeviceTypes.Architectures)
            await DoAsync(write, "INSERT INTO cpu_architecture (slug, created_at, modified_at) VALUES (@p0, @p1, @p1) ON CONFLICT (slug) DO NOTHING", architecture, now);
        foreach (var type in DeviceTypes.All)
        {
            await DoAsync(write,
                """
                INSERT INTO device_type (slug, name, cpu_architecture_id, contract, created_at, modified_at)
                SELECT @p0, @p1, id, @p3, @p4, @p4 FROM cpu_architecture WHERE slug = @p2
                ON CONFLICT (slug) DO UPDATE SET contract = excluded.contract, modified_at = excluded.modified_at WHERE device_type.contract IS NULL
                """, type.Slug, type.Name, type.Architecture, type.Contract, now);
            foreach (var alias in type.Aliases.Prepend(type.Slug))
            {
                await DoAsync(write,
                    """
                    INSERT INTO device_type_alias (device_type_id, alias, created_at, modified_at)
                    SELECT id, @p1, @p2, @p2 FROM device_type WHERE slug = @p0 ON CONFLICT (alias) DO NOTHING
                    """, type.Slug, alias, now);
            }
        }

        foreach (var type in FleetTypes.All)
        {
            await DoAsync(write,
                """
                INSERT INTO fleet_type (slug, name, description, needs_paid_plan, requires_payment, supports_multicontainer, is_legacy, created_at, modified_at)
                VALUES (@p0, @p1, @p2, @p3, @p3, @p4, @p5, @p6, @p6) ON CONFLICT (slug) DO NOTHING
                """, type.Slug, type.Name, type.Description, type.NeedsPaidPlan, type.Multicontainer, type.IsLegacy, now);
        }
    }

    private static async Task<int> DoAsync(WriteScope write, string sql, params object?[] parameters)
    {
        await using var command = write.Command(sql, parameters);
        return await command.ExecuteNonQueryAsync();
    }
}
