using Microsoft.Extensions.DependencyInjection;
using Muster.Core.Access;
using Muster.Server.Presence;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Insight;

public sealed class EventStreamTests
{
    private static readonly string[] FirstPoll = ["is_active: false -> true", "heartbeat: unknown -> online", "overall_status: inactive -> reduced-functionality"];

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Transitions_come_as_they_happen_and_again_from_the_history(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        using var live = await OpenAsync(server, server.Admin);
        Assert.Equal("text/event-stream", live.ContentType);
        Assert.Equal("no", live.ProxyBuffering);
        var start = (await live.NextAsync())!.Id!;
        await server.PollAsync(device);
        var events = await TakeAsync(live, 3);
        Assert.Equal(FirstPoll, events.Select(e => e.Change));
        Assert.Equal((device.Uuid, device.Id, "poll"), ((string)events[0].Data!["uuid"]!, (long)events[0].Data!["device"]!, (string)events[0].Data!["cause"]!));

        using var resumed = await OpenAsync(server, server.Admin, lastEventId: events[0].Id);
        Assert.Equal(FirstPoll[1..], (await TakeAsync(resumed, 2)).Select(e => e.Change));
        using var fromStart = await OpenAsync(server, server.Admin, lastEventId: start);
        Assert.Equal(events.Select(e => e.Id), (await TakeAsync(fromStart, 3)).Select(e => e.Id));
    }

    [Fact]
    public async Task A_reader_gets_only_what_it_may_see_and_asked_for()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var fleet = await server.Fixture.AddFleetAsync();
        var (mine, hidden) = (await server.AddDeviceAsync(fleet), await server.AddDeviceAsync());
        using var observer = await OpenAsync(server, await server.LogInAsAsync(Role.Observer, fleet));
        using var oneFleet = await OpenAsync(server, server.Admin, $"?fleet={fleet.Id}");
        using var oneDevice = await OpenAsync(server, server.Admin, $"?device={mine.Uuid}");
        using var itself = await OpenAsync(server, mine.Key);
        var readers = new[] { observer, oneFleet, oneDevice, itself };
        foreach (var reader in readers)
            await reader.NextAsync();
        await server.PollAsync(hidden);
        await server.PollAsync(mine);
        foreach (var reader in readers)
            Assert.All(await TakeAsync(reader, 3), e => Assert.Equal(mine.Id, (long)e.Data!["device"]!));
    }

    [Fact]
    public async Task A_reader_that_does_not_keep_up_is_told_and_cut_and_resumes_by_id()
    {
        await using var server = await ServerWithFleet.StartAsync(configure: builder => builder.Configuration["Insight:StreamBuffer"] = "1");
        var device = await server.AddDeviceAsync();
        using var slow = await OpenAsync(server, server.Admin);
        var start = (await slow.NextAsync())!.Id!;
        var feed = server.Server.Services.GetRequiredService<LiveFeed>();
        while (feed.Subscribers == 0)
            await Task.Yield();
        // More in one commit than may wait.
        feed.Publish([.. Enumerable.Range(1, 50).Select(i => new TransitionEvent(long.Parse(start, System.Globalization.CultureInfo.InvariantCulture) + i, device.Id, device.FleetId, device.Uuid, "test", null, "x", 0, "test"))]);
        var last = default(StreamEvent);
        while (await slow.NextAsync() is { } next)
            last = next;
        Assert.Equal("cut", last!.Name);
        Assert.Equal(0, feed.Subscribers);
    }

    [Fact]
    public async Task A_reader_that_asks_for_more_than_is_kept_is_told_of_the_gap()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        await server.PollAsync(device);
        var oldest = (long)(await server.Fixture.ReadAsync("SELECT max(id) FROM transition"))!;
        await server.Fixture.DoAsync("DELETE FROM transition WHERE id < @p0", oldest);
        await server.Fixture.DoAsync("UPDATE transition SET id = id + 100 WHERE id = @p0", oldest);
        using var reader = await OpenAsync(server, server.Admin, lastEventId: "1");
        var first = await reader.NextAsync();
        Assert.Equal(("gap", oldest + 100), (first!.Name, (long)first.Data!["oldest"]!));
        Assert.Equal((oldest + 100).ToString(System.Globalization.CultureInfo.InvariantCulture), (await reader.NextTransitionAsync()).Id);
    }

    [Fact]
    public async Task Strangers_and_one_reader_too_many_are_refused()
    {
        await using var server = await ServerWithFleet.StartAsync(configure: builder => builder.Configuration["Insight:MaxStreams"] = "1");
        Assert.Equal(401, (await server.GetAsync("/muster/v1/events", null)).Status);
        Assert.Equal(400, (await server.GetAsync("/muster/v1/events?fleet=x", server.Admin)).Status);
        Assert.Equal(404, (await server.GetAsync("/muster/v1/events?device=nobody", server.Admin)).Status);
        using var first = await OpenAsync(server, server.Admin);
        var second = await server.GetAsync("/muster/v1/events", server.Admin);
        Assert.Equal(503, second.Status);
        Assert.NotNull(second.RetryAfter);
    }

    private static Task<EventStreamReader> OpenAsync(ServerWithFleet server, string token, string query = "", string? lastEventId = null) =>
        EventStreamReader.OpenAsync(server.Server.Address, token, query, lastEventId);

    private static async Task<List<StreamEvent>> TakeAsync(EventStreamReader reader, int count)
    {
        List<StreamEvent> events = [];
        while (events.Count < count)
            events.Add(await reader.NextTransitionAsync());
        return events;
    }
}
