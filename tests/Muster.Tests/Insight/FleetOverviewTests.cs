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
}
