using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Muster.Core.Access;
using Muster.Server.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Resources;

/// <summary>What a page reads and writes in this process is what the API would answer the same person.</summary>
public sealed class ResourceAccessTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Rows_and_counts_are_those_of_the_api(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        foreach (var _ in Enumerable.Range(0, 3))
            await server.AddDeviceAsync();
        var caller = await CallerAsync(server, server.Admin);
        const string path = "device?$select=id,uuid,overall_status&$orderby=uuid&$expand=belongs_to__application($select=slug)";
        var rows = await Access(server).ReadAsync(caller, path);
        var answered = (await server.GetAsync("/v7/" + path, server.Admin)).Rows;
        Assert.Equal(answered.Select(r => r!.ToJsonString()), rows.Select(r => JsonNode.Parse(r.GetRawText())!.ToJsonString()));
        Assert.Equal(3, await Access(server).CountAsync(caller, "device/$count?$filter=overall_status eq 'inactive'"));
    }

    [Fact]
    public async Task Nobody_sees_or_changes_what_is_not_theirs()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var other = await server.Fixture.AddFleetAsync();
        var (mine, hidden) = (await server.AddDeviceAsync(), await server.AddDeviceAsync(other));
        var observer = await CallerAsync(server, await server.LogInAsAsync(Role.Observer));
        Assert.Equal([mine.Uuid], (await Access(server).ReadAsync(observer, "device?$select=uuid")).Select(r => r.GetProperty("uuid").GetString()));

        var refused = await Assert.ThrowsAsync<ResourceRefusedException>(() => Access(server).ChangeAsync(observer, $"device(uuid='{mine.Uuid}')", new JsonObject { ["note"] = "x" }));
        Assert.Equal("Your role does not allow this.", refused.Message);
        var person = await CallerAsync(server, await server.LogInAsAsync(Role.Operator));
        await Access(server).ChangeAsync(person, $"device(uuid='{mine.Uuid}')", new JsonObject { ["note"] = "mine" });
        await Access(server).ChangeAsync(person, $"device(uuid='{hidden.Uuid}')", new JsonObject { ["note"] = "hidden" });
        Assert.Equal("mine", await server.Fixture.ReadAsync("SELECT note FROM device WHERE id = @p0", mine.Id));
        Assert.True(await server.Fixture.ReadAsync("SELECT note FROM device WHERE id = @p0", hidden.Id) is null or DBNull);
    }

    [Fact]
    public async Task Rows_are_made_and_removed_with_their_consequences()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        var caller = await CallerAsync(server, server.Admin);
        var tag = await Access(server).CreateAsync(caller, "device_tag", new JsonObject { ["device"] = device.Id, ["tag_key"] = "site", ["value"] = "north" });
        Assert.Equal("north", tag.GetProperty("value").GetString());
        await Access(server).PutAsync(caller, $"device_tag(device={device.Id},tag_key={ResourceAccess.Text("site")})", new JsonObject { ["device"] = device.Id, ["tag_key"] = "site", ["value"] = "south" });
        Assert.Equal("south", await server.Fixture.ReadAsync("SELECT value FROM device_tag WHERE device_id = @p0", device.Id));
        await Access(server).RemoveAsync(caller, $"device_tag?$filter=device eq {device.Id}");
        Assert.Equal(0L, await server.Fixture.ReadAsync("SELECT count(*) FROM device_tag WHERE device_id = @p0", device.Id));
    }

    [Theory]
    [InlineData("device?$filter=nonsense(")]
    [InlineData("device?$filter=no_such_field eq 1")]
    [InlineData("no_such_resource")]
    public async Task A_question_that_is_none_is_refused_with_a_sentence(string path)
    {
        await using var server = await ServerWithFleet.StartAsync();
        var caller = await CallerAsync(server, server.Admin);
        var refused = await Assert.ThrowsAsync<ResourceRefusedException>(() => Access(server).ReadAsync(caller, path));
        Assert.NotEmpty(refused.Message);
    }

    [Fact]
    public void A_literal_stays_a_literal() => Assert.Equal("%27it%27%27s%20%26%20so%27", ResourceAccess.Text("it's & so"));

    private static ResourceAccess Access(ServerWithFleet server) => server.Server.Services.GetRequiredService<ResourceAccess>();

    private static ValueTask<Caller> CallerAsync(ServerWithFleet server, string token) =>
        server.Server.Services.GetRequiredService<Callers>().OfTokenAsync(token, CancellationToken.None);
}
