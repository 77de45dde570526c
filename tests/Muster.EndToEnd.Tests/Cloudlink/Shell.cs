using System.Diagnostics;

namespace Muster.EndToEnd.Tests.Cloudlink;

/// <summary>What a command of the machine said.</summary>
internal sealed record Said(int Code, string Output, string Errors);

/// <summary>Commands of the machine, also inside a network namespace.</summary>
internal static class Shell
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task<Said> TryAsync(string command, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(Limit);
        return new(process.ExitCode, await output, await errors);
    }

    /// <summary>The words of one line; any exit code but 0 fails the test.</summary>
    public static async Task<string> RunAsync(string line)
    {
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var said = await TryAsync(words[0], words[1..]);
        Assert.True(said.Code == 0, $"{line}: {said.Errors}");
        return said.Output;
    }

    /// <summary>Several lines of <c>ip</c>, at once.</summary>
    public static async Task IpAsync(string? space, params string[] lines)
    {
        var start = new ProcessStartInfo("ip", space is null ? ["-batch", "-"] : ["-n", space, "-batch", "-"]) { RedirectStandardInput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        foreach (var line in lines)
            await process.StandardInput.WriteLineAsync(line);
        process.StandardInput.Close();
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(Limit);
        Assert.True(process.ExitCode == 0, $"ip {string.Join("; ", lines)}: {errors}");
    }
}
