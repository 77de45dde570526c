using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Muster.Server.Dashboard.Live;
using Muster.Server.Presence;
using Muster.Tests.Resources;

namespace Muster.Tests.Dashboard;

public sealed class LivePagesTests
{
    [Fact]
    public async Task An_open_page_is_told_what_was_committed_and_a_closed_one_is_not()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        var (open, closed) = (new Page(), new Page());
        using var follows = Live(server).Follow(open.ShowAsync);
        Live(server).Follow(closed.ShowAsync).Dispose();

        await server.PollAsync(device);

        var facts = new HashSet<string>();
        while (!facts.IsSupersetOf(["is_active", "heartbeat", "overall_status"]))
            facts.UnionWith((await open.NextAsync()).Transitions.Where(t => t.DeviceId == device.Id).Select(t => t.Fact));
        Assert.False(closed.WasTold);
    }

    [Fact]
    public async Task What_people_change_is_told_too()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        var page = new Page();
        using var follows = Live(server).Follow(page.ShowAsync);
        await server.Presence.ChangedAsync(new InputChange("pin") { Devices = [device.Id] });
        while (!(await page.NextAsync()).Changes.Any(c => c.Devices.Contains(device.Id)))
        {
        }
    }

    [Fact]
    public async Task A_page_that_missed_something_is_told_so_and_goes_on()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var page = new Page();
        using var follows = Live(server).Follow(page.ShowAsync);
        var feed = server.Server.Services.GetRequiredService<LiveFeed>();
        feed.Publish([.. Enumerable.Range(1, 20_000).Select(i => new TransitionEvent(i, 1, 1, "", "test", null, "x", 0, "test"))]);
        while (!(await page.NextAsync()).HasGap)
        {
        }

        feed.Publish([new TransitionEvent(20_001, 7, 1, "", "test", null, "x", 0, "test")]);
        while (!(await page.NextAsync()).Transitions.Any(t => t.DeviceId == 7))
        {
        }
    }

    [Fact]
    public async Task A_page_in_trouble_disturbs_no_other_and_reads_anew()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var (first, second) = (new Page(), new Page());
        var fails = true;
        using var inTrouble = Live(server).Follow(batch => fails ? throw new InvalidOperationException("trouble") : first.ShowAsync(batch));
        using var follows = Live(server).Follow(second.ShowAsync);
        var feed = server.Server.Services.GetRequiredService<LiveFeed>();
        feed.Publish([new TransitionEvent(1, 7, 1, "", "test", null, "x", 0, "test")]);
        await second.NextAsync();
        fails = false;
        feed.Publish([new TransitionEvent(2, 7, 1, "", "test", null, "x", 0, "test")]);
        Assert.True((await first.NextAsync()).HasGap);
    }

    [Fact]
    public async Task Without_pages_nobody_listens_to_the_feed()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var feed = server.Server.Services.GetRequiredService<LiveFeed>();
        Assert.Equal(0, feed.Subscribers);
        var page = new Page();
        var follows = Live(server).Follow(page.ShowAsync);
        Assert.Equal(1, feed.Subscribers);
        follows.Dispose();
        while (feed.Subscribers > 0)
            await Task.Delay(20);
    }

    private static LivePages Live(ServerWithFleet server) => server.Server.Services.GetRequiredService<LivePages>();

    private sealed class Page
    {
        private readonly Channel<LiveBatch> batches = Channel.CreateUnbounded<LiveBatch>();

        public bool WasTold => batches.Reader.Count > 0;

        public Task ShowAsync(LiveBatch batch) => batches.Writer.WriteAsync(batch).AsTask();

        public async Task<LiveBatch> NextAsync() => await batches.Reader.ReadAsync();
    }
}
