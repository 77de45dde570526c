using System.Collections.Concurrent;
using System.Diagnostics;

namespace Muster.EndToEnd.Tests.Cloudlink;

/// <summary>A device's real openvpn, set up as the OS sets it up; started again 5 s after it ends by itself, as its unit does after 10 s.</summary>
internal sealed class OpenVpnClient : IDisposable
{
    private const int KeptLines = 60;

    private readonly string space;
    private readonly string folder;
    private readonly ConcurrentQueue<string> output = new();
    private readonly Lock gate = new();
    private Process process;
    private int connections;
    private bool isWanted = true;

    private OpenVpnClient(string space, string folder)
    {
        this.space = space;
        this.folder = folder;
        process = Run();
    }

    public string Output => string.Join('\n', output);

    /// <summary>How often it was told that its key is wrong.</summary>
    public int Refusals => output.Count(line => line.Contains("AUTH_FAILED", StringComparison.Ordinal));

    /// <summary>How often its tunnel came up.</summary>
    public int Connections => Volatile.Read(ref connections);

    /// <param name="password">What it logs in with.</param>
    /// <param name="key">What it asks for its configuration with.</param>
    /// <param name="further">Further lines of its configuration; one that names an option that is there takes its place.</param>
    public static async Task<OpenVpnClient> StartAsync(TunnelNetwork network, string space, string uuid, string password, string key, params string[] further)
    {
        var (config, authority) = await network.OsConfigAsync(key);
        return await StartAsync(space, config, authority, uuid, password, further);
    }

    public static async Task<OpenVpnClient> StartAsync(string space, string config, string authority, string uuid, string password, params string[] further)
    {
        var folder = Directory.CreateTempSubdirectory("muster-device-").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "ca.crt"), authority);
        await File.WriteAllTextAsync(Path.Combine(folder, "vpn-auth"), $"{uuid}\n{password}\n");
        await File.WriteAllTextAsync(Path.Combine(folder, "openvpn.conf"), OnThisMachine(config, further));
        return new(space, folder);
    }

    /// <summary>SIGKILL: the kernel closes its connection. It is not started again.</summary>
    public void Kill()
    {
        lock (gate)
        {
            isWanted = false;
            if (!process.HasExited)
                process.Kill();
        }
    }

    public void Dispose()
    {
        Kill();
        process.WaitForExit();
        process.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>What the OS would write, but for the places of its files and for its user and scripts, which this machine has not.</summary>
    private static string OnThisMachine(string config, string[] further)
    {
        string[] absent = ["up ", "up-restart", "down ", "user ", "group ", .. further.Select(line => line.Split(' ')[0] + " ")];
        var kept = config.Replace("/etc/openvpn/ca.crt", "ca.crt", StringComparison.Ordinal).Replace("/var/volatile/vpn-auth", "vpn-auth", StringComparison.Ordinal)
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => !Array.Exists(absent, option => line.StartsWith(option, StringComparison.Ordinal)));
        return string.Join('\n', kept.Concat(further)) + "\n";
    }

    private Process Run()
    {
        var start = new ProcessStartInfo("ip", ["netns", "exec", space, "openvpn", "--config", "openvpn.conf", "--connect-retry", "5", "120"])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
        };
        var run = new Process { StartInfo = start, EnableRaisingEvents = true };
        run.OutputDataReceived += (_, line) =>
        {
            if (line.Data is null)
                return;
            output.Enqueue(line.Data);
            if (line.Data.EndsWith("Initialization Sequence Completed", StringComparison.Ordinal))
                Interlocked.Increment(ref connections);
            while (output.Count > KeptLines)
                output.TryDequeue(out string? _);
        };
        run.Exited += (_, _) => _ = AgainAsync();
        run.Start();
        run.BeginOutputReadLine();
        return run;
    }

    private async Task AgainAsync()
    {
        await Task.Delay(TimeSpan.FromSeconds(5));
        lock (gate)
        {
            if (!isWanted)
                return;
            process.Dispose();
            process = Run();
        }
    }
}
