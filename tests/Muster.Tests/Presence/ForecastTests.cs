using System.Globalization;
using System.Text.Json;
using CsCheck;
using Microsoft.Extensions.Time.Testing;
using Muster.Core.Access;
using Muster.Core.Query;
using Muster.Core.Status;
using Muster.Server.Presence;
using Muster.Storage;
using Muster.Storage.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Presence;

/// <summary>When silence changes a device's status, as it is promised in every answer, and as it comes.</summary>
public sealed class ForecastTests
{
    private readonly FakeTimeProvider time = new(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_shorter_interval_counts_from_the_next_poll(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        await node.PollAsync(device);
        await node.PassAsync(TimeSpan.FromSeconds(110));
        var promised = Next(node, device);

        // The deadline of the new interval, 100 s, has passed.
        await SetIntervalAsync(node, fleet, device, 10_000);
        await node.PassAsync(TimeSpan.FromSeconds(39));
        Assert.Equal(HeartbeatState.Online, Evidence(node, device).Facts.Heartbeat);
        Assert.Equal(promised, Next(node, device));
        Assert.True(promised!.Value.At > Now());
        await node.PassAsync(TimeSpan.FromSeconds(2));
        Assert.Equal(HeartbeatState.Timeout, Evidence(node, device).Facts.Heartbeat);

        await node.PollAsync(device);
        Assert.Equal(Now() + 100_000, Next(node, device)!.Value.At);
        Assert.Equal(100_000, Evidence(node, device).Limits.Window);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_longer_interval_counts_from_the_next_poll_and_restarts_with_other_options_change_nothing(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var (owner, other) = (await fleet.AddFleetAsync(), await fleet.AddFleetAsync());
        var device = await fleet.AddDeviceAsync(owner);
        await fleet.DoAsync("INSERT INTO fleet_config_variable (fleet_id, name, value, created_at, modified_at) VALUES (@p0, 'BALENA_SUPERVISOR_POLL_INTERVAL', '20000', 0, 0)", owner.Id);
        var node = await PresenceNode.StartAsync(fleet.Database, time);
        try
        {
            await node.PassAsync(TimeSpan.FromSeconds(10));
            await node.PollAsync(device);
            var promised = Next(node, device);
            Assert.Equal(Now() + 110_000, promised!.Value.At);

            await SetIntervalAsync(node, fleet, device, 600_000);
            Assert.Equal(promised, Next(node, device));
            await fleet.DoAsync("DELETE FROM device_config_variable");
            await fleet.DoAsync("UPDATE device SET fleet_id = @p0 WHERE id = @p1", other.Id, device.Id);
            await node.Presence.ChangedAsync(new("move") { Devices = [device.Id] });
            Assert.Equal(promised, Next(node, device));

            await node.DisposeAsync();
            node = await PresenceNode.StartAsync(fleet.Database, time, options => options.PollIntervalFloor = TimeSpan.FromMinutes(30));
            Assert.Equal(promised, Next(node, device));
            Assert.Equal(1_800_000, Evidence(node, device).PollInterval);
            await node.PassAsync(TimeSpan.FromSeconds(111));
            Assert.Equal(HeartbeatState.Timeout, Evidence(node, device).Facts.Heartbeat);

            await node.PollAsync(device);
            Assert.Equal(Now() + 1_890_000, Next(node, device)!.Value.At);
        }
        finally
        {
            await node.DisposeAsync();
        }
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_device_that_reported_once_is_disconnected_when_it_stays_silent(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        await node.ReportAsync(device, new StateReport { Status = "Idle" });
        await node.PassAsync(TimeSpan.FromSeconds(20));
        await node.Presence.ContactAsync(node.Slot(device), ContactKind.Log);

        var evidence = Evidence(node, device);
        Assert.Equal(OverallStatus.Configuring, evidence.Answer.Status);
        Assert.Equal((Now() + 165_000, OverallStatus.Disconnected), evidence.StatusNext);
        await node.PassAsync(TimeSpan.FromSeconds(164));
        Assert.Equal("configuring", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
        await node.PassAsync(TimeSpan.FromSeconds(2));
        Assert.Equal("disconnected", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));

        // Heard again, it has not polled yet as before; and so it goes on.
        await node.Presence.ContactAsync(node.Slot(device), ContactKind.Log);
        Assert.Equal("configuring", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
        await node.PassAsync(TimeSpan.FromSeconds(167));
        Assert.Equal("disconnected", await fleet.ReadAsync("SELECT overall_status FROM device WHERE id = @p0", device.Id));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_status_stands_on_record_together_with_the_contact_that_it_rests_on(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        var device = await fleet.AddDeviceAsync(await fleet.AddFleetAsync());
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        await node.PollAsync(device);
        await node.PassAsync(TimeSpan.FromSeconds(152));
        Assert.Equal("timeout", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));

        // No checkpoint in between.
        await node.PollAsync(device);
        Assert.Equal("online", await fleet.ReadAsync("SELECT heartbeat FROM device WHERE id = @p0", device.Id));
        Assert.Equal(Now(), await fleet.ReadAsync("SELECT last_poll_at FROM device_contact WHERE device_id = @p0", device.Id));
        var told = (await AnsweredAsync(node, fleet.Database))[device.Uuid];
        Assert.Equal((Now(), Now() + 165_000), (told.LastContact, told.ChangesAt));
    }

    [Fact]
    public void A_contact_that_is_being_committed_shows_with_its_consequence_or_not_at_all()
    {
        var clock = Muster.Core.Presence.ObserverClock.First with { Now = 200_000 };
        var silent = DeviceRules.Judge(new() { Id = 1, Uuid = "a", FleetId = 1, IsActive = true, Heartbeat = HeartbeatState.Offline, HeartbeatChangedAt = 150_000 }, 150_000);
        var old = new Muster.Storage.Presence.ContactTimes(1_000, 1_000, 1_000, 1_000);
        Assert.Same(silent, DeviceRules.AfterContacts(silent, old, clock));
        var polled = DeviceRules.AfterContacts(silent, new(199_000, 199_000, 199_000, 199_000), clock);
        Assert.Equal((HeartbeatState.Online, OverallStatus.ReducedFunctionality, 199_000L), (polled.Heartbeat, polled.Status, polled.StatusSince));
        Assert.Equal(HeartbeatState.Timeout, DeviceRules.AfterContacts(silent, old with { LastContactAt = 199_000, ObservedContact = 199_000 }, clock).Heartbeat);
    }

    /// <summary>
    /// Devices that are heard in every way and not heard, tunnels that come and end silently, intervals that change, and a
    /// server that stands still or starts again: what was promised is kept to the millisecond unless the device was heard, or
    /// nobody listened; and list and detail promise the same.
    /// </summary>
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_promised_moment_moves_only_when_the_device_was_really_heard(string kind) =>
        await Gen.Select(Gen.Int[0, 999_999], Gen.Select(Gen.Int[0, 99], Gen.Int[0, 5], Gen.Int[1, 90]).Array[120]).SampleAsync(
            async (start, story) =>
            {
                var fleet = await FleetFixture.CreateAsync(kind);
                var owner = await fleet.AddFleetAsync();
                var devices = new List<FixtureDevice>();
                for (var i = 0; i < 6; i++)
                    devices.Add(await fleet.AddDeviceAsync(owner));
                long[] servers = [await fleet.AddServiceInstanceAsync(), await fleet.AddServiceInstanceAsync()];
                var clock = new FakeTimeProvider(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).AddMilliseconds(start));
                var node = await PresenceNode.StartAsync(fleet.Database, clock);
                try
                {
                    await node.PassAsync(TimeSpan.FromSeconds(1));
                    var promises = devices.ConvertAll(_ => ((HeartbeatState State, (long At, HeartbeatState To)? Next)?)null);
                    foreach (var (kindOfEvent, which, amount) in story)
                    {
                        var device = devices[which];
                        FixtureDevice? heard = null;
                        var away = false;
                        switch (kindOfEvent)
                        {
                            case < 12:
                                await node.PollAsync(heard = device);
                                break;
                            case < 17:
                                await node.ReportAsync(heard = device, new StateReport { CpuUsage = amount });
                                break;
                            case < 22:
                                await node.Presence.ContactAsync(node.Slot(heard = device), ContactKind.Log);
                                break;
                            case < 30:
                                var known = Evidence(node, device).LastContactAt ?? 0;
                                await node.Presence.ContactAsync(node.Slot(device), ContactKind.Tunnel, TimeSpan.FromSeconds(amount));
                                // What came before the last contact is no news.
                                heard = clock.GetUtcNow().ToUnixTimeMilliseconds() - (amount * 1_000) > known ? device : null;
                                break;
                            case < 36:
                                await node.Presence.CloudlinkAsync(servers[amount % 2], [device.Uuid], connected: true, 0, CancellationToken.None, heard: kindOfEvent < 33);
                                heard = kindOfEvent < 33 ? device : null;
                                break;
                            case < 44:
                                await node.Presence.CloudlinkAsync(servers[amount % 2], [device.Uuid], connected: false, 0, CancellationToken.None);
                                break;
                            case < 56:
                                await SetIntervalAsync(node, fleet, device, amount * 10_000);
                                break;
                            case < 59:
                                clock.Advance(TimeSpan.FromSeconds(3 + amount));
                                await node.PassAsync(TimeSpan.Zero);
                                away = true;
                                break;
                            case < 61:
                                await node.DisposeAsync();
                                clock.Advance(TimeSpan.FromSeconds(amount));
                                node = await PresenceNode.StartAsync(fleet.Database, clock, options => options.PollIntervalFloor = TimeSpan.FromSeconds(5 + amount));
                                away = true;
                                break;
                            default:
                                await node.PassAsync(TimeSpan.FromSeconds(amount));
                                break;
                        }

                        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
                        for (var i = 0; i < devices.Count; i++)
                        {
                            var evidence = Evidence(node, devices[i]);
                            (HeartbeatState State, (long At, HeartbeatState To)? Next) after = (evidence.Facts.Heartbeat, evidence.HeartbeatNext);
                            if (promises[i] is { } before && devices[i] != heard)
                                Kept(before, after, now, away);
                            promises[i] = after;
                            Assert.True(evidence.StatusNext is not { At: var at } || at >= now);
                        }

                        if (amount % 4 == 0)
                            await ListSaysTheSameAsync(node, fleet.Database, devices);
                    }
                }
                finally
                {
                    await node.DisposeAsync();
                }
            },
            iter: 2, threads: 1);

    private static void Kept((HeartbeatState State, (long At, HeartbeatState To)? Next) before, (HeartbeatState State, (long At, HeartbeatState To)? Next) after, long now, bool away)
    {
        if (before.Next is not { } promise)
            Assert.Equal(before, after);
        else if (away)
            Assert.True(after.State == before.State && after.Next?.To == promise.To && after.Next?.At >= promise.At, $"{before} became {after} while nobody listened");
        else if (now < promise.At)
            Assert.Equal(before, after);
        // A wheel of a quarter second looks after it, and the test's beat is a second.
        else if (now > promise.At + 1_250)
            Assert.True(after.State == promise.To || after.State is HeartbeatState.Offline, $"{before} is {after} at {now}");
    }

    private static async Task ListSaysTheSameAsync(PresenceNode node, Database database, List<FixtureDevice> devices)
    {
        var answered = await AnsweredAsync(node, database);
        foreach (var device in devices)
        {
            var evidence = Evidence(node, device);
            Assert.Equal((device.Uuid, evidence.Answer.Status.Word(), evidence.LastContactAt, evidence.StatusNext?.At), (device.Uuid, answered[device.Uuid].Status, answered[device.Uuid].LastContact, answered[device.Uuid].ChangesAt));
        }
    }

    private static async Task<Dictionary<string, (string Status, long? LastContact, long? ChangesAt)>> AnsweredAsync(PresenceNode node, Database database)
    {
        var query = QueryParser.Parse("device", "$select=uuid,overall_status,muster_last_contact_at,muster_status_changes_at");
        var statement = new QueryCompiler(ResourceModel.Version7, database.Dialect, ReadScope.Everything, node.Time.GetUtcNow().ToUnixTimeMilliseconds()).Rows(query);
        Assert.True(statement.ReadsContacts);
        await node.Presence.RecordContactsAsync(CancellationToken.None);
        await using var connection = await database.OpenReadAsync();
        await using var command = statement.On(connection);
        await using var reader = await command.ExecuteReaderAsync();
        var answered = new Dictionary<string, (string, long?, long?)>();
        while (await reader.ReadAsync())
        {
            var row = JsonElement.Parse(reader.GetFieldValue<byte[]>(0));
            long? At(string name) => row.GetProperty(name).GetString() is { } text ? DateTimeOffset.Parse(text, CultureInfo.InvariantCulture).ToUnixTimeMilliseconds() : null;
            answered.Add(row.GetProperty("uuid").GetString()!, (row.GetProperty("overall_status").GetString()!, At("muster_last_contact_at"), At("muster_status_changes_at")));
        }

        return answered;
    }

    private static async Task SetIntervalAsync(PresenceNode node, FleetFixture fleet, FixtureDevice device, int milliseconds)
    {
        await fleet.DoAsync("DELETE FROM device_config_variable WHERE device_id = @p0", device.Id);
        await fleet.DoAsync("INSERT INTO device_config_variable (device_id, name, value, created_at, modified_at) VALUES (@p0, 'BALENA_SUPERVISOR_POLL_INTERVAL', @p1, 0, 0)", device.Id, milliseconds.ToString(CultureInfo.InvariantCulture));
        await node.Presence.ChangedAsync(new("config-variable") { Devices = [device.Id] });
    }

    private static DeviceEvidence Evidence(PresenceNode node, FixtureDevice device) => node.Presence.Evidence(node.Slot(device))!;

    private static (long At, HeartbeatState To)? Next(PresenceNode node, FixtureDevice device) => Evidence(node, device).HeartbeatNext;

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
