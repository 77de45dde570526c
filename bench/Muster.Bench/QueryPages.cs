using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using Muster.Core.Access;
using Muster.Core.Query;
using Muster.Storage;
using Muster.Storage.Migrations;
using Muster.Storage.Postgres;
using Muster.Storage.Resources;
using Muster.Storage.Sqlite;

namespace Muster.Bench;

/// <summary>
/// <c>queries --devices N [--database "Host=…"] [--explain]</c>: device pages and counts, as an SDK asks for them, from
/// parsing the URL to the last byte read. Half of the devices stand in one fleet, the rest in 99.
/// </summary>
internal static class QueryPages
{
    private static readonly ReadScope Member = new(ReadScopeKind.Memberships, 1, 1);

    private static readonly (string Name, string Url)[] Questions =
    [
        ("page, big fleet, by status, running release", "device?$select=id,uuid,device_name,overall_status&$top=50&$filter=belongs_to__application eq 1 and overall_status eq 'operational'&$expand=is_running__release($select=id,commit;$expand=belongs_to__application($select=slug))"),
        ("the same by name", "device?$select=id,uuid,device_name,overall_status&$top=50&$orderby=device_name asc&$filter=belongs_to__application eq 1 and overall_status eq 'disconnected'&$expand=is_running__release($select=id,commit)"),
        ("the same, all fields", "device?$top=50&$orderby=device_name asc&$filter=belongs_to__application eq 1 and overall_status eq 'operational'&$expand=is_running__release($select=id,commit),device_tag($select=tag_key,value)"),
        ("the same, tenth page", "device?$select=id,uuid,device_name&$top=50&$skip=450&$orderby=device_name asc&$filter=belongs_to__application eq 1 and overall_status eq 'operational'&$expand=is_running__release($select=id,commit)"),
        ("page, all fleets, by name", "device?$select=id,uuid,device_name&$top=50&$orderby=device_name asc&$expand=is_running__release($select=id,commit)"),
        ("page, all fleets, by status", "device?$select=id,uuid,device_name&$top=50&$filter=overall_status eq 'disconnected'&$expand=is_running__release($select=id,commit)"),
        ("one device by uuid", "device(uuid='{uuid}')?$select=id,device_name,overall_status&$expand=belongs_to__application($select=slug),is_running__release($select=commit)"),
        ("devices by uuid prefix", "device?$filter=startswith(uuid,'{prefix}')&$select=uuid"),
        ("fleets with device counts", "application?$select=id,slug&$expand=owns__device/$count($filter=overall_status eq 'operational')"),
        ("count, fleet and status", "device/$count?$filter=belongs_to__application eq 1 and overall_status eq 'operational'"),
        ("count, status", "device/$count?$filter=overall_status eq 'operational'"),
        ("count, fleet and heartbeat", "device/$count?$filter=belongs_to__application eq 1 and api_heartbeat_state ne 'online'"),
        ("count, all", "device/$count"),
    ];

    public static async Task RunAsync(string[] args)
    {
        var devices = Option(args, "--devices") is { } n ? int.Parse(n, CultureInfo.InvariantCulture) : 100_000;
        var directory = Directory.CreateTempSubdirectory("muster-queries-");
        await using Database database = Option(args, "--database") is { } connection ? new PostgresDatabase(connection) : new SqliteDatabase(System.IO.Path.Combine(directory.FullName, "muster.db"));
        Migrator.Migrate(database);
        var watch = Stopwatch.StartNew();
        var uuid = await FillAsync(database, devices);
        Console.WriteLine($"{database.Dialect.Name}, {devices:N0} devices, filled in {watch.Elapsed.TotalSeconds:F0} s");
        foreach (var (name, url) in Questions)
        {
            var asked = url.Replace("{uuid}", uuid, StringComparison.Ordinal).Replace("{prefix}", uuid[..7], StringComparison.Ordinal);
            if (args.Contains("--explain"))
                await ExplainAsync(database, asked);
            var times = new List<double>();
            long bytes = 0;
            for (var i = 0; i < 220; i++)
            {
                watch.Restart();
                bytes = await AskAsync(database, asked);
                if (i >= 20)
                    times.Add(watch.Elapsed.TotalMilliseconds);
            }

            times.Sort();
            Console.WriteLine($"{name,-46} p50 {times[times.Count / 2],7:F2} ms   p99 {times[times.Count * 99 / 100],7:F2} ms   {bytes,7:N0} bytes");
        }

        directory.Delete(recursive: true);
    }

    private static SqlStatement Compile(Database database, string url)
    {
        var question = url.IndexOf('?', StringComparison.Ordinal);
        var query = QueryParser.Parse(question < 0 ? url : url[..question], question < 0 ? "" : url[(question + 1)..]);
        var compiler = new QueryCompiler(ResourceModel.Version7, database.Dialect, Member, 0);
        return query.IsCount ? compiler.Count(query) : compiler.Rows(query);
    }

    private static async Task<long> AskAsync(Database database, string url)
    {
        var statement = Compile(database, url);
        await using var connection = await database.OpenReadAsync();
        await using var command = statement.On(connection);
        await using var rows = await command.ExecuteReaderAsync();
        long bytes = 0;
        while (await rows.ReadAsync())
            bytes += rows.GetFieldType(0) == typeof(long) ? sizeof(long) : rows.GetFieldValue<byte[]>(0).Length;
        return bytes;
    }

    private static async Task ExplainAsync(Database database, string url)
    {
        var statement = Compile(database, url);
        await using var connection = await database.OpenReadAsync();
        await using var command = (statement with { Text = (database is PostgresDatabase ? "EXPLAIN (ANALYZE, BUFFERS) " : "EXPLAIN QUERY PLAN ") + statement.Text }).On(connection);
        await using var rows = await command.ExecuteReaderAsync();
        Console.WriteLine(statement.Text);
        while (await rows.ReadAsync())
            Console.WriteLine("    " + rows.GetValue(rows.FieldCount - 1));
    }

    private static async Task<string> FillAsync(Database database, int devices)
    {
        var isPostgres = database is PostgresDatabase;
        var uuid = isPostgres ? "md5(i::text)" : "lower(hex(randomblob(16)))";
        string[] statements =
        [
            "INSERT INTO actor (id, kind) VALUES (1, 'user')",
            "INSERT INTO account (id, actor_id, username, email, token_secret, created_at, modified_at) VALUES (1, 1, 'a', 'a', 's', 0, 0)",
            "INSERT INTO organization (id, name, handle, created_at, modified_at) VALUES (1, 'One', 'one', 0, 0), (2, 'Two', 'two', 0, 0)",
            "INSERT INTO organization_membership (organization_id, account_id, role, created_at, modified_at) VALUES (1, 1, 'administrator', 0, 0)",
            "INSERT INTO cpu_architecture (id, slug, created_at, modified_at) VALUES (1, 'aarch64', 0, 0)",
            "INSERT INTO device_type (id, slug, name, cpu_architecture_id, created_at, modified_at) VALUES (1, 'pi', 'Pi', 1, 0, 0)",
            "INSERT INTO fleet_type (id, slug, name, created_at, modified_at) VALUES (1, 's', 'S', 0, 0)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO actor (id, kind) SELECT 1 + i, 'fleet' FROM n",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO fleet (id, actor_id, uuid, name, slug, organization_id, device_type_id, fleet_type_id, created_at, modified_at) SELECT i, 1 + i, 'f' || i, 'fleet' || i, 'one/fleet' || i, CASE WHEN i % 2 = 1 THEN 1 ELSE 2 END, 1, 1, 0, 0 FROM n",
            "INSERT INTO release (fleet_id, \"commit\", status, start_timestamp, update_timestamp, created_at, modified_at) SELECT id, 'c' || id, 'success', 0, 0, 0, 0 FROM fleet",
            "UPDATE fleet SET target_release_id = (SELECT r.id FROM release r WHERE r.fleet_id = fleet.id)",
            $"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {devices}) INSERT INTO actor (id, kind) SELECT 1000 + i, 'device' FROM n",
            $"""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {devices})
            INSERT INTO device (id, actor_id, uuid, name, fleet_id, device_type_id, is_active, overall_status, heartbeat, cloudlink_connected, running_release_id, update_status, created_at, modified_at)
            SELECT i, 1000 + i, {uuid}, 'device-' || ((i * 7919) % {devices}), CASE WHEN i % 2 = 0 THEN 1 ELSE 2 + (i / 2) % 99 END, 1, 1,
                CASE WHEN i % 20 < 12 THEN 'operational' WHEN i % 20 < 15 THEN 'disconnected' WHEN i % 20 < 18 THEN 'reduced-functionality' ELSE 'updating' END,
                CASE WHEN i % 20 < 12 THEN 'online' ELSE 'offline' END, CASE WHEN i % 20 < 12 THEN 1 ELSE 0 END, (SELECT min(r.id) FROM release r), 'done', 0, 0 FROM n
            """,
            $"INSERT INTO device_tag (device_id, tag_key, value, created_at, modified_at) SELECT id, 'site', 'oslo', 0, 0 FROM device WHERE id % 10 = 0",
        ];
        foreach (var statement in statements)
        {
            await database.WriteAsync(async write =>
            {
                await using var command = write.Command(statement);
                command.CommandTimeout = 600;
                await command.ExecuteNonQueryAsync();
            });
        }

        await using var connection = await database.OpenReadAsync();
        if (isPostgres)
            await DoAsync(connection, "VACUUM ANALYZE");
        await using var sample = connection.Statement("SELECT uuid FROM device WHERE id = 4");
        return (string)(await sample.ExecuteScalarAsync())!;
    }

    private static async Task DoAsync(DbConnection connection, string sql)
    {
        await using var command = connection.Statement(sql);
        command.CommandTimeout = 600;
        await command.ExecuteNonQueryAsync();
    }

    private static string? Option(string[] args, string name) => Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : null;
}
