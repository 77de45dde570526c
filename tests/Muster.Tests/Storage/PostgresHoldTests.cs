using Muster.Server;
using Muster.Storage;
using Muster.Storage.Migrations;
using Muster.Storage.Postgres;
using Muster.Tests.Resources;

namespace Muster.Tests.Storage;

public sealed class PostgresHoldTests
{
    private static readonly TimeSpan Generous = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task A_second_server_is_refused_until_the_first_has_ended()
    {
        await using var first = await OpenAsync();
        await using var second = new PostgresDatabase(first.ConnectionString);
        await using (await PostgresHold.TakeAsync(first, TimeProvider.System))
        {
            var refused = await Assert.ThrowsAsync<DatabaseHeldException>(() => PostgresHold.TakeAsync(second, TimeProvider.System));
            Assert.Equal("Another Muster server uses this PostgreSQL database.", refused.Message);
        }

        await using var taken = await PostgresHold.TakeAsync(second, TimeProvider.System);
        Assert.True(taken.IsHeld);
    }

    [Fact]
    public async Task A_started_server_keeps_its_database()
    {
        await using var server = await StartedServer.StartAsync(TestDatabases.Postgres);
        var directory = Directory.CreateTempSubdirectory("muster-second-").FullName;
        try
        {
            Assert.Throws<DatabaseHeldException>(() => ServerHost.Build(["--urls", "http://127.0.0.1:0", "--data", directory, "--database", server.Database.ConnectionString]));
            Assert.Equal(200, (await server.SendAsync("GET", "/user/v1/whoami", await server.LogInAsync())).Status);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public async Task A_lost_session_stops_the_writing_until_the_lock_is_regained()
    {
        await using var database = await OpenAsync();
        await using var hold = await PostgresHold.TakeAsync(database, TimeProvider.System);
        await hold.FenceAsync();
        await WriteAsync(database);
        await EndSessionAsync(database);

        using var stop = new CancellationTokenSource();
        TaskCompletionSource lost = new(TaskCreationOptions.RunContinuationsAsynchronously), regained = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task? written = null;
        var watching = hold.WatchAsync(
            isHeld =>
            {
                if (!isHeld)
                    written = WriteAsync(database);
                (isHeld ? regained : lost).TrySetResult();
            },
            stop.Token);
        await lost.Task.WaitAsync(Generous);
        await regained.Task.WaitAsync(Generous);
        await Assert.ThrowsAsync<DatabaseAwayException>(() => written!);
        await WriteAsync(database);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);
    }

    [Fact]
    public async Task A_server_that_lost_its_lock_and_does_not_know_cannot_write_beside_its_successor()
    {
        await using var old = await OpenAsync();
        await using var hold = await PostgresHold.TakeAsync(old, TimeProvider.System);
        await hold.FenceAsync();
        await EndSessionAsync(old);

        await using var successor = new PostgresDatabase(old.ConnectionString);
        await using var taken = await PostgresHold.TakeAsync(successor, TimeProvider.System);
        await taken.FenceAsync();
        Assert.True(hold.IsHeld); // as after a suspension: nobody told it
        await Assert.ThrowsAsync<DatabaseAwayException>(() => WriteAsync(old));
        await WriteAsync(successor);
        await Assert.ThrowsAsync<DatabaseHeldException>(() => hold.WatchAsync(_ => { }, CancellationToken.None).WaitAsync(Generous));
        await Assert.ThrowsAsync<DatabaseAwayException>(() => WriteAsync(old));
        await Assert.ThrowsAsync<DatabaseAwayException>(() => old.ProbeAsync());
    }

    private static async Task<PostgresDatabase> OpenAsync()
    {
        var (connection, directory) = await TestDatabases.LocationAsync(TestDatabases.Postgres);
        Directory.Delete(directory);
        var database = new PostgresDatabase(connection!);
        Migrator.Migrate(database);
        return database;
    }

    private static Task WriteAsync(Database database) => database.WriteAsync(async write =>
    {
        await using var command = write.Command("INSERT INTO setting (name, value) VALUES ('test', '1') ON CONFLICT (name) DO UPDATE SET value = excluded.value");
        await command.ExecuteNonQueryAsync();
    });

    private static async Task EndSessionAsync(Database database)
    {
        await using var connection = await database.OpenReadAsync();
        await using var end = connection.Statement("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'muster-hold' AND datname = current_database()");
        Assert.True((bool)(await end.ExecuteScalarAsync())!);
    }
}
