using Muster.Storage;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>Presence's life in the host: load, beat, stop in order. Kestrel does not wait for the load; devices are answered 503 until it is done.</summary>
internal sealed partial class PresenceService(
    FleetLoader loader, FleetPresence presence, PartitionMail mail, PresenceTicker ticker, Checkpoints checkpoints, Allowances allowances, GroupCommitter committer,
    Database database, PresenceOptions options, TimeProvider time, ILogger<PresenceService> log) : BackgroundService
{
    private const int PrunedAtOnce = 1_000;

    /// <summary>So many devices are brought up to date with one turn of the partitions.</summary>
    private const int FollowedAtOnce = 5_000;

    /// <summary>So many are brought up to date before anybody is answered; more (a changed option concerns all) would hold up the start.</summary>
    private const int FollowedFirst = 20_000;

    /// <summary>Loads, and lets the rule catch up with inputs that changed while nobody told us.</summary>
    public async Task LoadAsync(CancellationToken cancellation)
    {
        presence.BeginLoad();
        if (!committer.IsAvailable)
        {
            // Memory is filled anew: nothing of it can be suspect.
            await database.ProbeAsync(cancellation);
            committer.TakeSuspects();
            committer.Resume();
        }

        var changed = await loader.LoadAsync(cancellation);
        // What reading left behind is as much again as what was kept; it would stay resident for hours.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        foreach (var some in changed.Take(FollowedFirst).Chunk(FollowedAtOnce))
            await FollowAsync(some);
        await allowances.LookAtAllAsync();
        presence.Open();
        if (changed.Count > FollowedFirst)
            _ = FollowLaterAsync([.. changed.Skip(FollowedFirst)], cancellation);
    }

    private Task FollowAsync(long[] devices) => Task.WhenAll(devices.Select(id => mail.PostAsync(Partition.Of(id), new ReadFact(id, "restart"))));

    private async Task FollowLaterAsync(long[] devices, CancellationToken stopping)
    {
        foreach (var some in devices.Chunk(FollowedAtOnce))
        {
            for (var done = false; !done && !stopping.IsCancellationRequested;)
            {
                try
                {
                    await FollowAsync(some);
                    done = true;
                }
#pragma warning disable CA1031 // one device that is refused for ever must not keep the others
                catch (Exception e)
#pragma warning restore CA1031
                {
                    done = e is not (DatabaseAwayException or PresenceBusyException);
                    LogNotFollowed(e);
                    await Task.Delay(options.ProbeEvery, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
    }

    /// <summary>Writes down every contact and that we stopped in order. Devices must not be answered any more.</summary>
    public async Task CloseAsync()
    {
        presence.Close();
        await checkpoints.WriteLastAsync();
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        var loaded = presence.IsReady;
        await base.StopAsync(cancellationToken);
        if (!loaded)
            return;
        try
        {
            await CloseAsync().WaitAsync(cancellationToken);
        }
        catch (DatabaseAwayException e)
        {
            LogUnclean(e);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!presence.IsReady)
        {
            try
            {
                await LoadAsync(stoppingToken);
            }
            catch (Exception e) when (e is DatabaseAwayException or PresenceBusyException)
            {
                LogNotLoaded(e);
                await Task.Delay(options.ProbeEvery, time, stoppingToken);
            }
        }

        _ = PruneAsync(stoppingToken);
        using var timer = new PeriodicTimer(options.TickEvery, time);
        // A host that is disposed without being stopped first would call a cancelled wait a fault.
        await using var end = stoppingToken.Register(timer.Dispose);
        while (await timer.WaitForNextTickAsync(CancellationToken.None))
            _ = ticker.Tick();
    }

    /// <summary>Deletes what is older than the retention, in small steps so that reports don't wait behind it.</summary>
    private async Task PruneAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMinutes(1), time);
        while (await timer.WaitForNextTickAsync(stopping))
        {
            try
            {
                var before = time.GetUtcNow().Add(-options.HistoryRetention).ToUnixTimeMilliseconds();
                await database.WriteAsync(write => PresenceWriter.PruneOutagesAsync(write, before), stopping);
                while (await database.WriteAsync(write => PresenceWriter.PruneTransitionsAsync(write, before, PrunedAtOnce), stopping) == PrunedAtOnce)
                    await Task.Delay(TimeSpan.FromMilliseconds(50), time, stopping);
            }
#pragma warning disable CA1031 // the next minute tries again
            catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
            {
                LogNotPruned(e);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Some devices are not brought up to date after the start yet; tried again.")]
    private partial void LogNotFollowed(Exception e);

    [LoggerMessage(Level = LogLevel.Error, Message = "The fleet could not be loaded yet.")]
    private partial void LogNotLoaded(Exception e);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Old history could not be deleted yet.")]
    private partial void LogNotPruned(Exception e);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The last contacts could not be written down; after the next start every device has its whole window again.")]
    private partial void LogUnclean(Exception e);
}
