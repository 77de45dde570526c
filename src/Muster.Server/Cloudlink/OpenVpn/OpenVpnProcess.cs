using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Muster.Server.Hosting;

namespace Muster.Server.Cloudlink.OpenVpn;

/// <summary>
/// One run of openvpn in its folder. It dials our management socket and ends when that is closed, so that none outlives
/// Muster, however Muster ends; one that hangs is found by its pid file at the next start.
/// </summary>
internal sealed class OpenVpnProcess : IDisposable
{
    private const int KeptLines = 20;
    private static readonly TimeSpan DialLimit = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(3);

    private readonly Process process;
    private readonly ConcurrentQueue<string> said = new();

    private OpenVpnProcess(Process process) => this.process = process;

    public int Id => process.Id;

    /// <summary>The last complaint it printed; null when there is none.</summary>
    public string? Complaint => said.LastOrDefault(line =>
        (line.Contains("rror", StringComparison.Ordinal) || line.Contains("ailed", StringComparison.Ordinal) || line.Contains("annot", StringComparison.Ordinal))
        && !line.StartsWith("Exiting", StringComparison.Ordinal));

    /// <summary>Starts it and waits until it has dialed.</summary>
    /// <exception cref="OpenVpnEndedException">It ended before that, or took too long.</exception>
    public static async Task<(OpenVpnProcess Process, Stream Management)> StartAsync(string executable, string folder, Action<string> line, TimeProvider time, CancellationToken stopping)
    {
        EndStale(folder);
        var path = SocketPath(folder);
        File.Delete(path);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(1);

        var started = new OpenVpnProcess(new Process
        {
            StartInfo = new ProcessStartInfo(executable, ["--config", OpenVpnGateway.ConfigFile]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true },
            EnableRaisingEvents = true,
        });
        try
        {
            started.Begin(line);
            using var limit = new CancellationTokenSource(DialLimit, time);
            using var dialing = CancellationTokenSource.CreateLinkedTokenSource(stopping, limit.Token);
            var accepting = listener.AcceptAsync(dialing.Token).AsTask();
            await Task.WhenAny(accepting, started.process.WaitForExitAsync(stopping));
            if (!accepting.IsCompletedSuccessfully)
            {
                await dialing.CancelAsync();
                await Task.WhenAny(accepting);
                stopping.ThrowIfCancellationRequested();
                throw new OpenVpnEndedException(started.Complaint ?? (limit.IsCancellationRequested ? "it did not dial its management socket" : "it ended at once"));
            }

            return (started, new NetworkStream(await accepting, ownsSocket: true));
        }
        catch
        {
            started.Kill();
            started.Dispose();
            throw;
        }
    }

    /// <summary>The management socket's path.</summary>
    /// <exception cref="SettingException">It is longer than a Unix socket may be.</exception>
    public static string SocketPath(string folder)
    {
        const int longest = 107;
        var path = Path.Combine(folder, OpenVpnTexts.SocketFile);
        return path.Length <= longest ? path : throw new SettingException($"{path} is too long for a Unix socket ({longest} characters at most); use a shorter --data.");
    }

    /// <summary>Gives it a moment to end by itself, now that its management socket is closed.</summary>
    public async Task EndAsync()
    {
        try
        {
            await process.WaitForExitAsync().WaitAsync(EndLimit);
        }
        catch (TimeoutException)
        {
            Kill();
        }
    }

    public void Dispose() => process.Dispose();

    private void Begin(Action<string> line)
    {
        void Read(string? text)
        {
            if (text is null)
                return;
            said.Enqueue(text);
            while (said.Count > KeptLines)
                said.TryDequeue(out _);
            line(text);
        }

        process.OutputDataReceived += (_, e) => Read(e.Data);
        process.ErrorDataReceived += (_, e) => Read(e.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    private void Kill()
    {
        try
        {
            process.Kill();
            process.WaitForExit(EndLimit);
        }
        catch (InvalidOperationException)
        {
            // It has ended, or never began.
        }
    }

    /// <summary>One of an earlier life that hangs would keep port and interface. It is known by its folder, not by its number alone.</summary>
    private static void EndStale(string folder)
    {
        var file = Path.Combine(folder, OpenVpnTexts.PidFile);
        if (!File.Exists(file) || !int.TryParse(File.ReadAllText(file), NumberStyles.None | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var id))
            return;
        try
        {
            using var stale = Process.GetProcessById(id);
            if (new DirectoryInfo($"/proc/{id}/cwd").ResolveLinkTarget(returnFinalTarget: false)?.FullName != folder)
                return;
            stale.Kill();
            stale.WaitForExit(EndLimit);
        }
        catch (Exception e) when (e is ArgumentException or IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            // Gone, or not ours.
        }

        File.Delete(file);
    }
}

/// <summary>openvpn does not run (any more); the message says why, in the middle of a sentence.</summary>
internal sealed class OpenVpnEndedException(string message) : Exception(message);
