using System.Diagnostics;
using System.Globalization;

namespace Muster.Tests;

/// <summary>
/// What a run of tests starts does not outlive it, however it ends: a shell in a session of its own reads what is to be
/// ended and removed, and does it when its input ends, which the kernel sees to. (A death signal of Linux would come with
/// the end of the thread that started a program.)
/// </summary>
public static class RunGuard
{
    internal const string Shell =
        """
        trap '' TERM INT HUP
        pids= dirs=
        while read -r what thing; do
          case $what in
            end) pids="$pids $thing" ;;
            ended) rest=; for pid in $pids; do [ "$pid" = "$thing" ] || rest="$rest $pid"; done; pids=$rest ;;
            remove) dirs="$dirs $thing" ;;
          esac
        done
        for pid in $pids; do kill -KILL "$pid"; done
        [ -z "$pids" ] || sleep 1
        [ -z "$dirs" ] || rm -rf $dirs
        """;

    private static readonly Lazy<StreamWriter> Input = new(Start);

    /// <summary>The process is killed at the end of the run, unless <see cref="Ended"/> was told before.</summary>
    public static void EndWithRun(int process) => Tell("end", process.ToString(CultureInfo.InvariantCulture));

    public static void Ended(int process) => Tell("ended", process.ToString(CultureInfo.InvariantCulture));

    /// <summary>The directory is removed at the end of the run, without anybody waiting for it.</summary>
    public static void RemoveWithRun(string directory) => Tell("remove", directory);

    private static void Tell(string what, string thing)
    {
        lock (Input)
        {
            Input.Value.WriteLine($"{what} {thing}");
            Input.Value.Flush();
        }
    }

    private static StreamWriter Start()
    {
        // A session of its own: who ends the run's whole group of processes does not end the guard.
        var start = new ProcessStartInfo("setsid", ["/bin/sh", "-c", $"exec >/dev/null 2>&1\n{Shell}"]) { RedirectStandardInput = true };
        return Process.Start(start)!.StandardInput;
    }
}
