using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Muster.Server.Cloudlink;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Presence;
using Muster.Storage.Migrations;
using Muster.Storage.Postgres;
using Muster.Tests.Presence;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink.Sessions;

/// <summary>When a device counts as connected, over all its tunnels and all lives of this node.</summary>
public sealed class CloudlinkSessionsTests : IAsyncDisposable
{
    private static readonly TimeSpan ReturnWithin = TimeSpan.FromSeconds(60);

    private readonly FakeTimeProvider time = new(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private FleetFixture? fleet;
    private FixtureDevice? device;
    private PresenceNode? node;
    private CloudlinkSessions? sessions;

    private CloudlinkSessions Sessions => sessions!;

    [Fact]
    public async Task A_device_is_connected_from_its_first_tunnel_to_the_end_of_its_last()
    {
        await StartAsync();
        var (older, newer) = (Session(), Session());
        Sessions.Open(older);
        await UntilAsync(connected: true);
        Sessions.Open(newer);
        Assert.Same(newer, Sessions.Find(device!.Uuid));
        Sessions.Close(newer);
        Assert.Same(older, Sessions.Find(device.Uuid));
        await PassAsync(TimeSpan.FromSeconds(5));
        Assert.Equal(["connected"], await HistoryAsync());
        Sessions.Close(older);
        Sessions.Close(older);
        await UntilAsync(connected: false);
        Assert.Equal(["connected", "disconnected"], await HistoryAsync());
    }

    [Fact]
    public async Task The_older_of_two_tunnels_may_end_last_or_first()
    {
        await StartAsync();
        var (older, newer) = (Session(), Session());
        Sessions.Open(older);
        Sessions.Open(newer);
        await UntilAsync(connected: true);
        Sessions.Close(older);
        await PassAsync(TimeSpan.FromSeconds(5));
        Assert.Same(newer, Sessions.Find(device!.Uuid));
        Assert.Equal(["connected"], await HistoryAsync());
    }

    [Fact]
    public async Task A_device_that_is_awaited_is_told_of_only_when_it_stays_away()
    {
        await StartAsync();
        var session = Session();
        Sessions.Open(session);
        await UntilAsync(connected: true);
        Sessions.Close(session, TimeSpan.FromSeconds(20));
        Assert.Null(Sessions.Find(device!.Uuid));
        await PassAsync(TimeSpan.FromSeconds(15));
        Sessions.Open(session = Session());
        await PassAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(["connected"], await HistoryAsync());

        Sessions.Close(session, TimeSpan.FromSeconds(20));
        await PassAsync(TimeSpan.FromSeconds(25));
        await UntilAsync(connected: false);
    }

    [Fact]
    public async Task What_could_not_be_told_while_the_database_was_away_is_told_after_it_and_the_last_word_counts()
    {
        var server = await PostgresServer.StartAsync();
        var database = new PostgresDatabase(await server.CreateDatabaseAsync("sessions"));
        Migrator.Migrate(database);
        fleet = new(database);
        device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        await StartAsync();
        var session = Session();
        Sessions.Open(session);
        await UntilAsync(connected: true);

        await server.StopServerAsync();
        Sessions.Close(session);
        await PassAsync(TimeSpan.FromSeconds(3));
        Sessions.Open(session = Session());
        await PassAsync(TimeSpan.FromSeconds(3));
        Sessions.Close(session);
        await PassAsync(TimeSpan.FromSeconds(3));
        await server.StartServerAsync();
        await UntilAsync(connected: false);
    }

    [Fact]
    public async Task After_a_restart_the_devices_of_the_earlier_life_are_awaited()
    {
        await StartAsync();
        Sessions.Open(Session());
        await UntilAsync(connected: true);
        await RestartAsync(TimeSpan.FromSeconds(5));
        await PassAsync(ReturnWithin);
        Assert.Equal(["connected"], await HistoryAsync());
        await PassAsync(TimeSpan.FromSeconds(10));
        await UntilAsync(connected: false);
    }

    [Fact]
    public async Task After_a_long_outage_they_are_awaited_for_longer_because_they_try_less_often()
    {
        await StartAsync();
        Sessions.Open(Session());
        await UntilAsync(connected: true);
        await RestartAsync(TimeSpan.FromHours(1));
        await PassAsync(ReturnWithin + TimeSpan.FromSeconds(110));
        Assert.Equal(["connected"], await HistoryAsync());
        var returned = Session();
        Sessions.Open(returned);
        await PassAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(["connected"], await HistoryAsync());
        Sessions.Close(returned);
        await UntilAsync(connected: false);
    }

    [Fact]
    public async Task A_word_of_an_earlier_life_does_not_override_one_of_a_later()
    {
        await StartAsync();
        Sessions.Open(Session());
        await UntilAsync(connected: true);
        var earlier = new GatewayInstance(fleet!.Database, time);
        await earlier.BeginAsync("1", CancellationToken.None);
        var old = earlier.NextEpoch();
        await RestartAsync(TimeSpan.FromSeconds(1));
        Sessions.Open(Session());
        await PassAsync(TimeSpan.FromSeconds(2));
        await node!.Presence.CloudlinkAsync(earlier.Id, [device!.Uuid], connected: false, old, CancellationToken.None);
        Assert.Equal(["connected"], await HistoryAsync());
    }

    [Fact]
    public async Task Tunnels_given_up_because_this_machine_stood_still_are_awaited()
    {
        await StartAsync();
        var session = Session();
        Sessions.Open(session);
        await UntilAsync(connected: true);
        time.Advance(TimeSpan.FromMinutes(10));
        Sessions.Close(session);
        await PassAsync(TimeSpan.FromSeconds(8));
        Sessions.Open(Session());
        await PassAsync(ReturnWithin * 2);
        Assert.Equal(["connected"], await HistoryAsync());
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        if (fleet is not null)
            await fleet.Database.DisposeAsync();
    }

    private async Task StartAsync()
    {
        if (fleet is null)
        {
            fleet = await FleetFixture.CreateAsync(TestDatabases.Sqlite);
            device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        }

        // The same node again and again: a restart.
        node = await PresenceNode.StartAsync(fleet.Database, time);
        sessions = new(
            node.Presence, new(fleet.Database, time), Options.Create(new CloudlinkOptions { ReturnWithin = ReturnWithin }), Options.Create(new PresenceOptions { Node = "1" }), new(time), time,
            NullLogger<CloudlinkSessions>.Instance);
        await sessions.StartAsync(CancellationToken.None);
        await PassAsync(TimeSpan.FromSeconds(2));
    }

    private async Task EndAsync()
    {
        if (sessions is null)
            return;
        await sessions.StopAsync(CancellationToken.None);
        sessions.Dispose();
        await node!.DisposeAsync();
    }

    private async Task RestartAsync(TimeSpan away)
    {
        await EndAsync();
        time.Advance(away);
        await StartAsync();
    }

    /// <summary>Time passes in steps, so that those who beat get their turns.</summary>
    private async Task PassAsync(TimeSpan span)
    {
        for (var left = span; left > TimeSpan.Zero; left -= TimeSpan.FromSeconds(1))
        {
            await node!.PassAsync(TimeSpan.FromSeconds(1));
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    private async Task UntilAsync(bool connected)
    {
        for (var i = 0; Convert.ToInt64(await fleet!.ReadAsync("SELECT cloudlink_connected FROM device WHERE id = @p0", device!.Id), CultureInfo.InvariantCulture) != (connected ? 1 : 0); i++)
        {
            Assert.True(i < 2_000, connected ? "not connected" : "still connected");
            await PassAsync(TimeSpan.FromMilliseconds(10));
        }
    }

    private async Task<List<string>> HistoryAsync()
    {
        await using var connection = await fleet!.Database.OpenReadAsync(CancellationToken.None);
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT to_value FROM transition WHERE fact = 'cloudlink' ORDER BY id";
        await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
        List<string> words = [];
        while (await reader.ReadAsync(CancellationToken.None))
            words.Add(reader.GetString(0));
        return words;
    }

    private HeldSession Session() => new(device!.Uuid);

    private sealed class HeldSession(string uuid) : DeviceSession(uuid, SessionKind.OpenVpn, "10.0.0.1", 0)
    {
        public override ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellation) => throw new TunnelException("A test's session.");

        public override void End()
        {
        }
    }
}
