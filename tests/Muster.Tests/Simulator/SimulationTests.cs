using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Muster.Server;
using Muster.Simulator;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Simulator;

/// <summary>
/// A simulated fleet in real trouble against a whole server, forty times faster than life. How late the server is depends
/// on the machine, and is measured only; whether what it said was true does not.
/// </summary>
public sealed partial class SimulationTests
{
    private const string Fleet = "lab/bench";

    private const string Trouble = """
        { "name": "short and bad", "troubles": [
          { "kind": "power-off", "at": 240, "for": 400, "devices": "4" },
          { "kind": "site-outage", "at": 280, "for": 360, "site": 0, "sites": 6 },
          { "kind": "flapping", "at": 200, "for": 500, "period": 120, "devices": "3" },
          { "kind": "no-tunnel", "at": 240, "for": 200, "devices": "4" },
          { "kind": "no-heartbeat", "at": 240, "for": 360, "devices": "3" },
          { "kind": "hanging-requests", "at": 240, "for": 360, "devices": "2" },
          { "kind": "lost-answers", "at": 240, "for": 160, "devices": "2" },
          { "kind": "report-only", "at": 240, "for": 360, "devices": "2" },
          { "kind": "update-lock", "at": 200, "for": 200, "devices": "3" },
          { "kind": "slow-download", "at": 0, "for": 400, "devices": "4" },
          { "kind": "rejected-release", "at": 0, "for": 300, "devices": "2" },
          { "kind": "os-update", "at": 400, "for": 160, "devices": "2" },
          { "kind": "reboot", "at": 300, "devices": "3", "spread": 200 },
          { "kind": "restart", "at": 300, "devices": "3", "spread": 200 } ] }
        """;

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task In_all_kinds_of_trouble_no_status_is_false(string kind)
    {
        await using var server = await StartAsync(kind);
        var options = await OptionsAsync(server) with { Devices = 30, Duration = TimeSpan.FromSeconds(24) };
        await File.WriteAllTextAsync(options.Scenario, Trouble);

        var (exit, text) = await RunAsync(options);

        Assert.True(exit == Simulation.Good, text + EventsOfThoseNamed(text, options.Log!));
        using var report = JsonDocument.Parse(await File.ReadAllTextAsync(options.Report!));
        Assert.Equal(30, report.RootElement.GetProperty("devices").GetInt32());
        Assert.True(report.RootElement.GetProperty("samples").GetInt32() > 300, text);
        var noticed = report.RootElement.GetProperty("delays").EnumerateArray().Select(d => d.GetProperty("what").GetString()).ToHashSet();
        Assert.Superset(new HashSet<string?> { "heartbeat lost", "device gone", "cloudlink up", "cloudlink down", "update downloading", "update done" }, noticed);
    }

    [Fact]
    public async Task A_lie_planted_in_the_database_is_found()
    {
        await using var server = await StartAsync(TestDatabases.Sqlite);
        var options = await OptionsAsync(server) with { Devices = 3, Duration = TimeSpan.FromSeconds(12) };
        await File.WriteAllTextAsync(options.Scenario, """{ "troubles": [] }""");
        var running = RunAsync(options);
        await Task.Delay(TimeSpan.FromSeconds(8));
        await server.Database.WriteAsync(async write =>
        {
            await using var command = write.Command("UPDATE device SET overall_status = 'disconnected'");
            await command.ExecuteNonQueryAsync();
        });

        var (exit, text) = await running;

        Assert.Equal(Simulation.SomethingWasFalse, exit);
        Assert.Contains("overall_status: said disconnected", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_reading_there_is_nothing_to_compare()
    {
        await using var server = await StartAsync(TestDatabases.Sqlite);
        var options = await OptionsAsync(server) with { Devices = 1, Duration = TimeSpan.FromMilliseconds(1), RampUp = TimeSpan.FromHours(1) };
        await File.WriteAllTextAsync(options.Scenario, """{ "troubles": [] }""");
        var (exit, text) = await RunAsync(options);
        Assert.Equal(Simulation.CouldNotCompare, exit);
        Assert.Contains("Nothing was compared.", text, StringComparison.Ordinal);
    }

    private static async Task<StartedServer> StartAsync(string kind)
    {
        var server = await StartedServer.StartAsync(kind, builder => builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Presence:PollIntervalFloor"] = "00:00:01",
            ["Presence:DefaultPollInterval"] = "00:00:02",
            ["Presence:TimeoutMargin"] = "00:00:02",
            ["Presence:OfflineAfter"] = "00:00:01",
        }));
        await new Seeding(server.Database, TimeProvider.System).RunAsync(new SeedOptions(Fleet, 1, 0, "", false), _ => { });
        return server;
    }

    private static async Task<SimulationOptions> OptionsAsync(StartedServer server) => new()
    {
        Server = server.Address.ToString(),
        Fleet = Fleet,
        Seed = Guid.NewGuid().ToString("N"),
        Token = await server.LogInAsync(),
        ServiceKey = await server.People.CreateServiceKeyAsync("tunnels"),
        Scenario = Path.Combine(server.DataDirectory, "scenario.json"),
        Report = Path.Combine(server.DataDirectory, "report.json"),
        Log = Path.Combine(server.DataDirectory, "truth.jsonl"),
        Verify = true,
        TimeScale = 40,
        PollInterval = TimeSpan.FromSeconds(2),
        RampUp = TimeSpan.FromSeconds(1),
        SampleInterval = TimeSpan.FromMilliseconds(500),
        TimeoutMargin = TimeSpan.FromSeconds(2),
        OfflineAfter = TimeSpan.FromSeconds(1),
        Tolerance = TimeSpan.FromSeconds(10),
    };

    /// <summary>What the devices that the report names really did: a false status is hard to understand without it.</summary>
    private static string EventsOfThoseNamed(string report, string log) =>
        string.Join('\n', File.ReadLines(log).Where(line => line.Contains("report", StringComparison.Ordinal) && Uuids().Matches(line).Any(uuid => report.Contains(uuid.Value, StringComparison.Ordinal))));

    [GeneratedRegex("[0-9a-f]{32}")]
    private static partial Regex Uuids();

    private static async Task<(int Exit, string Text)> RunAsync(SimulationOptions options)
    {
        await using var output = new StringWriter();
        var exit = await Simulation.RunAsync(options, output, isTerminal: false, TimeProvider.System, CancellationToken.None);
        return (exit, output.ToString());
    }
}
