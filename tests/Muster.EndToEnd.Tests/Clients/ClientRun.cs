using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Muster.Tests.Storage;

namespace Muster.EndToEnd.Tests.Clients;

/// <summary>
/// One run of all client scenarios against a real server with short windows: the real balena-sdk and balena-cli from npm
/// (installed by tests/clients/run.sh on first use), a simulated device and a simulated tunnel server.
/// </summary>
public sealed class ClientRun : IAsyncLifetime
{
    private readonly Dictionary<string, (string Status, string? Reason)> results = [];
    private string printed = "";

    public async ValueTask InitializeAsync()
    {
        var proxyPort = FreePort();
        await using var server = await ServerProcess.StartAsync(
            TestDatabases.Sqlite,
            "--Presence:DefaultPollInterval=00:00:02",
            "--Presence:PollIntervalFloor=00:00:01",
            "--Presence:TimeoutMargin=00:00:02",
            "--Presence:OfflineAfter=00:00:02",
            $"--Cloudlink:ProxyPort={proxyPort}",
            "--Cloudlink:DeviceUrls:Domain=devices.test");
        var key = await server.RunAsync("key", "add", "client-scenarios");
        var file = Path.GetTempFileName();
        try
        {
            printed = await RunAsync(
                "--url", server.Address.ToString(), "--email", ServerProcess.Email, "--password", ServerProcess.Password,
                "--vpn-key", key, "--vpn-proxy-port", $"{proxyPort}",
                "--slow", "--timeout-within", "8", "--offline-within", "8",
                "--skip", $"^({string.Join('|', ClientScenarios.LeftOut.Keys.Select(Regex.Escape).DefaultIfEmpty("none"))})$",
                "--results", file);
            if (new FileInfo(file).Length == 0)
                return;
            using var report = JsonDocument.Parse(await File.ReadAllTextAsync(file));
            foreach (var result in report.RootElement.GetProperty("results").EnumerateArray())
            {
                results[result.GetProperty("name").GetString()!] = (
                    result.GetProperty("status").GetString()!,
                    result.TryGetProperty("reason", out var reason) ? reason.GetString() : null);
            }
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Passes when the scenario was run and passed.</summary>
    public void Check(string scenario)
    {
        Assert.True(results.TryGetValue(scenario, out var result), $"not run; the harness printed:\n{printed}");
        Assert.True(result.Status == "pass", $"{result.Status}: {result.Reason}");
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static async Task<string> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(Repository.Root, "tests/clients/run.sh"), arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        using var run = Process.Start(start)!;
        run.StandardInput.Close();
        var (output, errors) = (run.StandardOutput.ReadToEndAsync(), run.StandardError.ReadToEndAsync());
        await run.WaitForExitAsync();
        return await output + await errors;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
