using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Muster.Core.Access;
using Muster.Server.Dashboard.Actions;
using Muster.Server.Resources;
using Muster.Tests.Cloudlink;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Dashboard;

/// <summary>Doing something with many devices: each has its own answer, and nobody waits on a page for it.</summary>
public sealed class BulkJobsTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Tags_are_put_on_every_device_that_matches_and_taken_away_again(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var (one, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        await server.AddDeviceAsync(await server.Fixture.AddFleetAsync());
        var ours = BulkSelection.Matching($"belongs_to__application eq {server.Fleet.Id}", 2);

        var job = await RunAsync(server, server.Admin, new(BulkAct.AddTag, "tag") { TagKey = "site", TagValue = "it's Oslo" }, ours);
        Assert.Equal((2, 2, 0, 0L), (job.Total, job.Done, job.Failed, job.Left));
        Assert.Equal([one.Uuid, other.Uuid], job.Results(null, 0, 10).Rows.Select(r => r.Uuid).Order().OrderBy(u => u == one.Uuid ? 0 : 1));
        Assert.Equal(2L, await CountAsync(server, "SELECT count(*) FROM device_tag WHERE tag_key = 'site' AND value = 'it''s Oslo'"));

        await RunAsync(server, server.Admin, new(BulkAct.AddTag, "tag") { TagKey = "site", TagValue = "Bergen" }, BulkSelection.Of([one.Id]));
        Assert.Equal(1L, await CountAsync(server, "SELECT count(*) FROM device_tag WHERE value = 'Bergen'"));

        job = await RunAsync(server, server.Admin, new(BulkAct.RemoveTag, "untag") { TagKey = "site" }, ours);
        Assert.Equal((2, 0), (job.Done, job.Failed));
        Assert.Equal(0L, await CountAsync(server, "SELECT count(*) FROM device_tag"));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_device_that_refuses_does_not_keep_the_others_from_it(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var elsewhere = await server.Fixture.AddFleetAsync();
        var (mine, foreign) = (await server.AddDeviceAsync(), await server.AddDeviceAsync(elsewhere));
        var release = await server.Fixture.AddReleaseAsync(server.Fleet, "main");

        // A release is of one fleet: the write of both together is refused, and then each has its own answer.
        var job = await RunAsync(server, server.Admin, new(BulkAct.Pin, "pin") { Release = release.Id }, BulkSelection.Of([foreign.Id, mine.Id]));
        Assert.Equal((1, 1), (job.Done, job.Failed));
        var (rows, count) = job.Results(null, 0, 10);
        Assert.Equal((2, foreign.Uuid, mine.Uuid), (count, rows[0].Uuid, rows[1].Uuid));
        Assert.StartsWith("It is necessary that each release", rows[0].Sentence, StringComparison.Ordinal);
        Assert.Equal(release.Id, await server.Fixture.ReadAsync("SELECT pinned_release_id FROM device WHERE id = @p0", mine.Id));
        Assert.Null(await server.Fixture.ReadAsync("SELECT pinned_release_id FROM device WHERE id = @p0", foreign.Id));

        job = await RunAsync(server, server.Admin, new(BulkAct.Track, "track"), BulkSelection.Of([mine.Id]));
        Assert.Null(await server.Fixture.ReadAsync("SELECT pinned_release_id FROM device WHERE id = @p0", mine.Id));
        Assert.Equal(1, job.Done);
    }

    [Fact]
    public async Task Each_device_is_judged_by_the_persons_role_in_its_organization()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var elsewhere = await server.Fixture.AddFleetAsync();
        var (mine, foreign) = (await server.AddDeviceAsync(), await server.AddDeviceAsync(elsewhere));
        var token = await server.LogInAsAsync(Role.Operator);
        var both = BulkSelection.Of([mine.Id, foreign.Id]);

        var job = await RunAsync(server, token, new(BulkAct.AddTag, "tag") { TagKey = "a", TagValue = "1" }, both);
        Assert.Equal([(foreign.Id, "There is no such device."), (mine.Id, null)], job.Results(null, 0, 10).Rows.Select(r => (r.Id, r.Sentence)));
        // Deactivation asks for more than an operator.
        job = await RunAsync(server, token, new(BulkAct.Deactivate, "deactivate"), both);
        Assert.Equal(["There is no such device.", "Your role does not allow this."], job.Results(null, 0, 10).Rows.Select(r => r.Sentence).Order(StringComparer.Ordinal));
        // A role that was taken away ends at once, also in what runs.
        job = await RunAsync(server, token, new(BulkAct.AddTag, "tag") { TagKey = "a", TagValue = "2" }, both, again: _ => ValueTask.FromResult(Caller.Anonymous));
        Assert.Equal(["Your session is over."], job.Results(null, 0, 10).Rows.Select(r => r.Sentence).Distinct());
    }

    [Fact]
    public async Task Devices_are_called_and_those_without_a_cloudlink_say_so()
    {
        using var tunnel = new TunnelServer(call => call.Url.StartsWith("/v1/reboot", StringComparison.Ordinal) ? TunnelServer.Http(202, "application/json", """{"Data":"OK"}""") : TunnelServer.Http(423, "text/plain", "locked"));
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var (connected, away) = (await server.AddConnectedDeviceAsync(), await server.AddDeviceAsync());
        var job = await RunAsync(server, server.Admin, new(BulkAct.Reboot, "reboot"), BulkSelection.Of([connected.Id, away.Id]));
        Assert.Equal([(away.Id, "Reboot needs the cloudlink, which was never up."), (connected.Id, null)], job.Results(null, 0, 10).Rows.Select(r => (r.Id, r.Sentence)));
        job = await RunAsync(server, server.Admin, new(BulkAct.Purge, "purge"), BulkSelection.Of([connected.Id]));
        Assert.Equal("An update lock on the device stands against it: locked", job.Results(null, 0, 10).Rows[0].Sentence);
    }

    [Fact]
    public async Task Devices_that_failed_are_tried_again_or_wait_until_they_are_back()
    {
        using var tunnel = new TunnelServer(call => call.Url.StartsWith("/v1/reboot", StringComparison.Ordinal) ? TunnelServer.Http(423, "text/plain", "locked") : TunnelServer.Http(404, "text/plain", ""));
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var (locked, away) = (await server.AddConnectedDeviceAsync(), await server.AddDeviceAsync());
        var job = await RunAsync(server, server.Admin, new(BulkAct.Reboot, "reboot"), BulkSelection.Of([locked.Id, away.Id]));
        Assert.Equal([locked.Id, away.Id], job.FailedDevices().Ids!.Order());
        // A device that answered can be asked again; to wait for it would not help.
        Assert.Equal([away.Id], job.FailedDevices(onlyAway: true).Ids!);

        var later = await RunAsync(server, server.Admin, job.Task with { WhenBack = true }, job.FailedDevices(onlyAway: true));
        Assert.Equal((1, 1, 0), (later.Total, later.Done, later.Failed));
        Assert.Equal("queued", await server.Fixture.ReadAsync("SELECT state FROM queued_action WHERE device_id = @p0", away.Id));
    }

    [Fact]
    public async Task A_device_that_was_named_twice_is_done_once()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        var job = await RunAsync(server, server.Admin, new(BulkAct.Activate, "activate"), BulkSelection.Of([device.Id, device.Id]));
        Assert.Equal((1L, 1, 0L), (job.Total, job.Done, job.Left));
    }

    [Fact]
    public async Task A_stopped_job_begins_no_further_device_and_keeps_what_was_done()
    {
        var reached = new TaskCompletionSource();
        var released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var tunnel = TunnelServer.Slow(async _ =>
        {
            reached.TrySetResult();
            await released.Task;
            return TunnelServer.Http(202, "text/plain", "OK");
        });
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        List<long> ids = [];
        for (var i = 0; i < 20; i++)
            ids.Add((await server.AddConnectedDeviceAsync()).Id);
        var job = await BeginAsync(server, server.Admin, new(BulkAct.Reboot, "reboot"), BulkSelection.Of(ids));
        await reached.Task.WaitAsync(TimeSpan.FromMinutes(3));
        job.Stop();
        await UntilEndAsync(job);
        released.SetResult();
        // Those under way say that they may have been done; the others were not begun.
        Assert.InRange(job.Failed, 1, 16);
        Assert.Equal("Stopped while the device was being asked; it may have done it.", job.Results(false, 0, 1).Rows[0].Sentence);
        Assert.Equal(20, job.Failed + job.Left);
        Assert.True(job.Left >= 4);
    }

    [Fact]
    public async Task Jobs_are_private_and_bounded()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var jobs = Jobs(server);
        var device = await server.AddDeviceAsync();
        var mine = await CallerAsync(server, await server.LogInAsAsync(Role.Operator));
        var other = await CallerAsync(server, await server.LogInAsAsync(Role.Operator));
        var never = new TaskCompletionSource<Caller>();
        BulkJob Begin(Caller caller, long count = 1) => jobs.Begin(caller, async cancellation => await never.Task.WaitAsync(cancellation), new(BulkAct.Track, "track"), new([device.Id], null, count));

        List<BulkJob> running = [.. Enumerable.Range(0, BulkJobs.MostRunning).Select(_ => Begin(mine))];
        Assert.Equal(BulkJobs.MostRunning, jobs.Of(mine).Count);
        Assert.Empty(jobs.Of(other));
        Assert.Null(jobs.Find(other, running[0].Id));
        Assert.Same(running[0], jobs.Find(mine, running[0].Id));
        Assert.Throws<ResourceRefusedException>(() => Begin(mine));
        Assert.Throws<ResourceRefusedException>(() => Begin(other, BulkJobs.MostDevices + 1));

        running[0].Stop();
        await UntilEndAsync(running[0]);
        Assert.Equal(1, running[0].Left);
        Begin(mine).Stop();
    }

    [Fact]
    public async Task Of_many_jobs_the_oldest_finished_one_is_forgotten()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        List<BulkJob> begun = [];
        for (var i = 0; i <= BulkJobs.MostJobs; i++)
            begun.Add(await RunAsync(server, server.Admin, new(BulkAct.Track, "track"), BulkSelection.Of([device.Id])));
        Assert.Equal(begun[1..], Jobs(server).Of(await CallerAsync(server, server.Admin)).Reverse());
    }

    [Fact]
    public async Task While_the_database_is_away_devices_fail_one_by_one_and_what_was_done_stays()
    {
        var postgres = await PostgresServer.StartAsync();
        var connection = await postgres.CreateDatabaseAsync("away");
        await using var server = await ServerWithFleet.StartAsync(configure: builder => builder.Configuration["database"] = connection);
        List<long> ids = [];
        for (var i = 0; i < 150; i++)
            ids.Add((await server.AddDeviceAsync()).Id);
        var caller = await CallerAsync(server, server.Admin);
        // Whoever asks between the parts: the job, or the watch over what is open.
        BulkJob? begun = null;
        var stopped = new Lazy<Task>(() => postgres.StopServerAsync());
        var job = begun = Jobs(server).Begin(caller, async _ =>
        {
            if (begun is { Done: 100 })
                await stopped.Value;
            return caller;
        }, new(BulkAct.Activate, "activate"), BulkSelection.Of(ids));
        await UntilEndAsync(job);
        Assert.Equal((100, 50, 0L), (job.Done, job.Failed, job.Left));
        Assert.All(job.Results(false, 0, 50).Rows, row => Assert.Equal("The database was away: nothing was done.", row.Sentence));
        await postgres.StartServerAsync();
    }

    private static BulkJobs Jobs(ServerWithFleet server) => server.Server.Services.GetRequiredService<BulkJobs>();

    private static async Task<Caller> CallerAsync(ServerWithFleet server, string token) => await server.Server.Callers.OfTokenAsync(token, CancellationToken.None);

    private static async Task<BulkJob> BeginAsync(ServerWithFleet server, string token, BulkTask task, BulkSelection selection, Func<CancellationToken, ValueTask<Caller>>? again = null) =>
        Jobs(server).Begin(await CallerAsync(server, token), again ?? (cancellation => server.Server.Callers.OfTokenAsync(token, cancellation)), task, selection);

    private static async Task<BulkJob> RunAsync(ServerWithFleet server, string token, BulkTask task, BulkSelection selection, Func<CancellationToken, ValueTask<Caller>>? again = null)
    {
        var job = await BeginAsync(server, token, task, selection, again);
        await UntilEndAsync(job);
        Assert.Null(job.Trouble);
        return job;
    }

    private static async Task UntilEndAsync(BulkJob job)
    {
        var ended = new TaskCompletionSource();
        void Look()
        {
            if (!job.IsRunning)
                ended.TrySetResult();
        }

        job.Changed += Look;
        Look();
        await ended.Task.WaitAsync(TimeSpan.FromMinutes(3));
    }

    private static async Task<long> CountAsync(ServerWithFleet server, string sql) => Convert.ToInt64(await server.Fixture.ReadAsync(sql), CultureInfo.InvariantCulture);
}
