using Muster.Storage;
using Muster.Storage.Postgres;

namespace Muster.Server.Hosting;

/// <summary>
/// Keeps the PostgreSQL database for this server as long as it lives: a second one is refused at start. (A SQLite file is kept
/// with its data directory, by <see cref="DataDirectoryHold"/>.)
/// </summary>
internal sealed partial class DatabaseHold(Database database, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<DatabaseHold> log) : BackgroundService, IHostedLifecycleService
{
    private PostgresHold? hold;

    /// <summary>Why the server had to end; null when it had not.</summary>
    public string? TakenOver { get; private set; }

    /// <summary>Before the first write, and before the schema is touched.</summary>
    /// <exception cref="DatabaseHeldException">Another server has the database.</exception>
    public async Task TakeAsync()
    {
        if (database is not PostgresDatabase postgres)
            return;
        hold = await PostgresHold.TakeAsync(postgres, time);
        await FenceAsync();
    }

    /// <summary>From here on no earlier server writes. Once more after the schema was made.</summary>
    public Task FenceAsync() => hold?.FenceAsync() ?? Task.CompletedTask;

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>When everything else has stopped writing.</summary>
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (hold is not null)
            await hold.DisposeAsync();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (hold is null)
            return;
        try
        {
            await hold.WatchAsync(
                isHeld =>
                {
                    if (isHeld)
                        LogRegained();
                    else
                        LogLost();
                },
                stoppingToken);
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
        catch (DatabaseHeldException e)
        {
            TakenOver = e.Message;
            LogTakenOver(e.Message);
            lifetime.StopApplication();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The lock on the PostgreSQL database is lost; nothing is written until it is regained")]
    private partial void LogLost();

    [LoggerMessage(Level = LogLevel.Information, Message = "The lock on the PostgreSQL database is regained")]
    private partial void LogRegained();

    [LoggerMessage(Level = LogLevel.Critical, Message = "{Why} This server stops")]
    private partial void LogTakenOver(string why);
}
