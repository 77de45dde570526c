using System.Diagnostics;

namespace Muster.Server.Cloudlink;

/// <summary>
/// A program that lives no longer than this process, however this process ends: a shell between the two ends the program
/// when its standard input ends, which the kernel sees to. (A death signal of Linux would come with the end of the thread
/// that started the program.)
/// </summary>
internal sealed class BoundProcess : IDisposable
{
    /// <summary>Descriptor 3 is ours: the program itself reads nothing. Whoever of the two ends first ends the other.</summary>
    private const string Shell =
        """
        exec 3<&0 </dev/null
        "$@" 3<&- &
        child=$!
        { cat <&3 >/dev/null; kill -TERM $child; sleep 2; kill -KILL $child; } 2>/dev/null &
        guard=$!
        wait $child
        code=$?
        kill $guard 2>/dev/null
        exit $code
        """;

    private readonly Process shell;

    private BoundProcess(Process shell) => this.shell = shell;

    /// <param name="said">Lines of the program's output and errors; from any thread.</param>
    /// <exception cref="System.ComponentModel.Win32Exception">There is no shell.</exception>
    public static BoundProcess Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment, Action<string> said)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", Shell, "sh", program, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        var shell = new Process { StartInfo = start };
        DataReceivedEventHandler heard = (_, line) =>
        {
            if (line.Data is { } text)
                said(text);
        };
        shell.OutputDataReceived += heard;
        shell.ErrorDataReceived += heard;
        shell.Start();
        shell.BeginOutputReadLine();
        shell.BeginErrorReadLine();
        return new(shell);
    }

    /// <summary>Completes when the program has ended; its exit code.</summary>
    public async Task<int> EndedAsync(CancellationToken cancellation)
    {
        await shell.WaitForExitAsync(cancellation);
        return shell.ExitCode;
    }

    /// <summary>Asks the program to end, and ends it when it does not within two seconds.</summary>
    public void Dispose()
    {
        try
        {
            shell.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended already.
        }

        shell.Dispose();
    }
}
