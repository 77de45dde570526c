using Muster.Storage;

namespace Muster.Server.Presence;

/// <summary>A partition's owner: one turn at a time, and therefore the only writer of its devices.</summary>
internal interface IPartitionGrain : IGrainWithIntegerKey
{
    /// <summary>Takes what waits in the partition's inbox through one turn. Facts fail one by one, the call does not.</summary>
    Task DrainAsync();
}

/// <summary>
/// Thin: facts → new states (<see cref="PartitionTurn"/>) → durable (<see cref="GroupCommitter"/>) → published. If the
/// process dies before the commit nobody was told; after it, the next start reads what was committed.
/// </summary>
internal sealed class PartitionGrain(FleetMemory memory, GroupCommitter committer, ListeningClock clock, TurnReads reads, PresenceOptions options) : Grain, IPartitionGrain
{
    private const int FactsPerTurn = 512;

    private Partition Partition => memory.Partitions[(int)this.GetPrimaryKeyLong()];

    public Task DrainAsync()
    {
        var facts = new List<PartitionFact>();
        // Facts of devices and inputs read from the database don't share a turn: the latter must see the former committed.
        while (facts.Count < FactsPerTurn && Partition.Inbox.TryPeek(out var next) && (facts.Count == 0 || next is ReadFact == facts[0] is ReadFact) && Partition.Inbox.TryDequeue(out next))
            facts.Add(next);
        return TurnAsync(facts);
    }

    private async Task TurnAsync(List<PartitionFact> facts)
    {
#pragma warning disable CA1031 // whoever told a fact hears why it failed
        if (facts.Count > 0 && facts[0] is ReadFact)
        {
            try
            {
                await reads.ReadAsync([.. facts.Cast<ReadFact>()]);
            }
            catch (Exception e)
            {
                foreach (var fact in facts)
                    fact.Fail(Partition, e);
                return;
            }
        }

        var turn = new PartitionTurn(Partition, memory, clock.Current, clock.WallNow, options);
        var applied = new List<PartitionFact>(facts.Count);
        foreach (var fact in facts)
        {
            try
            {
                fact.Apply(turn);
                applied.Add(fact);
            }
            catch (Exception e)
            {
                fact.Fail(Partition, e);
            }
        }

        try
        {
            if (turn.Changes() is { Count: > 0 } changes)
                await committer.CommitAsync(changes);
        }
        catch (Exception e) when (e is DatabaseAwayException || applied.Count == 1)
        {
            turn.Abandon();
            foreach (var fact in applied)
                fact.Fail(Partition, e);
            return;
        }
        catch (Exception)
        {
            // One of them was refused: each for itself.
            turn.Abandon();
            foreach (var fact in applied)
                await TurnAsync([fact]);
            return;
        }
#pragma warning restore CA1031

        turn.Publish();
        foreach (var fact in applied)
            fact.Complete();
    }
}
