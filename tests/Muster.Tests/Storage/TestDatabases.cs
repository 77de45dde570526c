using System.Diagnostics;
using Muster.Storage;
using Muster.Storage.Migrations;
using Muster.Storage.Postgres;
using Muster.Storage.Sqlite;

namespace Muster.Tests.Storage;

/// <summary>
/// Fresh, migrated databases for tests, of both kinds. PostgreSQL is a private server on a Unix socket, started once per
/// test run from Debian's binaries and stopped after; each test gets a database of its own in it.
/// </summary>
public static class TestDatabases
{
    public const string Sqlite = "sqlite";
    public const string Postgres = "postgres";

    private static readonly Lazy<Task<PostgresServer>> Server = new(PostgresServer.StartAsync);
    private static int counter;

    /// <summary>For <c>[Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]</c>.</summary>
    public static TheoryData<string> Kinds => [Sqlite, Postgres];

    /// <summary>An empty database with the newest schema.</summary>
    public static async Task<Database> CreateAsync(string kind)
    {
        var database = await OpenEmptyAsync(kind);
        Migrator.Migrate(database);
        return database;
    }

    /// <summary>The value for <c>--database</c>, or null with a data directory for SQLite.</summary>
    public static async Task<(string? Connection, string DataDirectory)> LocationAsync(string kind)
    {
        var directory = Directory.CreateTempSubdirectory("muster-test-").FullName;
        return kind == Sqlite ? (null, directory) : (await (await Server.Value).CreateDatabaseAsync($"t{Interlocked.Increment(ref counter)}_{Environment.ProcessId}"), directory);
    }

    /// <summary>Stops the run's PostgreSQL, if one was started.</summary>
    internal static async Task StopAsync()
    {
        if (Server.IsValueCreated)
            await (await Server.Value).StopServerAsync();
    }

    private static async Task<Database> OpenEmptyAsync(string kind)
    {
        var (connection, directory) = await LocationAsync(kind);
        return connection is null ? new SqliteDatabase(Path.Combine(directory, "muster.db")) : new PostgresDatabase(connection);
    }
}

/// <summary>A PostgreSQL server of the test run's own. As root it runs as the user "postgres", which PostgreSQL insists on.</summary>
public sealed class PostgresServer
{
    private readonly string directory;
    private readonly string binaries;

    private PostgresServer(string directory, string binaries)
    {
        this.directory = directory;
        this.binaries = binaries;
    }

    public static async Task<PostgresServer> StartAsync()
    {
        var binaries = Directory.GetDirectories("/usr/lib/postgresql").OrderDescending(StringComparer.Ordinal).Select(d => Path.Combine(d, "bin")).First(d => File.Exists(Path.Combine(d, "initdb")));
        var directory = Path.Combine("/tmp", $"muster-pg-{Guid.NewGuid():N}"[..24]);
        Directory.CreateDirectory(directory);
        if (Environment.UserName == "root")
            await RunAsync("chown", "postgres", directory);
        var server = new PostgresServer(directory, binaries);
        RunGuard.RemoveWithRun(directory);
        await server.PostgresAsync("initdb", "-D", $"{directory}/data", "-A", "trust", "-U", "postgres", "--no-sync");
        await server.StartServerAsync();
        return server;
    }

    public async Task StartServerAsync()
    {
        await PostgresAsync("pg_ctl", "-D", $"{directory}/data", "-w", "-t", "300", "-l", $"{directory}/log", "-o", $"-k {directory} -c listen_addresses='' -c max_connections=300 -c fsync=off", "start");
        RunGuard.EndWithRun(Postmaster());
    }

    /// <summary>Stops at once, as a crash would.</summary>
    public async Task StopServerAsync()
    {
        var postmaster = Postmaster();
        await PostgresAsync("pg_ctl", "-D", $"{directory}/data", "-m", "immediate", "-w", "-t", "300", "stop");
        RunGuard.Ended(postmaster);
    }

    private int Postmaster() => int.Parse(File.ReadLines($"{directory}/data/postmaster.pid").First(), System.Globalization.CultureInfo.InvariantCulture);

    public async Task<string> CreateDatabaseAsync(string name)
    {
        await PostgresAsync("createdb", "-h", directory, "-U", "postgres", name);
        return $"Host={directory};Username=postgres;Database={name};Maximum Pool Size=20";
    }

    private Task PostgresAsync(string program, params string[] arguments) =>
        Environment.UserName == "root"
            ? RunAsync("setpriv", ["--reuid=postgres", "--regid=postgres", "--init-groups", Path.Combine(binaries, program), .. arguments])
            : RunAsync(Path.Combine(binaries, program), arguments);

    private static async Task RunAsync(string program, params string[] arguments)
    {
        // Output goes nowhere: a server that inherits a pipe would keep it open for ever.
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = "/tmp" };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("exec \"$0\" \"$@\" >/dev/null 2>&1 </dev/null");
        start.ArgumentList.Add(program);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start");
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: exit code {process.ExitCode}");
    }
}
