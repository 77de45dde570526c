using System.Collections.Immutable;
using Microsoft.Extensions.Time.Testing;
using Muster.Core.Status;
using Muster.Server.Presence;
using Muster.Storage;
using Muster.Storage.Presence;
using Muster.Tests.Storage;

namespace Muster.Tests.Presence;

public sealed class RandomWorkloadTests
{
    private readonly FakeTimeProvider time = new(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task After_anything_at_once_counts_equal_rows_and_memory_equals_both(string kind)
    {
        var fleet = await FleetFixture.CreateAsync(kind);
        FixtureFleet[] owners = [await fleet.AddFleetAsync(), await fleet.AddFleetAsync(await fleet.AddOrganizationAsync(allowance: 5))];
        FixtureRelease[] releases = [await fleet.AddReleaseAsync(owners[0], "a", "b"), await fleet.AddReleaseAsync(owners[1], "a")];
        var instance = await fleet.AddServiceInstanceAsync();
        var devices = new List<FixtureDevice>();
        for (var i = 0; i < 24; i++)
            devices.Add(await fleet.AddDeviceAsync(owners[i % 2]));
        await using var node = await PresenceNode.StartAsync(fleet.Database, time);
        using var feed = node.Get<LiveFeed>().Subscribe(100_000);
        var random = new Random(20260101);

        for (var round = 0; round < 20; round++)
        {
            var tasks = new List<Task>();
            for (var i = 0; i < 40; i++)
            {
                var device = devices[random.Next(devices.Count)];
                var release = releases[devices.IndexOf(device) % 2];
                var status = (UpdateStatus)random.Next(7);
                var installs = ImmutableArray.CreateRange(release.Images.Where(_ => random.Next(3) > 0).Select(image => new ServiceInstall(image, release.Id, random.Next(2) == 0 ? "Running" : "Downloading", random.Next(2) == 0 ? null : random.Next(100))));
                tasks.Add(random.Next(6) switch
                {
                    0 => node.PollAsync(device),
                    1 => node.Presence.ContactAsync(node.Slot(device), ContactKind.Log).AsTask(),
                    2 => node.Presence.CloudlinkAsync(instance, [device.Uuid], random.Next(2) == 0, 0, CancellationToken.None),
                    3 => node.ReportAsync(device, new StateReport { UpdateStatus = status, RunningReleaseId = random.Next(2) == 0 ? release.Id : null }),
                    4 => node.ReportAsync(device, new StateReport { Installs = installs, CpuUsage = random.Next(100) }),
                    _ => DeactivateAsync(node, fleet, device),
                });
            }

            await Task.WhenAll(tasks);
            await node.PassAsync(TimeSpan.FromSeconds(random.Next(60)));
        }

        await CountsEqualRowsAsync(fleet.Database);
        foreach (var row in await new PresenceReader(fleet.Database).DevicesAsync([.. devices.Select(d => d.Id)]))
        {
            var evidence = node.Presence.Evidence(node.Slot(devices.Single(d => d.Id == row.State.Id)))!;
            Assert.Equal(new StatusAnswer(row.State.Status, row.State.Progress, row.State.Reason), evidence.Answer);
            Assert.Equal(row.State.Heartbeat, evidence.Facts.Heartbeat);
            Assert.Equal(row.State.IsActive, evidence.Facts.IsActive);
            Assert.Equal(row.State.IsFrozen, evidence.Facts.IsFrozen);
            Assert.Equal(row.State.CloudlinkConnected, evidence.Facts.CloudlinkConnected);
            Assert.Equal(row.State.Reported.Installs.OrderBy(i => i.ImageId), evidence.Facts.Installs.OrderBy(i => i.ImageId));
            Assert.Equal(OverallStatusRule.Evaluate(evidence.Facts), evidence.Answer);
        }

        // The feed told all that the history holds, in its order, and each change begins where the last one ended.
        var told = new List<TransitionEvent>();
        while (feed.Reader.TryRead(out var transition))
            told.Add(transition);
        Assert.Equal(told.Select(t => t.Id).Order(), told.Select(t => t.Id));
        Assert.Equal((long)told.Count, await fleet.ReadAsync("SELECT count(*) FROM transition"));
        foreach (var facts in told.GroupBy(t => (t.DeviceId, t.Fact)))
            Assert.All(facts.Zip(facts.Skip(1)), pair => Assert.Equal(pair.First.To, pair.Second.From));
    }

    private static async Task DeactivateAsync(PresenceNode node, FleetFixture fleet, FixtureDevice device)
    {
        await fleet.DoAsync("UPDATE device SET is_active = 0 WHERE id = @p0", device.Id);
        await node.Presence.ChangedAsync(new("deactivate") { Devices = [device.Id] });
    }

    private static async Task CountsEqualRowsAsync(Database database)
    {
        await using var connection = await database.OpenReadAsync();
        foreach (var (fact, value) in ((string, string)[])
            [("overall_status", "overall_status"), ("heartbeat", "heartbeat"), ("update_status", "coalesce(update_status, 'none')"),
             ("cloudlink", "CASE WHEN cloudlink_connected <> 0 THEN 'connected' ELSE 'disconnected' END"), ("running_release", "coalesce(CAST(running_release_id AS TEXT), 'none')")])
        {
            await using var command = connection.Statement(
                $"""
                SELECT count(*) FROM (SELECT fleet_id, {value} AS value, count(*) AS n FROM device GROUP BY 1, 2) r
                FULL JOIN (SELECT fleet_id, value, devices AS n FROM fleet_count WHERE fact = '{fact}' AND devices <> 0) c ON c.fleet_id = r.fleet_id AND c.value = r.value
                WHERE r.n IS NULL OR c.n IS NULL OR r.n <> c.n
                """);
            Assert.Equal(0L, await command.ExecuteScalarAsync());
        }
    }
}
