using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using Muster.Storage;
using Muster.Storage.Postgres;
using Muster.Storage.Sqlite;
using Muster.Tests;
using Muster.Tests.Storage;

namespace Muster.EndToEnd.Tests;

/// <summary>The built executable as a process of its own, on one database over as many starts as a test makes.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    public const string Email = "admin@muster.test";
    public const string Password = "correct horse 7";

    private const int KeptLines = 400;
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(5);
    private static readonly string Executable = Path.Combine(AppContext.BaseDirectory, "muster");

    private readonly string? connection;
    private readonly string directory;
    private readonly string[] settings;
    private readonly string? space;
    private readonly ConcurrentQueue<string> output = new();
    private Process? process;

    private ServerProcess(string? connection, string directory, string[] settings, string? space = null)
    {
        this.space = space;
        this.connection = connection;
        this.directory = directory;
        this.settings = settings;
    }

    /// <summary>Where the server listens; the same after a restart.</summary>
    public Uri Address { get; private set; } = new("http://127.0.0.1:0");

    /// <summary>Further addresses to listen on.</summary>
    public string[] Urls { get; private init; } = [];

    public int Id => process!.Id;

    /// <summary>The last lines the process printed.</summary>
    public string Output => string.Join('\n', output);

    /// <summary>The most memory the process ever held, in bytes (VmHWM).</summary>
    public long PeakMemory => long.Parse(
        File.ReadLines($"/proc/{Id}/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture) * 1024;

    /// <summary>Starts a server on an empty database.</summary>
    /// <param name="kind">One of <see cref="TestDatabases.Kinds"/>.</param>
    /// <param name="settings">Further settings, as <c>--Key=value</c>.</param>
    public static async Task<ServerProcess> StartAsync(string kind, params string[] settings)
    {
        var (connection, directory) = await TestDatabases.LocationAsync(kind);
        return await StartAsync(new ServerProcess(connection, directory, settings));
    }

    /// <summary>Starts a server with SQLite that listens on further addresses.</summary>
    public static Task<ServerProcess> StartListeningAsync(string[] urls, params string[] settings) =>
        StartAsync(new ServerProcess(connection: null, Directory.CreateTempSubdirectory("muster-test-").FullName, settings) { Urls = urls });

    /// <summary>Starts a server on an empty database of a PostgreSQL server that the test holds itself.</summary>
    public static Task<ServerProcess> StartOnAsync(string connection, params string[] settings) =>
        StartAsync(new ServerProcess(connection, Directory.CreateTempSubdirectory("muster-test-").FullName, settings));

    /// <summary>Starts a server with SQLite inside a network namespace, at an address of it.</summary>
    public static Task<ServerProcess> StartInAsync(string space, IPAddress address, params string[] settings) =>
        StartAsync(new ServerProcess(connection: null, Directory.CreateTempSubdirectory("muster-test-").FullName, settings, space) { Address = new($"http://{address}:0") });

    /// <summary>A second look at the same database, past the server.</summary>
    public Database OpenDatabase() => connection is null ? new SqliteDatabase(DatabaseFile) : new PostgresDatabase(connection);

    public string DatabaseFile => Path.Combine(directory, "muster.db");

    /// <summary>Starts the process, and waits until it listens and is ready.</summary>
    public async Task StartAgainAsync()
    {
        var listening = new TaskCompletionSource<Uri>(TaskCreationOptions.RunContinuationsAsynchronously);
        process = new Process { StartInfo = StartInfo(["serve", $"--urls={string.Join(';', [Address.ToString(), .. Urls])}", $"--Admin:Email={Email}", $"--Admin:Password={Password}", .. settings]), EnableRaisingEvents = true };
        void Read(string? line)
        {
            if (line is null)
                return;
            output.Enqueue(line);
            while (output.Count > KeptLines)
                output.TryDequeue(out _);
            if (line.Split("Muster listens on ") is [_, var address])
                listening.TrySetResult(new Uri(address));
        }

        process.OutputDataReceived += (_, e) => Read(e.Data);
        process.ErrorDataReceived += (_, e) => Read(e.Data);
        process.Exited += (_, _) => listening.TrySetException(new InvalidOperationException($"muster ended before it listened:\n{Output}"));
        process.Start();
        RunGuard.EndWithRun(process.Id);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        Address = await listening.Task.WaitAsync(StartLimit);
        await UntilReadyAsync();
    }

    /// <summary>Ends the process at once, as loss of power would (SIGKILL).</summary>
    public async Task KillAsync()
    {
        process!.Kill();
        await EndAsync();
    }

    /// <summary>Asks the process to end (SIGTERM); returns its exit code.</summary>
    public async Task<int> StopAsync()
    {
        Signal("TERM");
        return await EndAsync();
    }

    /// <summary>The process gets no processor until <see cref="Continue"/>.</summary>
    public void Freeze() => Signal("STOP");

    public void Continue() => Signal("CONT");

    /// <summary>Runs another command of the executable on the same database and returns what it printed.</summary>
    public async Task<string> RunAsync(params string[] command)
    {
        using var run = Process.Start(StartInfo(command))!;
        var (printed, errors) = (run.StandardOutput.ReadToEndAsync(), run.StandardError.ReadToEndAsync());
        await run.WaitForExitAsync();
        Assert.True(run.ExitCode == 0, $"muster {string.Join(' ', command)}: {await errors}");
        return (await printed).Trim();
    }

    /// <summary>Waits for <c>/readyz</c>.</summary>
    public async Task UntilReadyAsync()
    {
        using var client = new HttpClient();
        var waited = Stopwatch.StartNew();
        while (true)
        {
            using var answer = await client.GetAsync(new Uri(Address, "/readyz"));
            if (answer.IsSuccessStatusCode)
                return;
            Assert.True(waited.Elapsed < StartLimit, $"not ready: {await answer.Content.ReadAsStringAsync()}\n{Output}");
            await Task.Delay(100);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (process is { HasExited: false })
            await KillAsync();
        process?.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    private static async Task<ServerProcess> StartAsync(ServerProcess server)
    {
        await server.StartAgainAsync();
        return server;
    }

    private ProcessStartInfo StartInfo(string[] command)
    {
        // `ip netns exec` becomes the command itself: its process is the server's.
        var start = new ProcessStartInfo(space is null ? Executable : "ip", space is null ? [] : ["netns", "exec", space, Executable])
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in command)
            start.ArgumentList.Add(argument);
        start.ArgumentList.Add($"--data={directory}");
        if (connection is not null)
            start.ArgumentList.Add($"--database={connection}");
        return start;
    }

    private void Signal(string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    private async Task<int> EndAsync()
    {
        await process!.WaitForExitAsync();
        RunGuard.Ended(process.Id);
        var code = process.ExitCode;
        process.Dispose();
        process = null;
        return code;
    }
}
