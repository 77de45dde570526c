using System.Globalization;
using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Insight;

public sealed class DeviceTimelineTests
{
    private static readonly long Now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Lanes_show_what_the_device_was_and_why(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        await server.PollAsync(device);
        var timeline = await ReadAsync(server, device, "");
        Assert.Equal(["inactive", "reduced-functionality"], Values(timeline, "overall_status"));
        Assert.Equal(["unknown", "online"], Values(timeline, "heartbeat"));
        Assert.Equal(["disconnected"], Values(timeline, "cloudlink"));
        Assert.Equal(["none"], Values(timeline, "update_status"));
        Assert.Equal("poll", (string?)timeline["heartbeat"]![1]!["cause"]);
        Assert.Equal((string)timeline["heartbeat"]![0]!["to"]!, (string)timeline["heartbeat"]![1]!["from"]!);
        Assert.Equal((string)timeline["to"]!, (string)timeline["heartbeat"]![1]!["to"]!);
        Assert.Equal(1, (double)timeline["uptime"]!["share"]!);
        Assert.False((bool)timeline["is_condensed"]!);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_range_in_the_past_shows_what_held_then(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        await AddAsync(server, device, "heartbeat", "unknown", "online", Now - 5_000_000);
        await AddAsync(server, device, "heartbeat", "online", "offline", Now - 3_000_000);
        await AddAsync(server, device, "heartbeat", "offline", "online", Now - 1_000_000);
        await AddAsync(server, device, "overall_status", "inactive", "operational", Now - 5_000_000);
        await AddAsync(server, device, "cloudlink", "connected", "disconnected", Now - 1_000_000);

        var timeline = await ReadAsync(server, device, $"?from={Now - 4_000_000}&to={Now - 2_000_000}");
        Assert.Equal(["online", "offline"], Values(timeline, "heartbeat"));
        Assert.Equal("test", (string?)timeline["heartbeat"]![0]!["cause"]);
        Assert.Equal(["operational"], Values(timeline, "overall_status"));
        // Only what came later says that it was connected then.
        Assert.Equal(["connected"], Values(timeline, "cloudlink"));
        Assert.Equal(1, (double)timeline["uptime"]!["share"]!);

        await server.Fixture.DoAsync("INSERT INTO outage (node, from_at, to_at, kind) VALUES ('1', @p0, @p1, 'stopped')", Now - 3_500_000, Now - 3_000_000);
        timeline = await ReadAsync(server, device, $"?from={Now - 4_000_000}&to={Now - 2_000_000}");
        Assert.Equal(1_500_000, (long)timeline["uptime"]!["counted_ms"]!);
        Assert.Equal("stopped", (string)timeline["outages"]![0]!["kind"]!);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Before_a_device_was_registered_nothing_is_said_of_it(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        await server.Fixture.DoAsync("UPDATE device SET created_at = @p1 WHERE id = @p0", device.Id, Now - 60_000);
        var timeline = await ReadAsync(server, device, "");
        Assert.Equal(Now - 60_000, At(timeline["known_from"]));
        Assert.Equal(Now - 60_000, At(timeline["overall_status"]![0]!["from"]));
        Assert.Null(timeline["uptime"]!["share"]);
        Assert.Empty(Values(await ReadAsync(server, device, $"?from={Now - 200_000}&to={Now - 100_000}"), "overall_status"));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_device_that_flaps_all_the_time_fits_in_an_answer_too(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        await server.Fixture.DoAsync(
            $"""
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 7999)
            INSERT INTO transition (device_id, fleet_id, fact, from_value, to_value, at, cause)
            SELECT @p0, 1, 'heartbeat', CASE i % 2 WHEN 0 THEN 'online' ELSE 'offline' END, CASE i % 2 WHEN 0 THEN 'offline' ELSE 'online' END, {Now - 80_000_000} + 8000 * i, 'test' FROM n
            """, device.Id);
        var timeline = await ReadAsync(server, device, "");
        Assert.True((bool)timeline["is_condensed"]!);
        Assert.InRange(timeline["heartbeat"]!.AsArray().Count, 100, 500);
        Assert.Equal(8_001, timeline["heartbeat"]!.AsArray().Sum(i => Math.Max(1, (int)i!["condensed"]!)));
    }

    [Fact]
    public async Task It_is_for_those_who_see_the_device()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        var stranger = await server.LogInAsAsync(Role.Administrator, await server.Fixture.AddFleetAsync());
        var path = $"/muster/v1/devices/{device.Uuid}/timeline";
        Assert.Equal(200, (await server.GetAsync(path, await server.LogInAsAsync(Role.Observer))).Status);
        Assert.Equal(404, (await server.GetAsync(path, stranger)).Status);
        Assert.Equal(401, (await server.GetAsync(path, null)).Status);
        Assert.Equal(400, (await server.GetAsync($"{path}?from=5&to=4", server.Admin)).Status);
        Assert.Equal(400, (await server.GetAsync($"{path}?from=soon", server.Admin)).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Outages_are_shown_to_whoever_is_signed_in(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        foreach (var (from, to) in new[] { (100L, 200L), (300L, 400L) })
            await server.Fixture.DoAsync("INSERT INTO outage (node, from_at, to_at, kind) VALUES ('1', @p0, @p1, 'database')", from, to);
        var observer = await server.LogInAsAsync(Role.Observer);
        async Task<IEnumerable<long>> BeginningsAsync(string query) =>
            (await server.GetAsync($"/muster/v1/outages{query}", observer)).Json["outages"]!.AsArray().Select(o => At(o!["from"]));
        Assert.Equal([100, 300], await BeginningsAsync("?from=0&to=1000"));
        Assert.Equal([300], await BeginningsAsync("?from=200&to=301"));
        Assert.Empty(await BeginningsAsync(""));
        Assert.Equal(401, (await server.GetAsync("/muster/v1/outages", null)).Status);
        Assert.Equal(401, (await server.GetAsync("/muster/v1/outages", (await server.AddDeviceAsync()).Key)).Status);
    }

    private static long At(JsonNode? instant) => DateTimeOffset.Parse((string)instant!, CultureInfo.InvariantCulture).ToUnixTimeMilliseconds();

    private static string[] Values(JsonNode timeline, string lane) => [.. timeline[lane]!.AsArray().Select(i => (string)i!["value"]!)];

    private static async Task<JsonNode> ReadAsync(ServerWithFleet server, FixtureDevice device, string query)
    {
        var answer = await server.GetAsync($"/muster/v1/devices/{device.Uuid}/timeline{query}", server.Admin);
        Assert.True(answer.Status == 200, $"{answer.Status} {answer.Text}");
        return answer.Json;
    }

    private static Task AddAsync(ServerWithFleet server, FixtureDevice device, string fact, string from, string to, long at) => server.Fixture.DoAsync(
        "INSERT INTO transition (device_id, fleet_id, fact, from_value, to_value, at, cause) VALUES (@p0, @p1, @p2, @p3, @p4, @p5, 'test')", device.Id, device.FleetId, fact, from, to, at);
}
