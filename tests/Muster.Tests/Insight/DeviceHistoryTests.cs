using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Insight;

public sealed class DeviceHistoryTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Transitions_are_read_in_a_span_and_in_pages(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        // Two at the same instant, so that a page may end between them.
        foreach (var (at, to) in new[] { (1_000, "a"), (2_000, "b"), (2_000, "c"), (3_000, "d") })
            await server.Fixture.DoAsync("INSERT INTO transition (device_id, fleet_id, fact, from_value, to_value, at, cause) VALUES (@p0, @p1, 'overall_status', NULL, @p2, @p3, 'test')", device.Id, device.FleetId, to, (long)at);

        Assert.Equal(["a", "b", "c", "d"], (await ReadAsync(server, device, "")).Words);
        Assert.Equal(["b", "c"], (await ReadAsync(server, device, "?from=1970-01-01T00:00:02Z&to=3000")).Words);
        var first = await ReadAsync(server, device, "?limit=2");
        Assert.Equal(["a", "b"], first.Words);
        var second = await ReadAsync(server, device, $"?limit=2&after={first.Next}");
        Assert.Equal(["c", "d"], second.Words);
        Assert.Null(second.Next);
    }

    [Fact]
    public async Task What_happened_is_there_with_its_cause()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        await server.PollAsync(device);
        var answer = await server.GetAsync($"/muster/v1/devices/{device.Uuid}/history", server.Admin);
        var last = answer.Json["transitions"]!.AsArray()[^1]!;
        Assert.Equal(("overall_status", "inactive", "reduced-functionality", "poll"), ((string)last["fact"]!, (string)last["from"]!, (string)last["to"]!, (string)last["cause"]!));
    }

    [Theory]
    [InlineData("?from=yesterday")]
    [InlineData("?limit=0")]
    [InlineData("?limit=1001")]
    [InlineData("?after=x")]
    public async Task A_question_that_makes_no_sense_is_refused(string query)
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        Assert.Equal(400, (await server.GetAsync($"/muster/v1/devices/{device.Uuid}/history{query}", server.Admin)).Status);
    }

    private static async Task<(IEnumerable<string> Words, string? Next)> ReadAsync(ServerWithFleet server, FixtureDevice device, string query)
    {
        var answer = await server.GetAsync($"/muster/v1/devices/{device.Uuid}/history{query}", server.Admin);
        Assert.Equal(200, answer.Status);
        return (answer.Json["transitions"]!.AsArray().Select(t => (string)t!["to"]!), (string?)answer.Json["next"]);
    }
}
