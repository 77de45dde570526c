using Muster.Core.Access;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Insight;

public sealed class FleetOverviewTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Every_fleet_shows_how_many_devices_have_each_status(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var empty = await server.Fixture.AddFleetAsync();
        var (_, polling) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        await server.PollAsync(polling);

        var fleets = (await server.GetAsync("/muster/v1/fleets", server.Admin)).Json["fleets"]!.AsArray();
        Assert.Equal([server.Fleet.Id, empty.Id], fleets.Select(f => (long)f!["id"]!));
        Assert.Equal("""{"inactive":1,"reduced-functionality":1}""", fleets[0]!["statuses"]!.ToJsonString());
        Assert.Equal((2, 0), ((int)fleets[0]!["devices"]!, (int)fleets[1]!["devices"]!));
    }

    [Fact]
    public async Task Only_fleets_that_the_caller_may_see_are_shown_and_in_pages()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var other = await server.Fixture.AddFleetAsync();
        var observer = await server.LogInAsAsync(Role.Observer, other);
        var seen = (await server.GetAsync("/muster/v1/fleets", observer)).Json["fleets"]!.AsArray();
        Assert.Equal([other.Id], seen.Select(f => (long)f!["id"]!));
        Assert.Equal(401, (await server.GetAsync("/muster/v1/fleets", null)).Status);
        Assert.Equal(401, (await server.GetAsync("/muster/v1/fleets", (await server.AddDeviceAsync()).Key)).Status);

        var first = (await server.GetAsync("/muster/v1/fleets?limit=1", server.Admin)).Json;
        Assert.Equal(server.Fleet.Id, (long)first["next"]!);
        var second = (await server.GetAsync($"/muster/v1/fleets?limit=1&after={first["next"]}", server.Admin)).Json;
        Assert.Equal(other.Id, (long)second["fleets"]![0]!["id"]!);
        Assert.Null(second["next"]);
        Assert.Equal(400, (await server.GetAsync("/muster/v1/fleets?limit=5000", server.Admin)).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_card_shows_whose_fleet_it_is_and_what_its_devices_do(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var (release, _) = (await server.Fixture.AddReleaseAsync(server.Fleet, "main"), await server.AddDeviceAsync());
        var updating = await server.AddDeviceAsync();
        await server.PollAsync(updating);
        await server.Fixture.DoAsync("UPDATE device SET update_status = 'downloading' WHERE id = @p0", updating.Id);

        var card = (await server.GetAsync("/muster/v1/fleets?detail=true", server.Admin)).Json["fleets"]![0]!;
        Assert.Equal((server.Fleet.Name, server.Fleet.OrganizationId, release.Commit), ((string)card["name"]!, (long)card["organization"]!["id"]!, (string)card["target"]!["commit"]!));
        Assert.Equal("""{"downloading":1,"none":1}""", card["updates"]!.ToJsonString());
        Assert.Equal("""{"online":1,"unknown":1}""", card["heartbeats"]!.ToJsonString());
        Assert.Equal("""{"inactive":{"came":0,"left":1},"reduced-functionality":{"came":1,"left":0}}""", card["last_hour"]!.ToJsonString());
        Assert.Equal((string)(await server.GetAsync($"/muster/v1/devices/{updating.Uuid}/status", server.Admin)).Json["since"]!, (string)card["last_change_at"]!);
        Assert.Equal(0, (double)card["share_on_target"]!);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task The_share_on_target_counts_what_each_device_should_run_whatever_the_pins(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var releases = new List<long>();
        for (var i = 0; i < 3; i++)
            releases.Add((await server.Fixture.AddReleaseAsync(server.Fleet, "main")).Id);
        var random = new Random(3);
        long? Any() => random.Next(4) is var n && n < 3 ? releases[n] : null;
        for (var i = 0; i < 40; i++)
        {
            var device = await server.Fixture.AddDeviceAsync(server.Fleet);
            await server.Fixture.DoAsync("UPDATE device SET running_release_id = @p1, pinned_release_id = @p2 WHERE id = @p0", device.Id, Any(), random.Next(2) == 0 ? Any() : null);
        }

        foreach (var target in (long?[])[releases[0], releases[2], null])
        {
            await server.Fixture.DoAsync("UPDATE fleet SET target_release_id = @p1 WHERE id = @p0", server.Fleet.Id, target);
            var card = (await server.GetAsync("/muster/v1/fleets?detail=true", server.Admin)).Json["fleets"]![0]!;
            const string should = "coalesce(d.pinned_release_id, f.target_release_id)";
            var sql = $"SELECT count(*) FROM device d JOIN fleet f ON f.id = d.fleet_id WHERE d.fleet_id = @p0 AND {should}";
            Assert.Equal(await server.Fixture.ReadAsync($"{sql} = d.running_release_id", server.Fleet.Id), (long)card["on_target"]!);
            Assert.Equal(await server.Fixture.ReadAsync($"{sql} IS NOT NULL", server.Fleet.Id), (long)card["with_target"]!);
        }
    }

    [Fact]
    public async Task Cards_too_are_shown_to_whom_they_belong_and_in_pages()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var other = await server.Fixture.AddFleetAsync();
        var observer = await server.LogInAsAsync(Role.Observer, other);
        var seen = (await server.GetAsync("/muster/v1/fleets?detail=true&limit=1", observer)).Json;
        Assert.Equal((other.Id, true), ((long)seen["fleets"]![0]!["id"]!, seen["next"] is null));
        Assert.Equal(server.Fleet.Id, (long)(await server.GetAsync("/muster/v1/fleets?detail=true&limit=1", server.Admin)).Json["next"]!);
        Assert.Equal(401, (await server.GetAsync("/muster/v1/fleets?detail=true", (await server.AddDeviceAsync()).Key)).Status);
        Assert.Equal(400, (await server.GetAsync("/muster/v1/fleets?detail=yes", server.Admin)).Status);
    }
}
