using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Muster.EndToEnd.Tests.Cloudlink;

/// <summary>A real OpenSSH server, as a device's host OS has one on port 22222: root, by the keys that <c>/os/v1/config</c> gives. It stands on a port of the loopback, or in a device's namespace.</summary>
internal sealed class DeviceSshServer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly string folder = Directory.CreateTempSubdirectory("muster-sshd-").FullName;
    private string authorized = "";
    private string path = "";
    private Process? server;

    public int Port { get; private set; }

    /// <summary>The namespace; null: the test's own, and there the loopback only.</summary>
    public string? Space { get; private init; }

    /// <summary>Lines that the server wrote.</summary>
    public string Output => File.Exists(At("log")) ? File.ReadAllText(At("log")) : "";

    /// <param name="authorizedKeys">Who may come in.</param>
    public static async Task<DeviceSshServer> StartAsync(string authorizedKeys)
    {
        var device = new DeviceSshServer();
        await device.StartServerAsync(authorizedKeys);
        return device;
    }

    /// <summary>On port 22222 of a device's namespace.</summary>
    public static async Task<DeviceSshServer> StartInAsync(string space, string authorizedKeys)
    {
        var device = new DeviceSshServer { Space = space, Port = 22222 };
        await device.StartServerAsync(authorizedKeys);
        return device;
    }

    /// <summary>The device was set up anew: another host key, on the same port.</summary>
    public async Task StartAnewAsync(string authorizedKeys)
    {
        await EndAsync();
        File.Delete(At("host_key"));
        await StartServerAsync(authorizedKeys);
    }

    /// <summary>Who logs in finds the program.</summary>
    public async Task PutOnPathAsync(string program)
    {
        await EndAsync();
        path = Path.GetDirectoryName(program)! + ":";
        await StartServerAsync(authorized);
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        Directory.Delete(folder, recursive: true);
    }

    private async Task StartServerAsync(string authorizedKeys)
    {
        if (Port == 0)
            Port = FreePort();
        Directory.CreateDirectory("/run/sshd");
        authorized = authorizedKeys;
        if (!File.Exists(At("host_key")))
            await RunAsync("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", At("host_key"));
        await File.WriteAllTextAsync(At("authorized_keys"), authorizedKeys + "\n");
        // With a home of its own: what this machine's root has in his shell's settings is no device's.
        await File.WriteAllTextAsync(At("sshd_config"), string.Create(CultureInfo.InvariantCulture,
            $"""
            Port {Port}
            ListenAddress {(Space is null ? "127.0.0.1" : "0.0.0.0")}
            HostKey {At("host_key")}
            AuthorizedKeysFile {At("authorized_keys")}
            PasswordAuthentication no
            PermitRootLogin yes
            StrictModes no
            UsePAM no
            PidFile none
            PrintMotd no
            SetEnv PATH={path}/usr/local/bin:/usr/bin:/bin HOME={folder}

            """));
        File.Delete(At("log"));
        string[] command = ["/usr/sbin/sshd", "-D", "-E", At("log"), "-f", At("sshd_config")];
        if (Space is not null)
            command = ["/usr/sbin/ip", "netns", "exec", Space, .. command];
        // It writes to its log only; what it inherits it would hold open for as long as it runs.
        server = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var waited = Stopwatch.StartNew();
        while (!Output.Contains("Server listening", StringComparison.Ordinal))
        {
            Assert.True(waited.Elapsed < Patience && !server.HasExited, $"sshd does not answer: {Output}");
            await Task.Delay(50);
        }
    }

    private async Task EndAsync()
    {
        if (server is null)
            return;
        server.Kill();
        await server.WaitForExitAsync();
        server.Dispose();
        server = null;
    }

    private string At(string name) => Path.Combine(folder, name);

    internal static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var run = Process.Start(program, arguments);
        await run.WaitForExitAsync();
        Assert.Equal(0, run.ExitCode);
    }
}
