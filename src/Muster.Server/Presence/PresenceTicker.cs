using Muster.Storage;

namespace Muster.Server.Presence;

/// <summary>
/// The node's pulse: lets the observer clock advance, wakes partitions whose appointments have come, writes checkpoints,
/// and brings memory and database together again after the database was away.
/// </summary>
internal sealed partial class PresenceTicker(
    FleetMemory memory, ListeningClock clock, PartitionMail mail, GroupCommitter committer, Checkpoints checkpoints,
    ServiceInstances instances, InputChanges inputs, OutageLog outages, Database database, PresenceOptions options, TimeProvider time, ILogger<PresenceTicker> log)
{
    // None yet: the first is due at once, so that whoever starts next knows since when nobody listened.
    private long? lastCheckpoint;
    private long lastProbe = time.GetTimestamp();
    private Task checkpoint = Task.CompletedTask;
    private Task recovery = Task.CompletedTask;
    private Task outage = Task.CompletedTask;

    /// <summary>One beat. Never waits; the task completes when what this beat set off is done, and does not fail.</summary>
    public Task Tick()
    {
        var listening = committer.IsAvailable;
        clock.Tick(listening);
        return listening ? LookAround() : Recover();
    }

    private Task LookAround()
    {
        List<Task> work = [];
        var now = clock.Now;
        foreach (var partition in memory.Partitions)
        {
            if ((partition.NextDue > now && !partition.HasUnsettled) || partition.TickWaits)
                continue;
            partition.TickWaits = true;
            work.Add(mail.PostAsync(partition.Index, new TickFact()));
        }

        work.Add(instances.EndSilentAsync());
        if (outage.IsCompleted && outages.Owes)
            work.Add(outage = outages.WriteAsync());
        if (inputs.HasMissed)
            work.Add(inputs.CatchUpAsync());
        if (checkpoint.IsCompleted && (lastCheckpoint is not { } last || time.GetElapsedTime(last) >= options.CheckpointEvery))
        {
            lastCheckpoint = time.GetTimestamp();
            work.Add(checkpoint = checkpoints.WriteAsync());
        }

        return work.TrueForAll(w => w.IsCompletedSuccessfully) ? Task.CompletedTask : ObserveAsync(Task.WhenAll(work));
    }

    private Task Recover()
    {
        if (!recovery.IsCompleted || time.GetElapsedTime(lastProbe) < options.ProbeEvery)
            return Task.CompletedTask;
        lastProbe = time.GetTimestamp();
        return recovery = ObserveAsync(RecoverAsync());
    }

    private async Task RecoverAsync()
    {
        await database.ProbeAsync();
        var suspects = committer.TakeSuspects();
        try
        {
            await inputs.ReloadAsync(suspects);
        }
        catch
        {
            committer.Suspect(suspects);
            throw;
        }

        committer.Resume();
        // What was read again may have changed its answer meanwhile.
        if (suspects.Count > 0)
            await inputs.ApplyAsync(new("recovery") { Devices = [.. suspects] });
        await inputs.CatchUpAsync();
    }

    private async Task ObserveAsync(Task work)
    {
#pragma warning disable CA1031 // the next beat tries again
        try
        {
            await work;
        }
        catch (DatabaseAwayException)
        {
            // The committer has said so already.
        }
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogBeat(e);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A part of presence's work failed; the next beat tries again.")]
    private partial void LogBeat(Exception e);
}
