using System.Diagnostics;

namespace Muster.Tests;

public sealed class RunGuardTests
{
    [Fact]
    public async Task What_was_started_ends_with_the_input_of_the_guard_which_is_the_life_of_the_run()
    {
        var directory = Directory.CreateTempSubdirectory("muster-guard-").FullName;
        using var left = Process.Start("sleep", ["600"]);
        using var ended = Process.Start("sleep", ["600"]);
        using var guard = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", RunGuard.Shell]) { RedirectStandardInput = true })!;
        await guard.StandardInput.WriteLineAsync($"end {left.Id}\nend {ended.Id}\nended {ended.Id}\nremove {directory}");
        await guard.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
        Assert.False(left.HasExited || guard.HasExited);
        guard.StandardInput.Close();
        await Eventually.HoldsAsync(() => left.HasExited && !Directory.Exists(directory));
        Assert.False(ended.HasExited);
        ended.Kill();
    }
}
