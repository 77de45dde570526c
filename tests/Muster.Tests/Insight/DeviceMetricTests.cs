using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Muster.Core.Access;
using Muster.Core.Status;
using Muster.Server.Insight;
using Muster.Storage;
using Muster.Storage.Migrations;
using Muster.Storage.Postgres;
using Muster.Storage.Presence;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Insight;

public sealed class DeviceMetricTests
{
    private const long Bucket = MetricSamples.Bucket;

    private static readonly long Start = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).ToUnixTimeMilliseconds();

    private readonly FakeTimeProvider time = new(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly MetricSamples samples = new(3);

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task What_a_device_reports_is_in_its_history(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        Assert.True(server.Presence.TryFind(device.Uuid, out var slot));
        await server.Presence.ReportAsync(slot, new StateReport { CpuUsage = 17, MemoryUsage = 300, MemoryTotal = 900 }, CancellationToken.None);
        var path = $"/muster/v1/devices/{device.Uuid}/metrics";
        var before = (await server.GetAsync(path, server.Admin)).Text;
        await server.Server.Services.GetRequiredService<MetricWriter>().WriteAllAsync(CancellationToken.None);
        Assert.Equal(1L, await server.Fixture.ReadAsync("SELECT count(*) FROM device_metric WHERE device_id = @p0 AND cpu_usage = 17", device.Id));
        var after = await server.GetAsync(path, server.Admin);
        Assert.Equal(before, after.Text);
        var point = Assert.Single(after.Json["points"]!.AsArray())!;
        Assert.Equal((17, 300, 900, true), ((int)point["cpu_usage"]!, (int)point["memory_usage"]!, (int)point["memory_total"]!, point["cpu_temp"] is null));

        var stranger = await server.LogInAsAsync(Role.Administrator, await server.Fixture.AddFleetAsync());
        Assert.Equal(404, (await server.GetAsync(path, stranger)).Status);
        Assert.Equal(401, (await server.GetAsync(path, null)).Status);
        Assert.Equal(400, (await server.GetAsync($"{path}?from=soon", server.Admin)).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Of_each_five_minutes_the_last_sample_stays_even_when_written_twice(string kind)
    {
        await using var database = await TestDatabases.CreateAsync(kind);
        var writer = Writer(database);
        Report(1, Start, cpu: 10);
        Report(1, Start + 1_000, cpu: 11);
        await WriteAsync(writer.WriteAllAsync);
        Report(1, Start + 2_000, cpu: 12);
        Report(1, Start + Bucket, cpu: 13);
        time.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal([12, 13], await ReadAsync(database));
        await WriteAsync(writer.WriteDueAsync);
        Assert.Equal([12], await StoredAsync(database));
        Assert.Equal([12, 13], await ReadAsync(database));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task What_is_older_than_the_retention_goes(string kind)
    {
        await using var database = await TestDatabases.CreateAsync(kind);
        var writer = Writer(database);
        Report(1, Start - (8 * 24 * 12 * Bucket), cpu: 1);
        Report(1, Start - (6 * 24 * 12 * Bucket), cpu: 2);
        await WriteAsync(writer.WriteAllAsync);
        await writer.PruneAsync(CancellationToken.None);
        Assert.Equal([2], await StoredAsync(database));
    }

    [Fact]
    public async Task While_the_database_is_away_samples_wait_and_reports_do_not()
    {
        var server = await PostgresServer.StartAsync();
        await using var database = new PostgresDatabase(await server.CreateDatabaseAsync("away"));
        Migrator.Migrate(database);
        var writer = Writer(database);
        Report(1, Start, cpu: 10);
        time.Advance(TimeSpan.FromMinutes(6));
        await server.StopServerAsync();
        await Assert.ThrowsAsync<DatabaseAwayException>(() => WriteAsync(writer.WriteDueAsync));
        Report(1, Start + 1_000, cpu: 11);
        Report(1, Start + Bucket, cpu: 12);
        await server.StartServerAsync();
        time.Advance(TimeSpan.FromMinutes(6));
        await WriteAsync(writer.WriteDueAsync);
        Assert.Equal([11, 12], await StoredAsync(database));
    }

    [Fact]
    public void Beyond_the_bound_the_oldest_are_given_up_and_never_the_newest_of_a_device()
    {
        for (var device = 1; device <= 4; device++)
            Report(device, Start, cpu: 10);
        Report(1, Start, cpu: 11);
        Assert.Equal((11, 0), (samples.Of(1)[0].Sample.CpuUsage, samples.Of(4).Count));
        Assert.Equal(1, samples.TakeDropped());
        Report(4, Start + Bucket, cpu: 12);
        Assert.Equal((0, 1), (samples.Of(1).Count, samples.Of(4).Count));
        Assert.Equal(3, samples.TakeDropped());
    }

    [Fact]
    public void A_change_that_tells_no_metrics_leaves_no_sample()
    {
        samples.Committed([new(Device(1, null), DeviceColumns.Reported, Start), new(Device(2, 5), DeviceColumns.Heartbeat, Start)]);
        Assert.Empty(samples.Of(1).Concat(samples.Of(2)));
    }

    private void Report(long device, long at, int cpu) => samples.Committed([new(Device(device, cpu), DeviceColumns.Reported, at)]);

    private static DeviceState Device(long id, int? cpu) => new() { Id = id, Uuid = "", FleetId = 1, Reported = ReportedState.Empty with { CpuUsage = cpu } };

    private MetricWriter Writer(Database database) => new(samples, database, Options.Create(new InsightOptions()), time, NullLogger<MetricWriter>.Instance);

    /// <summary>Lets the writer have its breaths.</summary>
    private async Task WriteAsync(Func<CancellationToken, Task> write)
    {
        var writing = write(CancellationToken.None);
        while (!writing.IsCompleted)
        {
            await Task.Delay(5);
            time.Advance(TimeSpan.FromMilliseconds(10));
        }

        await writing;
    }

    private async Task<IEnumerable<int?>> ReadAsync(Database database) =>
        (await new DeviceMetrics(database, samples, Options.Create(new InsightOptions()), time).ReadAsync(1, DateTimeOffset.UnixEpoch, DateTimeOffset.MaxValue, CancellationToken.None)).Select(p => p.CpuUsage);

    private static async Task<List<int>> StoredAsync(Database database)
    {
        await using var connection = await database.OpenReadAsync();
        await using var command = connection.Statement("SELECT cpu_usage FROM device_metric ORDER BY at");
        await using var reader = await command.ExecuteReaderAsync();
        var found = new List<int>();
        while (await reader.ReadAsync())
            found.Add(reader.GetInt32(0));
        return found;
    }
}
