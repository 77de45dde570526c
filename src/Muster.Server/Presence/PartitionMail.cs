namespace Muster.Server.Presence;

/// <summary>Carries facts to partitions: into the inbox, and one call of the grain for all that wait there.</summary>
internal sealed partial class PartitionMail(FleetMemory memory, IGrainFactory grains, ILogger<PartitionMail> log)
{
    /// <returns>Completes when the fact is durable and published; see <see cref="PartitionFact.Done"/>.</returns>
    public Task PostAsync(int partition, PartitionFact fact)
    {
        var to = memory.Partitions[partition];
        to.Inbox.Enqueue(fact);
        if (to.TryBeginDrain())
            _ = DrainAsync(to);
        return fact.Done;
    }

    private async Task DrainAsync(Partition partition)
    {
        do
        {
            try
            {
                while (!partition.Inbox.IsEmpty)
                    await grains.GetGrain<IPartitionGrain>(partition.Index).DrainAsync();
            }
#pragma warning disable CA1031 // the silo could not deliver the call: nobody else would release those who wait
            catch (Exception e)
#pragma warning restore CA1031
            {
                LogUndelivered(e, partition.Index);
                while (partition.Inbox.TryDequeue(out var fact))
                    fact.Fail(partition, new PresenceBusyException("The partition cannot be reached."));
            }

            partition.EndDrain();
        }
        while (!partition.Inbox.IsEmpty && partition.TryBeginDrain());
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Partition {Partition} could not be called.")]
    private partial void LogUndelivered(Exception e, int partition);
}
