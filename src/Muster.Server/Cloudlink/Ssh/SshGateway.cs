using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Options;
using Muster.Storage;

namespace Muster.Server.Cloudlink.Ssh;

/// <summary>
/// What <c>balena device ssh UUID</c> dials: Debian's OpenSSH server, run and supervised here, with Muster's people and
/// their public keys instead of the machine's. It lets nobody do anything but reach a device (<c>muster ssh-enter</c>).
/// </summary>
internal sealed partial class SshGateway(SshFiles files, SshPeople people, SshDoor door, IOptions<SshOptions> options, TimeProvider time, ILogger<SshGateway> log) : BackgroundService
{
    private const string Server = "/usr/sbin/sshd";
    private const string NameService = "libnss_wrapper.so";
    private static readonly string[] Needed = [Server, "/usr/bin/ssh", "/usr/bin/ssh-keygen"];
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Value.Port is not { } port)
            return;
        if (!OperatingSystem.IsLinux() || !Array.TrueForAll(Needed, File.Exists) || Directory.GetFiles("/usr/lib", NameService, new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 1, IgnoreInaccessible = true }) is not [var names, ..])
        {
            LogMissing();
            return;
        }

        try
        {
            await PrepareAsync(port, stoppingToken);
            await Task.WhenAll(door.RunAsync(stoppingToken), FollowPeopleAsync(stoppingToken), SuperviseAsync(names, port, stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or Win32Exception or System.Net.Sockets.SocketException)
        {
            LogFailed(e.Message);
        }
    }

    private async Task PrepareAsync(int port, CancellationToken stopping)
    {
        if (!File.Exists(files.HostKey))
        {
            using var made = Process.Start(new ProcessStartInfo("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "muster", "-f", files.HostKey]))!;
            await made.WaitForExitAsync(stopping);
        }

        // Where OpenSSH locks its part before the log-in into; a machine's own SSH service would have made it.
        if (Environment.IsPrivilegedProcess)
            Directory.CreateDirectory("/run/sshd");
        files.WriteSettings(options.Value.Address, port);
    }

    private async Task FollowPeopleAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(options.Value.PeopleEvery, time);
        do
        {
            try
            {
                await people.FollowAsync(stopping);
            }
            catch (Exception e) when (e is DatabaseAwayException or System.Data.Common.DbException)
            {
                // Those who could come in still can.
            }
        }
        while (await timer.WaitForNextTickAsync(stopping));
    }

    private async Task SuperviseAsync(string names, int port, CancellationToken stopping)
    {
        var pause = TimeSpan.FromSeconds(1);
        while (true)
        {
            var last = "";
            var began = time.GetTimestamp();
            using (var server = BoundProcess.Start(Server, ["-D", "-e", "-f", files.Settings], Preloaded(names), line =>
            {
                last = line;
                LogSaid(line);
            }))
            {
                LogListening(port);
                var code = await server.EndedAsync(stopping);
                LogEnded(code, last);
            }

            pause = time.GetElapsedTime(began) > LongestPause ? TimeSpan.FromSeconds(1) : TimeSpan.FromSeconds(Math.Min(pause.TotalSeconds * 2, LongestPause.TotalSeconds));
            await Task.Delay(pause, time, stopping);
        }
    }

    private Dictionary<string, string> Preloaded(string names) => new()
    {
        ["LD_PRELOAD"] = names,
        ["NSS_WRAPPER_PASSWD"] = files.At(SshFiles.Users),
        ["NSS_WRAPPER_GROUP"] = files.At(SshFiles.Groups),
        ["LC_ALL"] = "C",
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "The SSH gateway is off, because parts are missing: apt-get install openssh-server openssh-client libnss-wrapper")]
    private partial void LogMissing();

    [LoggerMessage(Level = LogLevel.Error, Message = "The SSH gateway is off: {Why}")]
    private partial void LogFailed(string why);

    [LoggerMessage(Level = LogLevel.Information, Message = "SSH gateway on port {Port}")]
    private partial void LogListening(int port);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The SSH server ended with code {Code} ({Last}); it is started again.")]
    private partial void LogEnded(int code, string last);

    [LoggerMessage(Level = LogLevel.Debug, Message = "sshd: {Line}")]
    private partial void LogSaid(string line);
}
