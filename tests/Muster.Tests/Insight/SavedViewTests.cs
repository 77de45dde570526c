using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Server.Insight;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Insight;

public sealed class SavedViewTests
{
    private const string Path = "/muster/v1/views";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_view_is_kept_under_its_name_and_replaced_by_one_of_the_same_name(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var me = await server.LogInAsAsync(Role.Observer);
        Assert.Equal(200, (await SaveAsync(server, me, "Berlin", "?status=disconnected")).Status);
        Assert.Equal(200, (await SaveAsync(server, me, "Athens", "tag=site:athens")).Status);
        var again = await SaveAsync(server, me, " Berlin ", "status=operational");
        Assert.Equal("Athens=tag=site:athens Berlin=status=operational", await ListAsync(server, me));
        Assert.Equal(204, (await server.Server.SendAsync("DELETE", $"{Path}/{again.Json["id"]}", me)).Status);
        Assert.Equal("Athens=tag=site:athens", await ListAsync(server, me));
    }

    [Fact]
    public async Task Everybody_has_views_of_their_own()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var (me, you) = (await server.LogInAsAsync(Role.Observer), await server.LogInAsAsync(Role.Administrator));
        var mine = (await SaveAsync(server, me, "Mine", "a=1")).Json;
        Assert.Equal("", await ListAsync(server, you));
        Assert.Equal(404, (await server.Server.SendAsync("DELETE", $"{Path}/{mine["id"]}", you)).Status);
        Assert.Equal("Mine=a=1", await ListAsync(server, me));
        var device = await server.AddDeviceAsync();
        foreach (var nobody in (string?[])[null, device.Key])
        {
            Assert.Equal(401, (await server.GetAsync(Path, nobody)).Status);
            Assert.Equal(401, (await SaveAsync(server, nobody, "x", "y")).Status);
        }
    }

    [Fact]
    public async Task There_is_an_end_to_everything()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var me = await server.LogInAsAsync(Role.Observer);
        foreach (var (name, query) in new (string?, string?)[] { ("", "a=1"), (new('x', 101), "a=1"), ("x", new('x', 4_097)), ("x\n", null), ("a\0b", "a=1"), ("x", "a\0") })
            Assert.Equal(400, (await SaveAsync(server, me, name, query)).Status);
        Assert.Equal(400, (await server.Server.SendAsync("PUT", Path, me, new StringContent("nonsense"))).Status);
        for (var i = 0; i < SavedViews.MostPerAccount; i++)
            Assert.Equal(200, (await SaveAsync(server, me, $"view {i}", "a=1")).Status);
        Assert.Equal(400, (await SaveAsync(server, me, "one more", "a=1")).Status);
        Assert.Equal(200, (await SaveAsync(server, me, "view 7", "a=2")).Status);
    }

    private static Task<Answer> SaveAsync(ServerWithFleet server, string? token, string? name, string? query) =>
        server.Server.SendAsync("PUT", Path, token, new JsonObject { ["name"] = name, ["query"] = query });

    private static async Task<string> ListAsync(ServerWithFleet server, string token) =>
        string.Join(' ', (await server.GetAsync(Path, token)).Json["views"]!.AsArray().Select(v => $"{v!["name"]}={v["query"]}"));
}
