using System.CommandLine;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using Muster.Server.Hosting;

namespace Muster.Server.Cloudlink.Ssh;

/// <summary>
/// <c>muster ssh-enter</c>: what a person's key runs in the SSH server. Asks the server for the way to the device, and
/// becomes OpenSSH's client on that way, so that terminals, signals and exit codes pass as they are.
/// </summary>
internal static class SshEnterCommand
{
    private const string Client = "/usr/bin/ssh";

    public static Command Create()
    {
        var socket = new Argument<string>("SOCKET");
        var account = new Argument<long>("ACCOUNT");
        var key = new Argument<long>("KEY");
        var command = new Command("ssh-enter", "Run by the SSH gateway for a person who logged in.") { socket, account, key };
        command.Hidden = true;
        command.SetAction((parse, cancellation) => RunAsync(parse.GetValue(socket)!, parse.GetValue(account), parse.GetValue(key), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(string socket, long account, long key, CancellationToken cancellation)
    {
        var asked = Environment.GetEnvironmentVariable("SSH_ORIGINAL_COMMAND");
        var admission = await AskAsync(socket, new(account, key, asked, Environment.GetEnvironmentVariable("SSH_CONNECTION")), cancellation);
        if (admission.Refusal is { } refusal || SshWish.Parse(asked) is not { } wish)
        {
            await Console.Error.WriteLineAsync($"muster: {admission.Refusal ?? SshWish.Usage}");
            return 1;
        }

        return Become(Arguments(Path.GetDirectoryName(socket)!, wish, admission.Port, isTerminal: !Console.IsInputRedirected));
    }

    private static async Task<SshAdmission> AskAsync(string path, SshKnock knock, CancellationToken cancellation)
    {
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            await using var stream = new NetworkStream(socket);
            await stream.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(knock, SshJson.Default.SshKnock), cancellation);
            await stream.WriteAsync("\n"u8.ToArray(), cancellation);
            return await JsonSerializer.DeserializeAsync(stream, SshJson.Default.SshAdmission, cancellation) ?? new("The server did not answer.");
        }
        catch (Exception e) when (e is SocketException or IOException or JsonException)
        {
            return new("The server did not answer; try again in a moment.");
        }
    }

    private static string[] Arguments(string folder, SshWish wish, int port, bool isTerminal)
    {
        var key = Path.Combine(Path.GetDirectoryName(folder)!, DeviceSshKey.FileName);
        List<string> arguments =
        [
            Client, "-F", "none", "-e", "none", isTerminal ? "-tt" : "-T", "-i", key, "-p", port.ToString(CultureInfo.InvariantCulture),
            "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ServerAliveInterval=30",
            // The device's key as first seen, under the device's name: the address is only the way there.
            "-o", $"HostKeyAlias={wish.Uuid}", "-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=no",
            "-o", $"UserKnownHostsFile=\"{Path.Combine(folder, KnownDevices.FileName)}\"", "-o", "GlobalKnownHostsFile=none",
            "root@127.0.0.1",
        ];
        if (wish.ForDevice(isTerminal) is { } command)
            arguments.AddRange(["--", command]);
        return [.. arguments];
    }

    /// <summary>Returns only when it cannot.</summary>
    private static int Become(string[] arguments)
    {
        var texts = Array.ConvertAll(arguments, Marshal.StringToCoTaskMemUTF8);
        _ = Execute(texts[0], [.. texts, IntPtr.Zero]);
        Console.Error.WriteLine($"muster: {Client} cannot be run: {Marshal.GetLastPInvokeErrorMessage()}");
        return 1;
    }

    [DllImport("libc", EntryPoint = "execv", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Execute(IntPtr path, IntPtr[] arguments);
}
