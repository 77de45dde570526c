using System.CommandLine;
using Muster.Simulator.Fleet;
using Muster.Simulator.Load;
using Muster.Simulator.Scenarios;

namespace Muster.Simulator;

/// <summary><c>muster simulate</c>: a synthetic fleet that speaks the real protocol.</summary>
public static class SimulateCommand
{
    public static Command Create()
    {
        var server = new Option<string>("--server") { Description = "The server's address.", DefaultValueFactory = _ => "http://127.0.0.1:8080" };
        var fleet = new Option<string>("--fleet") { Description = "The fleet, as organization/fleet.", Required = true };
        var devices = new Option<int>("--devices") { Description = "How many devices.", DefaultValueFactory = _ => 10 };
        var seed = new Option<string>("--seed") { Description = "The same seed makes the same devices, doing the same.", DefaultValueFactory = _ => "1" };
        var provisioningKey = new Option<string?>("--provisioning-key") { Description = "Key with which devices register; without it one is made by the log-in." };
        var cloudlink = new Option<TunnelKind>("--cloudlink") { Description = "How devices hold tunnels: websocket, at the server's own gateway; proxy, at a simulated external tunnel server (--service-key)." };
        var serviceKey = new Option<string?>("--service-key") { Description = "Key of a tunnel service; without it devices have no tunnel of the kind proxy." };
        var proxyPort = new Option<int?>("--proxy-port") { Description = "Loopback port on which the tunnel server's HTTP CONNECT proxy listens (the server's Cloudlink:ProxyPort); without it devices take no actions." };
        var proxyKey = new Option<string?>("--proxy-key") { Description = "The server's Cloudlink:ProxyKey; default: the service key." };
        var email = new Option<string?>("--email") { Description = "Log-in of a person, to change releases and to read statuses." };
        var password = new Option<string?>("--password") { Description = "The password of that log-in." };
        var token = new Option<string?>("--token") { Description = "A session token or API key instead of a log-in." };
        var scenario = new Option<string>("--scenario") { Description = $"A scenario file, or one of {string.Join(", ", BuiltInScenarios.All.Keys)}.", DefaultValueFactory = _ => "calm" };
        var duration = new Option<double?>("--duration") { Description = "Seconds; without it, until stopped." };
        var pollInterval = new Option<double?>("--poll-interval") { Description = "Seconds between polls until the configuration names another; default 900." };
        var timeScale = new Option<double>("--time-scale") { Description = "Divides all other periods of devices and scenario.", DefaultValueFactory = _ => 1 };
        var rampUp = new Option<double?>("--ramp-up") { Description = "Seconds in which all devices are switched on." };
        var bandwidth = new Option<double>("--bandwidth") { Description = "Bytes per second of a device's downloads.", DefaultValueFactory = _ => 4_000_000 };
        var concurrency = new Option<int>("--concurrency") { Description = "Most requests under way at once.", DefaultValueFactory = _ => 256 };
        var newConnections = new Option<bool>("--new-connections") { Description = "A new connection for every request, as real devices do." };
        var noLogs = new Option<bool>("--no-logs") { Description = "Devices send no log lines." };
        var ca = new Option<string?>("--ca") { Description = "PEM file of the authority that the server's certificate must chain to." };
        var log = new Option<string?>("--log") { Description = "File for what devices really did, as JSON lines." };
        var verify = new Option<bool>("--verify") { Description = "Compares that with what the server said. Exit code 1: a status was false; 2: nothing could be compared." };
        var report = new Option<string?>("--report") { Description = "File for the comparison's report, as JSON." };
        var sample = new Option<double>("--sample-interval") { Description = "Seconds between two readings of all statuses.", DefaultValueFactory = _ => 1 };
        var margin = new Option<double>("--timeout-margin") { Description = "The server's Presence:TimeoutMargin, seconds.", DefaultValueFactory = _ => 90 };
        var offline = new Option<double>("--offline-after") { Description = "The server's Presence:OfflineAfter, seconds.", DefaultValueFactory = _ => 15 };
        var tolerance = new Option<double>("--tolerance") { Description = "How late the server may be before a status is false, seconds.", DefaultValueFactory = _ => 5 };

        var command = new Command("simulate", "Simulates a fleet of devices against a server.")
        {
            server, fleet, devices, seed, provisioningKey, cloudlink, serviceKey, proxyPort, proxyKey, email, password, token, scenario, duration, pollInterval, timeScale, rampUp,
            bandwidth, concurrency, newConnections, noLogs, ca, log, verify, report, sample, margin, offline, tolerance,
        };
        command.Subcommands.Add(LoadCommand.Create());
        command.SetAction((parse, stop) =>
        {
            TimeSpan? Span(double? seconds) => seconds is { } s ? TimeSpan.FromSeconds(s) : null;
            var options = new SimulationOptions
            {
                Server = parse.GetValue(server)!,
                Fleet = parse.GetValue(fleet)!,
                Devices = parse.GetValue(devices),
                Seed = parse.GetValue(seed)!,
                ProvisioningKey = parse.GetValue(provisioningKey),
                Cloudlink = parse.GetValue(cloudlink),
                ServiceKey = parse.GetValue(serviceKey),
                ProxyPort = parse.GetValue(proxyPort),
                ProxyKey = parse.GetValue(proxyKey),
                Email = parse.GetValue(email),
                Password = parse.GetValue(password),
                Token = parse.GetValue(token),
                Scenario = parse.GetValue(scenario)!,
                Duration = Span(parse.GetValue(duration)),
                PollInterval = Span(parse.GetValue(pollInterval)),
                TimeScale = parse.GetValue(timeScale),
                RampUp = Span(parse.GetValue(rampUp)),
                BytesPerSecond = parse.GetValue(bandwidth),
                Concurrency = parse.GetValue(concurrency),
                NewConnections = parse.GetValue(newConnections),
                LogLines = !parse.GetValue(noLogs),
                Ca = parse.GetValue(ca),
                Log = parse.GetValue(log),
                Verify = parse.GetValue(verify),
                Report = parse.GetValue(report),
                SampleInterval = TimeSpan.FromSeconds(parse.GetValue(sample)),
                TimeoutMargin = TimeSpan.FromSeconds(parse.GetValue(margin)),
                OfflineAfter = TimeSpan.FromSeconds(parse.GetValue(offline)),
                Tolerance = TimeSpan.FromSeconds(parse.GetValue(tolerance)),
            };
            return RunAsync(options, stop);
        });
        return command;
    }

    private static async Task<int> RunAsync(SimulationOptions options, CancellationToken stop)
    {
        try
        {
            return await Simulation.RunAsync(options, Console.Out, !Console.IsOutputRedirected, TimeProvider.System, stop);
        }
        catch (Exception e) when (e is OperatorException or ScenarioException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"muster: {e.Message}");
            return Simulation.CouldNotCompare;
        }
    }
}
