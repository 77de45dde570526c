using Microsoft.Extensions.Time.Testing;
using Muster.Core.Status;
using Muster.Server.Presence;
using Muster.Storage;
using Muster.Storage.Migrations;
using Muster.Storage.Postgres;
using Muster.Tests.Storage;

namespace Muster.Tests.Presence;

public sealed class DatabaseAwayTests
{
    private readonly FakeTimeProvider time = new(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    [Fact]
    public async Task While_the_database_is_away_reports_are_refused_polls_are_not_and_nobody_times_out()
    {
        var server = await PostgresServer.StartAsync();
        await using var database = new PostgresDatabase(await server.CreateDatabaseAsync("away"));
        Migrator.Migrate(database);
        var fleet = new FleetFixture(database);
        var owner = await fleet.AddFleetAsync();
        var (online, silent, late) = (await fleet.AddDeviceAsync(owner), await fleet.AddDeviceAsync(owner), await fleet.AddDeviceAsync(owner));
        await using var node = await PresenceNode.StartAsync(database, time);
        await node.PollAsync(online);
        await node.PollAsync(silent);

        await server.StopServerAsync();
        await Assert.ThrowsAsync<DatabaseAwayException>(() => node.ReportAsync(online, new StateReport { CpuUsage = 40 }));
        Assert.False(node.Presence.IsListening);
        var observed = node.Get<ListeningClock>().Now;
        for (var minute = 0; minute < 10; minute++)
        {
            await node.PassAsync(TimeSpan.FromSeconds(60));
            await Assert.ThrowsAsync<DatabaseAwayException>(() => node.ReportAsync(online, new StateReport { CpuUsage = 40 }));
            await node.PollAsync(online);
        }

        // A device that was never seen polls: it is not refused, and not forgotten.
        await node.PollAsync(late);
        Assert.Equal(observed, node.Get<ListeningClock>().Now);

        await server.StartServerAsync();
        for (var second = 0; second < 60 && !node.Presence.IsListening; second++)
            await node.PassAsync(TimeSpan.FromSeconds(1));
        Assert.True(node.Presence.IsListening);
        await node.PassAsync(TimeSpan.FromSeconds(2));
        await node.ReportAsync(online, new StateReport { CpuUsage = 60 });

        Assert.Equal(0L, await fleet.ReadAsync("SELECT count(*) FROM transition WHERE cause = 'silence'"));
        var outage = Assert.Single(await OutageLogTests.OutagesAsync(database));
        Assert.Equal((ListeningGap.Database, true), (outage.Kind, outage.To - outage.From >= 600_000));
        Assert.Equal("online", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", silent.Id));
        Assert.Equal("online", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", late.Id));
        Assert.Equal(60, await fleet.ReadAsync("SELECT cpu_usage FROM device WHERE id = @p0", online.Id));

        await node.PassAsync(TimeSpan.FromSeconds(152));
        Assert.Equal("timeout", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", silent.Id));
        await node.StopAsync();
    }
}
