using System.Diagnostics;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Muster.Core.Status;
using Muster.Server.Presence;
using Muster.Storage;
using Muster.Storage.Migrations;
using Muster.Storage.Postgres;
using Muster.Storage.Sqlite;

namespace Muster.Bench.Presence;

/// <summary>
/// <c>presence --devices N [--seconds S] [--clients C] [--database "Host=…"]</c>: time and memory to load a fleet, and
/// durable state reports through <see cref="FleetPresence.ReportAsync"/>, without HTTP.
/// </summary>
internal static class PresenceLoad
{
    public static async Task RunAsync(string[] args)
    {
        var devices = Number(args, "--devices", 100_000);
        var seconds = Number(args, "--seconds", 10);
        var clients = Number(args, "--clients", 256);
        var directory = Directory.CreateDirectory(Option(args, "--directory") ?? Path.Combine(Path.GetTempPath(), $"muster-presence-{Environment.ProcessId}"));
        await using Database database = Option(args, "--database") is { } connection ? new PostgresDatabase(connection) : new SqliteDatabase(Path.Combine(directory.FullName, "muster.db"));
        Migrator.Migrate(database);
        var watch = Stopwatch.StartNew();
        await FillAsync(database, devices);
        Console.WriteLine($"{database.Dialect.Name}, {devices:N0} devices, filled in {watch.Elapsed.TotalSeconds:F0} s");

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(database);
        builder.AddPresence();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var app = builder.Build();
        watch.Restart();
        await app.StartAsync();
        var presence = app.Services.GetRequiredService<FleetPresence>();
        while (!presence.IsReady)
            await Task.Delay(20);
        Console.WriteLine($"ready after {watch.Elapsed.TotalSeconds:F1} s, {Environment.WorkingSet / 1048576.0:N0} MB resident, {GC.GetTotalMemory(false) / 1048576.0:N0} MB managed");

        await ReportsAsync(presence, devices, TimeSpan.FromSeconds(2), clients, silent: true);
        await ReportsAsync(presence, devices, TimeSpan.FromSeconds(seconds), clients, silent: false);
        Console.WriteLine($"{Environment.WorkingSet / 1048576.0:N0} MB resident after the load");
        await app.StopAsync();
        if (Option(args, "--directory") is null)
            directory.Delete(recursive: true);
    }

    /// <summary>Each client reports for random devices, one report after the other, each with changed metrics and now and then a changed status.</summary>
    private static async Task ReportsAsync(FleetPresence presence, int devices, TimeSpan span, int clients, bool silent)
    {
        var processor = Process.GetCurrentProcess().TotalProcessorTime;
        var began = Stopwatch.GetTimestamp();
        var times = await Task.WhenAll(Enumerable.Range(0, clients).Select(client => Task.Run(() => ClientAsync(presence, devices, began, span, client))));
        var elapsed = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var all = times.SelectMany(t => t).Order().ToList();
        processor = Process.GetCurrentProcess().TotalProcessorTime - processor;
        if (!silent)
            Console.WriteLine($"{all.Count / elapsed:N0} reports/s durable, {clients} clients: p50 {all[all.Count / 2]:F1} ms, p99 {all[all.Count * 99 / 100]:F1} ms, {processor.TotalMicroseconds / all.Count:F0} µs CPU each");
    }

    private static async Task<List<double>> ClientAsync(FleetPresence presence, int devices, long began, TimeSpan span, int client)
    {
        var random = new Random(client);
        var times = new List<double>();
        while (Stopwatch.GetElapsedTime(began) < span)
        {
            var i = 1 + random.Next(devices);
            if (!presence.TryFind(Uuid(i), out var slot))
                throw new InvalidOperationException("The device is not known.");
            var report = new StateReport { CpuUsage = random.Next(100), MemoryUsage = random.Next(4096), UpdateStatus = random.Next(4) == 0 ? UpdateStatus.Downloading : UpdateStatus.Done };
            var sent = Stopwatch.GetTimestamp();
            await presence.ReportAsync(slot, report, CancellationToken.None);
            times.Add(Stopwatch.GetElapsedTime(sent).TotalMilliseconds);
        }

        return times;
    }

    private static string Uuid(int i) => i.ToString("d32", CultureInfo.InvariantCulture);

    private static async Task FillAsync(Database database, int devices)
    {
        var isPostgres = database is PostgresDatabase;
        var uuid = isPostgres ? "lpad(i::text, 32, '0')" : "printf('%032d', i)";
        var hash = isPostgres ? "sha256(i::text::bytea)" : "randomblob(32)";
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        foreach (var statement in (string[])
        [
            "INSERT INTO organization (id, name, handle, created_at, modified_at) VALUES (1, 'One', 'one', 0, 0)",
            "INSERT INTO cpu_architecture (id, slug, created_at, modified_at) VALUES (1, 'bench', 0, 0)",
            "INSERT INTO device_type (id, slug, name, cpu_architecture_id, created_at, modified_at) VALUES (1, 'bench', 'Bench', 1, 0, 0)",
            "INSERT INTO fleet_type (id, slug, name, created_at, modified_at) VALUES (1, 'bench', 'Bench', 0, 0)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) INSERT INTO actor (id, kind) SELECT i, 'fleet' FROM n",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) INSERT INTO fleet (id, actor_id, uuid, name, slug, organization_id, device_type_id, fleet_type_id, created_at, modified_at) SELECT i, i, 'f' || i, 'f' || i, 'one/f' || i, 1, 1, 1, 0, 0 FROM n",
            "INSERT INTO release (id, fleet_id, \"commit\", status, start_timestamp, update_timestamp, created_at, modified_at) SELECT id, id, 'c' || id, 'success', 0, 0, 0, 0 FROM fleet",
            "UPDATE fleet SET target_release_id = id",
            "INSERT INTO service (id, fleet_id, service_name, created_at, modified_at) SELECT id, id, 'main', 0, 0 FROM fleet",
            "INSERT INTO image (id, service_id, location, status, start_timestamp, created_at, modified_at) SELECT id, id, 'registry/v2/' || id, 'success', 0, 0, 0 FROM service",
            $"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {devices}) INSERT INTO actor (id, kind) SELECT 1000 + i, 'device' FROM n",
            $"""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {devices})
            INSERT INTO device (id, actor_id, uuid, name, fleet_id, device_type_id, is_active, activated_at, overall_status, status_reason, status_since, heartbeat, heartbeat_changed_at, running_release_id, update_status, update_status_changed_at,
                status, os_version, os_variant, supervisor_version, ip_address, mac_address, api_port, api_secret, memory_usage, memory_total, storage_usage, storage_total, cpu_usage, cpu_temp, created_at, modified_at)
            SELECT i, 1000 + i, {uuid}, 'device-' || i, 1 + i % 20, 1, 1, {now}, 'reduced-functionality', 'cloudlink-missing', {now}, 'online', {now}, 1 + i % 20, 'done', {now},
                'Idle', 'balenaOS 6.5.39', 'prod', '19.0.5', '10.1.' || (i / 250) || '.' || (i % 250), '02:00:00:' || i, 48484, 'secret-' || {uuid}, 500, 2000, 3000, 16000, 10, 45, 0, 0 FROM n
            """,
            "INSERT INTO api_key (actor_id, key_hash, roles, created_at, modified_at) SELECT actor_id, " + hash.Replace("i::", "id::", StringComparison.Ordinal) + ", 'device-api-key', 0, 0 FROM device",
            "INSERT INTO image_install (device_id, image_id, release_id, status, install_date, created_at, modified_at) SELECT id, fleet_id, fleet_id, 'Running', 0, 0, 0 FROM device",
            $"INSERT INTO device_contact (device_id, last_poll_at, last_contact_at, observed_poll, observed_contact) SELECT id, {now}, {now}, 1000, 1000 FROM device",
            $"INSERT INTO observer_clock (node, observed, written_at, stopped_in_order) VALUES ('1', 2000, {now}, 1)",
        ])
        {
            await database.WriteAsync(async write =>
            {
                await using var command = write.Command(statement);
                command.CommandTimeout = 1200;
                await command.ExecuteNonQueryAsync();
            });
        }

        if (!isPostgres)
            return;
        await using var connection = await database.OpenReadAsync();
        await using var analyze = connection.Statement("VACUUM ANALYZE");
        analyze.CommandTimeout = 600;
        await analyze.ExecuteNonQueryAsync();
    }

    private static int Number(string[] args, string name, int otherwise) => Option(args, name) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    private static string? Option(string[] args, string name) => Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : null;
}
