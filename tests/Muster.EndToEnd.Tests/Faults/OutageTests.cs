using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;
using Muster.Tests.Storage;

namespace Muster.EndToEnd.Tests.Faults;

/// <summary>Outages of ours. Living devices go on polling; one device is dead, so that the tests see that silence still counts.</summary>
public sealed class OutageTests
{
    private const int Alive = 20;

    public static TheoryData<string, string> KindsAndEnds
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var kind in new[] { TestDatabases.Sqlite, TestDatabases.Postgres })
            {
                data.Add(kind, "killed");
                data.Add(kind, "stopped in order");
                data.Add(kind, "frozen");
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(KindsAndEnds))]
    public async Task No_living_device_is_disconnected_by_an_outage_longer_than_every_timeout(string kind, string end)
    {
        await using var server = await ServerProcess.StartAsync(kind, FaultSettings.ShortWindows);
        using var fleet = await DrivenFleet.CreateAsync(server.Address, ServerProcess.Email, ServerProcess.Password, Alive + 1);
        await WhileLivingAsync(fleet, async () =>
        {
            switch (end)
            {
                case "killed":
                    await server.KillAsync();
                    break;
                case "stopped in order":
                    Assert.Equal(0, await server.StopAsync());
                    break;
                default:
                    server.Freeze();
                    break;
            }

            await Task.Delay(FaultSettings.LongerThanEveryTimeout);
            if (end == "frozen")
                server.Continue();
            else
                await server.StartAgainAsync();
        });

        await using var database = server.OpenDatabase();
        await Evidence.NoneWasFalselyDisconnectedAsync(database, fleet.Devices.Take(Alive));
        await Evidence.CountsEqualRowsAsync(database);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task While_the_database_is_away_reports_get_503_and_nothing_is_false_after(string kind)
    {
        var postgres = kind == TestDatabases.Postgres ? await PostgresServer.StartAsync() : null;
        await using var server = postgres is null
            ? await ServerProcess.StartAsync(kind, FaultSettings.ShortWindows)
            : await ServerProcess.StartOnAsync(await postgres.CreateDatabaseAsync("away"), FaultSettings.ShortWindows);
        using var fleet = await DrivenFleet.CreateAsync(server.Address, ServerProcess.Email, ServerProcess.Password, Alive + 1);
        var answers = new ConcurrentDictionary<int, int>();
        long peakBefore = 0, peakAfter = 0;
        await WhileLivingAsync(fleet, async () =>
        {
            using var off = new CancellationTokenSource();
            var away = false;
            var load = fleet.Devices.Take(Alive).Select(device => device.ReportOnAsync(
                status =>
                {
                    if (Volatile.Read(ref away))
                        answers.AddOrUpdate(status, 1, (_, n) => n + 1);
                },
                off.Token)).ToList();
            await Task.Delay(TimeSpan.FromSeconds(2));
            peakBefore = server.PeakMemory;

            await using var locked = postgres is null ? await SqliteLock.TakeAsync(server.DatabaseFile) : null;
            if (postgres is not null)
                await postgres.StopServerAsync();
            // What was on its way when the database went may still be answered.
            await Task.Delay(TimeSpan.FromSeconds(1));
            Volatile.Write(ref away, true);
            await Task.Delay(3 * FaultSettings.LongerThanEveryTimeout);
            Volatile.Write(ref away, false);
            peakAfter = server.PeakMemory;

            if (locked is not null)
                await locked.ReleaseAsync();
            if (postgres is not null)
                await postgres.StartServerAsync();
            await server.UntilReadyAsync();
            await off.CancelAsync();
            await Task.WhenAll(load);
        });

        Assert.True(answers.GetValueOrDefault(503) > 0, $"answers while away: {string.Join(", ", answers)}");
        Assert.Equal([503], answers.Keys.Order());
        Assert.True(peakAfter < peakBefore + (128L << 20), $"memory went from {peakBefore >> 20} to {peakAfter >> 20} MiB");
        await using var database = server.OpenDatabase();
        await Evidence.NoneWasFalselyDisconnectedAsync(database, fleet.Devices.Take(Alive));
        await Evidence.NothingAcknowledgedIsLostAsync(database, fleet);
        await Evidence.CountsEqualRowsAsync(database);
    }

    /// <summary>All devices come to life, then all but the last stay alive through <paramref name="fault"/> and until the dead one was found out.</summary>
    internal static async Task WhileLivingAsync(DrivenFleet fleet, Func<Task> fault)
    {
        foreach (var device in fleet.Devices)
            Assert.Equal(200, (int)(await device.PollAsync())!);
        var dead = fleet.Devices[^1];
        Assert.Equal("online", (await fleet.RowAsync(dead))["api_heartbeat_state"]!.GetValue<string>());
        using var off = new CancellationTokenSource();
        var living = fleet.Devices.SkipLast(1).Select(device => device.LiveAsync(FaultSettings.Rhythm, off.Token)).ToList();
        await fault();

        using var patience = new CancellationTokenSource(FaultSettings.Patience);
        while ((await fleet.RowAsync(dead))["overall_status"]!.GetValue<string>() != "disconnected")
            await Task.Delay(200, patience.Token);
        foreach (var device in fleet.Devices.SkipLast(1))
        {
            var heartbeat = (await fleet.RowAsync(device))["api_heartbeat_state"]!.GetValue<string>();
            Assert.True(heartbeat == "online",
                $"{heartbeat} at {DateTimeOffset.UtcNow:HH:mm:ss.fff}, last poll {device.LastPoll}; {(await fleet.JsonAsync("GET", $"/muster/v1/devices/{device.Uuid}/history"))!.ToJsonString()}");
        }

        await off.CancelAsync();
        await Task.WhenAll(living);
    }

    /// <summary>Another process's write lock on the file, as a stuck backup would hold it.</summary>
    private sealed class SqliteLock(SqliteConnection connection) : IAsyncDisposable
    {
        public static async Task<SqliteLock> TakeAsync(string file)
        {
            var connection = new SqliteConnection($"Data Source={file};Pooling=false;Default Timeout=30");
            await connection.OpenAsync();
            await ExecuteAsync(connection, "BEGIN IMMEDIATE");
            return new SqliteLock(connection);
        }

        public Task ReleaseAsync() => ExecuteAsync(connection, "ROLLBACK");

        public ValueTask DisposeAsync() => connection.DisposeAsync();

        private static async Task ExecuteAsync(SqliteConnection connection, string sql)
        {
            await using var command = connection.CreateCommand();
            command.CommandText = sql;
            await command.ExecuteNonQueryAsync();
        }
    }
}
