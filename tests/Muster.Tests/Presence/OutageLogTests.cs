using Microsoft.Extensions.Time.Testing;
using Muster.Server.Presence;
using Muster.Storage;
using Muster.Storage.Presence;
using Muster.Tests.Storage;

namespace Muster.Tests.Presence;

public sealed class OutageLogTests
{
    private readonly FakeTimeProvider time = new(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_stop_is_on_record_once_Muster_listens_again(string kind)
    {
        await using var database = await TestDatabases.CreateAsync(kind);
        await using (var first = await PresenceNode.StartAsync(database, time))
            await first.PassAsync(TimeSpan.FromSeconds(10));
        Assert.Empty(await OutagesAsync(database));

        var stopped = Now;
        time.Advance(TimeSpan.FromHours(2));
        await using var node = await PresenceNode.StartAsync(database, time);
        var told = new List<ListeningGap>();
        node.Presence.OutageEnded += told.Add;
        await node.PassAsync(TimeSpan.FromSeconds(1));

        var outage = Assert.Single(await OutagesAsync(database));
        Assert.Equal(("stopped", stopped, Now), (outage.Kind, outage.From, outage.To));
        Assert.Equal([outage], told);
        await node.PassAsync(TimeSpan.FromSeconds(10));
        Assert.Single(await OutagesAsync(database));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_crash_counts_from_the_last_that_was_written_down(string kind)
    {
        await using var database = await TestDatabases.CreateAsync(kind);
        var crashed = await PresenceNode.StartAsync(database, time);
        await crashed.PassAsync(TimeSpan.FromSeconds(10));
        var ended = Now;
        await crashed.CrashAsync();
        time.Advance(TimeSpan.FromMinutes(5));
        await using var node = await PresenceNode.StartAsync(database, time);
        await node.PassAsync(TimeSpan.FromSeconds(1));

        var outage = Assert.Single(await OutagesAsync(database));
        Assert.Equal(("killed", Now), (outage.Kind, outage.To));
        Assert.InRange(outage.From, ended - 4_000, ended);
    }

    [Fact]
    public async Task A_standstill_is_on_record_too()
    {
        await using var database = await TestDatabases.CreateAsync(TestDatabases.Sqlite);
        await using var node = await PresenceNode.StartAsync(database, time);
        await node.PassAsync(TimeSpan.FromSeconds(1));
        var paused = Now;
        time.Advance(TimeSpan.FromMinutes(1));
        await node.PassAsync(TimeSpan.Zero);
        Assert.Equal([new("paused", paused, paused + 60_000)], (await OutagesAsync(database)).Select(o => (o.Kind, o.From, o.To)));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Written_twice_an_outage_stands_once_and_goes_when_it_is_old(string kind)
    {
        await using var database = await TestDatabases.CreateAsync(kind);
        await database.WriteAsync(write => PresenceWriter.WriteOutageAsync(write, "1", 10, 20, "paused"));
        await database.WriteAsync(write => PresenceWriter.WriteOutageAsync(write, "1", 10, 30, "paused"));
        Assert.Equal([new(10, 30, "paused")], await OutagesAsync(database));
        await database.WriteAsync(write => PresenceWriter.PruneOutagesAsync(write, 30));
        Assert.Single(await OutagesAsync(database));
        await database.WriteAsync(write => PresenceWriter.PruneOutagesAsync(write, 31));
        Assert.Empty(await OutagesAsync(database));
    }

    internal static async Task<List<ListeningGap>> OutagesAsync(Database database)
    {
        await using var connection = await database.OpenReadAsync();
        await using var command = connection.Statement("SELECT from_at, to_at, kind FROM outage ORDER BY from_at");
        await using var reader = await command.ExecuteReaderAsync();
        var outages = new List<ListeningGap>();
        while (await reader.ReadAsync())
            outages.Add(new(reader.GetInt64(0), reader.GetInt64(1), reader.GetString(2)));
        return outages;
    }
}
