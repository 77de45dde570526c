using System.Collections.Concurrent;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>All devices of this node in memory: who they are, where they stand, and what their fleets say.</summary>
internal sealed class FleetMemory
{
    /// <summary>Uuids of deleted devices that are remembered in memory.</summary>
    public const int MaxDeleted = 100_000;

    private readonly ConcurrentDictionary<string, DeviceSlot> slots = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, DeviceSlot>.AlternateLookup<ReadOnlySpan<char>> slotsBySpan;
    private readonly ConcurrentDictionary<string, byte> deleted = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, byte>.AlternateLookup<ReadOnlySpan<char>> deletedBySpan;
    private readonly ConcurrentDictionary<long, int> fleetTickets = new();

    public FleetMemory()
    {
        slotsBySpan = slots.GetAlternateLookup<ReadOnlySpan<char>>();
        deletedBySpan = deleted.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public Partition[] Partitions { get; } = [.. Enumerable.Range(0, Partition.Count).Select(i => new Partition(i))];

    public ConcurrentDictionary<long, FleetRow> Fleets { get; } = new();

    public TwinWatch Twins { get; } = new();

    public int Devices => slots.Count;

    /// <summary>Empties the memory for a new load; nobody is answered meanwhile.</summary>
    public void Clear()
    {
        for (var i = 0; i < Partition.Count; i++)
            Partitions[i] = new Partition(i);
        slots.Clear();
        deleted.Clear();
        Fleets.Clear();
    }

    public bool TryFind(ReadOnlySpan<char> uuid, out DeviceSlot slot) => slotsBySpan.TryGetValue(uuid, out slot);

    public bool WasDeleted(ReadOnlySpan<char> uuid) => deletedBySpan.ContainsKey(uuid);

    public void Enter(string uuid, DeviceSlot slot)
    {
        slots[uuid] = slot;
        deleted.TryRemove(uuid, out _);
    }

    public void Leave(string uuid)
    {
        slots.TryRemove(uuid, out _);
        RememberDeleted(uuid);
    }

    public void RememberDeleted(string uuid)
    {
        if (deleted.Count < MaxDeleted)
            deleted.TryAdd(uuid, 0);
    }

    public DeviceState? State(DeviceSlot slot) => Partitions[slot.Partition].State(slot.Row, slot.Generation);

    public int FleetTicket(long fleet) => fleetTickets.GetValueOrDefault(fleet);

    public void MoveFleetTicket(long fleet) => fleetTickets.AddOrUpdate(fleet, 1, (_, ticket) => ticket + 1);
}
