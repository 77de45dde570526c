using System.Collections.Concurrent;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// Signs of life of the service instances that hold tunnels. Silence counts on the observer clock: an outage of ours
/// ends nobody's sessions.
/// </summary>
internal sealed class ServiceInstances(FleetMemory memory, PartitionMail mail, ListeningClock clock, PresenceOptions options)
{
    private readonly ConcurrentDictionary<long, long> lastAlive = new();

    public void Alive(long instance) => lastAlive[instance] = clock.Now;

    /// <summary>Ends the sessions of instances that have been silent for too long.</summary>
    public async Task EndSilentAsync()
    {
        var latest = clock.Now - (long)options.ServiceInstanceTimeout.TotalMilliseconds;
        foreach (var (instance, alive) in lastAlive)
        {
            if (alive > latest || !lastAlive.TryRemove(new(instance, alive)))
                continue;
            try
            {
                await LoseAsync(instance);
            }
            catch
            {
                lastAlive.TryAdd(instance, alive);
                throw;
            }
        }
    }

    /// <summary>Ends the sessions of an instance that may hold none any more.</summary>
    public Task EndAsync(long instance)
    {
        lastAlive.TryRemove(instance, out _);
        return LoseAsync(instance);
    }

    private Task LoseAsync(long instance) =>
        Task.WhenAll(memory.Partitions.Where(p => Holds(p, instance)).Select(p => mail.PostAsync(p.Index, new InstanceLostFact(instance))));

    private static bool Holds(Partition partition, long instance)
    {
        foreach (var chunk in partition.Chunks)
        {
            foreach (var device in chunk.State)
            {
                if (device is not null && DeviceTunnels.IsAt(device, instance))
                    return true;
            }
        }

        return false;
    }
}
