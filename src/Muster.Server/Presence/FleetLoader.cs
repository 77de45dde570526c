using Muster.Core.Presence;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>Fills the memory at start. Nobody else touches it until this is done.</summary>
internal sealed partial class FleetLoader(FleetMemory memory, PresenceReader reader, ListeningClock clock, ServiceInstances instances, PresenceOptions options, TimeProvider time, ILogger<FleetLoader> log)
{
    /// <returns>Devices for which the rule, with the inputs of today, says something else than what stands on record.</returns>
    public async Task<IReadOnlyList<long>> LoadAsync(CancellationToken cancellation)
    {
        memory.Clear();
        var began = time.GetTimestamp();
        var checkpoint = await reader.ClockAsync(options.Node, cancellation);
        clock.Start(ObserverClock.Restore(checkpoint, await reader.LastObservedAsync(cancellation), clock.WallNow), checkpoint);
        var now = clock.Current;
        foreach (var partition in memory.Partitions)
            partition.StartClock(now.Now);
        foreach (var fleet in await reader.FleetsAsync(cancellation: cancellation))
            memory.Fleets[fleet.Id] = fleet;
        foreach (var uuid in await reader.DeletedUuidsAsync(FleetMemory.MaxDeleted, cancellation))
            memory.RememberDeleted(uuid);

        var changed = new List<long>();
        await foreach (var rows in reader.AllDevicesAsync(cancellation: cancellation))
        {
            foreach (var row in rows)
                Take(row, now, changed);
        }

        var (devices, elapsed) = (memory.Devices, time.GetElapsedTime(began).TotalSeconds);
        LogLoaded(devices, elapsed);
        return changed;
    }

    private void Take(DeviceRow row, in ObserverClock now, List<long> changed)
    {
        var partition = memory.Partitions[Partition.Of(row.State.Id)];
        var recorded = DeviceRules.Recorded(row, memory.Fleets.GetValueOrDefault(row.State.FleetId), options);
        var slot = partition.Add(row with { State = recorded }, now.Now);
        memory.Enter(recorded.Uuid, slot);
        if (DeviceRules.Today(recorded, 0) != recorded)
            changed.Add(recorded.Id);
        if (recorded is { CloudlinkConnected: true, ServiceInstanceId: { } instance })
        {
            instances.Alive(instance);
            foreach (var session in recorded.Elsewhere.Sessions)
                instances.Alive(session.Instance);
        }

        KnowInterval(partition, slot.Row, recorded, row.Contact, now);
        partition.Appoint(slot.Row, recorded, options, now);
    }

    /// <summary>
    /// The interval on record is the one that the device knows of. Where none is (an older version wrote the row), or where a
    /// later poll may have been lost with the process, it may know today's.
    /// </summary>
    private static void KnowInterval(Partition partition, int row, DeviceState device, ContactTimes contact, in ObserverClock now)
    {
        var known = contact.PollInterval ?? 0;
        if (contact.ObservedContact is null || (known != 0 && contact.ObservedPoll > now.UncleanAt))
            return;
        var (chunk, i) = (partition.Chunk(row), row % DeviceChunk.Rows);
        chunk.KnownInterval[i] = (int)Math.Max(known, device.PollInterval);
        chunk.Dirty[i] = chunk.KnownInterval[i] == known ? (byte)0 : (byte)1;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Devices} devices loaded in {Seconds:F1} s.")]
    private partial void LogLoaded(int devices, double seconds);
}
