using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace Muster.Server.Cloudlink.Terminals;

/// <summary>A shell on a device over SSH, of its host OS or in the container of a service, with a terminal.</summary>
internal sealed partial class DeviceShell : IAsyncDisposable
{
    /// <summary>What the person's browser has not taken yet; beyond that the device waits.</summary>
    private const int MostUnread = 256 * 1024;

    private const int BufferBytes = 32 * 1024;

    /// <summary>Printed by the device between what the host's shell says and what the service says; no terminal shows it.</summary>
    private const byte Marker = 0x1E;

    private static readonly TimeSpan LogInWithin = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan EnteredWithin = TimeSpan.FromSeconds(10);

    private readonly TimeProvider time;
    private readonly SocketBridge bridge;
    private readonly SshClient client;
    private readonly SemaphoreSlim heard = new(0);
    private ShellStream? shell;
    private volatile bool ended;
    private bool isRefused;

    private DeviceShell(Stream device, string user, string privateKeyPem, Func<byte[], bool> isTrusted, IReadOnlyCollection<string> preferred, TimeProvider time)
    {
        this.time = time;
        bridge = new(device, () => shell?.Length > MostUnread, time);
        using var pem = new MemoryStream(Encoding.ASCII.GetBytes(privateKeyPem));
        var connection = new Renci.SshNet.ConnectionInfo("127.0.0.1", bridge.Port, user, new PrivateKeyAuthenticationMethod(user, new PrivateKeyFile(pem))) { Timeout = LogInWithin };
        // A server may have keys of several types: the one that is known is asked for first.
        foreach (var name in connection.HostKeyAlgorithms.Keys.Where(preferred.Contains).ToList())
            connection.HostKeyAlgorithms.SetPosition(name, 0);
        client = new(connection);
        client.HostKeyReceived += (_, shown) =>
        {
            HostKey = shown.HostKey;
            shown.CanTrust = isTrusted(shown.HostKey);
            isRefused = !shown.CanTrust;
        };
        client.ErrorOccurred += (_, _) => End();
    }

    /// <summary>With which the device's SSH server proved itself; as on the wire.</summary>
    public byte[] HostKey { get; private set; } = [];

    /// <summary>Logs in.</summary>
    /// <param name="device">A connection to the device's SSH server; the shell's from here on.</param>
    /// <param name="user">Whom to log in as.</param>
    /// <param name="isTrusted">Whether the device's SSH server may have this key.</param>
    /// <param name="preferred">Types of host keys to ask for before others.</param>
    /// <exception cref="UntrustedHostException">The server's key is not trusted.</exception>
    /// <exception cref="TerminalException">The device does not let Muster in.</exception>
    public static async Task<DeviceShell> LogInAsync(Stream device, string user, string privateKeyPem, Func<byte[], bool> isTrusted, IReadOnlyCollection<string> preferred, TimeProvider time, CancellationToken cancellation)
    {
        var shell = new DeviceShell(device, user, privateKeyPem, isTrusted, preferred, time);
        try
        {
            await shell.client.ConnectAsync(cancellation);
            return shell;
        }
        catch (Exception e) when (e is SshException or System.Net.Sockets.SocketException or IOException or ObjectDisposedException)
        {
            await shell.DisposeAsync();
            throw e switch
            {
                _ when shell.isRefused => new UntrustedHostException(shell.HostKey),
                SshAuthenticationException => new TerminalException("The device's SSH server does not accept Muster's key. The device fetches that key with its cloud configuration, once a day and at each start.", e),
                _ => new TerminalException("The device's SSH server did not answer.", e),
            };
        }
        catch
        {
            await shell.DisposeAsync();
            throw;
        }
    }

    /// <param name="service">Whose container to enter; null for the host OS.</param>
    /// <exception cref="TerminalException">The service does not run, or the device broke off.</exception>
    public async Task BeginAsync(string? service, int columns, int rows, CancellationToken cancellation)
    {
        try
        {
            var enter = service is null ? null : await EnterAsync(service, cancellation);
            shell = client.CreateShellStream("xterm-256color", (uint)columns, (uint)rows, 0, 0, BufferBytes);
            shell.DataReceived += (_, _) => Wake();
            shell.ErrorOccurred += (_, _) => End();
            shell.Closed += (_, _) => End();
            _ = bridge.Ended.ContinueWith(_ => End(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            if (enter is null)
                return;
            await WriteAsync(Encoding.UTF8.GetBytes(enter), cancellation);
            await SkipToMarkerAsync(cancellation);
        }
        catch (Exception e) when (e is SshException or IOException or ObjectDisposedException)
        {
            throw new TerminalException("The connection to the device broke off.", e);
        }
    }

    /// <summary>What the device says; 0 when it has said its last.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        while (!ended)
        {
            try
            {
                if (shell!.DataAvailable)
                    return shell.Read(buffer.Span);
            }
            catch (ObjectDisposedException)
            {
                break;
            }

            await heard.WaitAsync(cancellation);
        }

        // A stream that is closed still gives what it had, and waits for nothing more.
        shell!.Dispose();
        return shell.Read(buffer.Span);
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        try
        {
            await shell!.WriteAsync(bytes, cancellation);
            await shell.FlushAsync(cancellation);
        }
        catch (Exception e) when (e is SshException or ObjectDisposedException)
        {
            End();
        }
    }

    public void Resize(int columns, int rows)
    {
        try
        {
            shell!.ChangeWindowSize((uint)columns, (uint)rows, 0, 0);
        }
        catch (Exception e) when (e is SshException or ObjectDisposedException)
        {
            End();
        }
    }

    public async ValueTask DisposeAsync()
    {
        // The library waits for the device's good-bye; without the bridge there is none to wait for.
        await bridge.DisposeAsync();
        await Task.Run(() =>
        {
            shell?.Dispose();
            client.Dispose();
        });
        heard.Dispose();
    }

    /// <summary>The container of the service, by its label or by its name, in words that the host's shell takes.</summary>
    private async Task<string> EnterAsync(string service, CancellationToken cancellation)
    {
        using var list = client.CreateCommand(
            """E=$(command -v balena-engine || command -v balena || command -v docker) && echo "$E" && "$E" ps --format '{{.ID}}|{{.Names}}|{{.Label "io.balena.service-name"}}'""");
        list.CommandTimeout = EnteredWithin;
        await list.ExecuteAsync(cancellation);
        var lines = list.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (list.ExitStatus != 0 || lines is not [var engine, ..])
            throw new TerminalException("The host OS has no container engine that could be asked.");
        var container = ContainerOf(service, lines.Skip(1))
            ?? throw new TerminalException($"The service '{service}' has no container that runs on this device; start it first.");
        return string.Create(CultureInfo.InvariantCulture, $" printf '\\0{Convert.ToString(Marker, 8)}'; exec '{engine.Replace("'", "'\\''", StringComparison.Ordinal)}' exec -it -e TERM=xterm-256color {container} /bin/sh -c 'if [ -e /bin/bash ]; then exec /bin/bash; else exec /bin/sh; fi'\r");
    }

    /// <param name="lines"><c>id|names|service</c>, of the containers that run.</param>
    /// <returns>The container's id; null when there is none.</returns>
    public static string? ContainerOf(string service, IEnumerable<string> lines) =>
        (from line in lines
         let parts = line.Split('|')
         where parts.Length == 3 && ContainerId().IsMatch(parts[0])
            && (parts[2] == service || (parts[2].Length == 0 && parts[1].StartsWith(service + "_", StringComparison.Ordinal) && NameEnd().IsMatch(parts[1].AsSpan(service.Length))))
         select parts[0]).FirstOrDefault();

    private async Task SkipToMarkerAsync(CancellationToken cancellation)
    {
        using var late = new CancellationTokenSource(EnteredWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellation);
        var one = new byte[1];
        try
        {
            while (await ReadAsync(one, either.Token) > 0)
            {
                if (one[0] == Marker)
                    return;
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // Said below.
        }

        throw new TerminalException("The shell of the host OS did not take the command that enters the service.");
    }

    private void End()
    {
        ended = true;
        Wake();
    }

    private void Wake()
    {
        try
        {
            if (heard.CurrentCount == 0)
                heard.Release();
        }
        catch (ObjectDisposedException)
        {
            // A last word after the end.
        }
    }

    [GeneratedRegex("^[0-9a-f]{6,64}$", RegexOptions.NonBacktracking)]
    private static partial Regex ContainerId();

    // After the service's name: image and release.
    [GeneratedRegex("^_[0-9]+_[0-9]+(_.+)?$", RegexOptions.NonBacktracking)]
    private static partial Regex NameEnd();
}
