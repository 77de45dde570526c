using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>Reads devices for turns of partitions: many in one statement, few statements at once.</summary>
internal sealed class TurnReads(FleetMemory memory, PresenceReader reader) : IDisposable
{
    private readonly SemaphoreSlim places = new(4, 4);

    /// <summary>Gives each fact what stands on record, and makes sure that their fleets are known.</summary>
    public async Task ReadAsync(IReadOnlyList<ReadFact> facts)
    {
        await places.WaitAsync();
        try
        {
            var rows = (await reader.DevicesAsync([.. facts.Select(f => f.DeviceId).Distinct()])).ToDictionary(r => r.State.Id);
            foreach (var fact in facts)
                fact.Read = rows.GetValueOrDefault(fact.DeviceId);
            var unknown = rows.Values.Select(r => r.State.FleetId).Distinct().Where(f => !memory.Fleets.ContainsKey(f)).ToList();
            if (unknown.Count == 0)
                return;
            // A change of the fleet that comes after this is told, and read then.
            foreach (var fleet in await reader.FleetsAsync(fleets: unknown))
                memory.Fleets.TryAdd(fleet.Id, fleet);
        }
        finally
        {
            places.Release();
        }
    }

    public void Dispose() => places.Dispose();
}
