using System.Numerics;

namespace Muster.Core.Presence;

/// <summary>
/// A hierarchical timing wheel over small integer ids (rows of a partition). An appointment is a hint: it never fires
/// before its instant, and at most one tick after it; whoever is called looks at the facts again. So an id that is put
/// off needs no work: it stays where it is, fires early for its new instant, and is scheduled again then. Nothing is
/// allocated except when the highest id grows. Not thread-safe.
/// </summary>
public sealed class TimingWheel
{
    private const int Bits = 6;
    private const int Slots = 1 << Bits;
    private const int Levels = 6;
    private const int Ready = Levels * Slots;
    private const int Nowhere = -1;

    private readonly long tickLength;
    private readonly int[] first = new int[Ready + 1];
    private readonly ulong[] occupied = new ulong[Levels];
    private Entry[] entries = [];
    private long current;

    /// <param name="now">Current instant, ms.</param>
    /// <param name="tickLength">Grain of the wheel, ms.</param>
    public TimingWheel(long now, long tickLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tickLength);
        this.tickLength = tickLength;
        current = now / tickLength;
        Array.Fill(first, Nowhere);
    }

    /// <summary>How many ids have an appointment.</summary>
    public int Count { get; private set; }

    /// <summary>Makes an appointment not later than <paramref name="at"/> (ms). An earlier one that stands already is kept.</summary>
    public void Schedule(int id, long at)
    {
        Grow(id);
        var due = (at + tickLength - 1) / tickLength;
        ref var entry = ref entries[id];
        if (entry.Slot != Nowhere)
        {
            if (entry.Due <= due)
                return;
            Unlink(id);
        }

        entry.Due = due;
        Link(id);
        Count++;
    }

    public void Cancel(int id)
    {
        if (id < entries.Length && entries[id].Slot != Nowhere)
            Unlink(id);
    }

    /// <summary>Takes out ids whose instant has come. A full buffer means that there may be more: call again.</summary>
    /// <param name="now">Current instant, ms.</param>
    /// <returns>How many ids were written to <paramref name="buffer"/>.</returns>
    public int Expire(long now, Span<int> buffer)
    {
        Turn(now / tickLength);
        var count = 0;
        while (count < buffer.Length && first[Ready] != Nowhere)
        {
            var id = first[Ready];
            Unlink(id);
            buffer[count++] = id;
        }

        return count;
    }

    /// <summary>Before this instant (ms) nothing falls due; null when there is no appointment at all.</summary>
    public long? NextTurn
    {
        get
        {
            if (first[Ready] != Nowhere)
                return current * tickLength;
            for (var level = 0; level < Levels; level++)
            {
                if (occupied[level] == 0)
                    continue;
                // Ids of a level lie ahead of the current slot; only beyond the outermost wheel they wait behind it.
                var shift = level * Bits;
                var position = (int)((current >> shift) & (Slots - 1));
                var distance = BitOperations.TrailingZeroCount(BitOperations.RotateRight(occupied[level], position + 1)) + 1;
                return (((current >> shift) + distance) << shift) * tickLength;
            }

            return null;
        }
    }

    private void Turn(long target)
    {
        while (current < target)
        {
            // Nothing can fall due before the innermost wheel comes round when it holds nothing: skip to there.
            current = occupied[0] == 0 ? Math.Min(target, current | (Slots - 1)) : current;
            if (current == target)
                return;
            current++;
            for (var level = 1; level < Levels && (current & ((1L << (level * Bits)) - 1)) == 0; level++)
                Empty(Slot(level, current));
            Empty(Slot(0, current));
        }
    }

    /// <summary>Moves a slot's ids inwards, or to the ready list when they are due.</summary>
    private void Empty(int slot)
    {
        while (first[slot] is var id && id != Nowhere)
        {
            Unlink(id);
            Link(id);
            Count++;
        }
    }

    private static int Slot(int level, long tick) => (level * Slots) + (int)((tick >> (level * Bits)) & (Slots - 1));

    private void Link(int id)
    {
        ref var entry = ref entries[id];
        var slot = Ready;
        if (entry.Due > current)
        {
            // Outermost digit (base 64) in which due and current differ. Beyond the outermost wheel: it is looked at again there.
            var level = BitOperations.Log2((ulong)(entry.Due ^ current)) / Bits;
            slot = level < Levels ? Slot(level, entry.Due) : Slot(Levels - 1, current - 1);
            occupied[slot / Slots] |= 1UL << (slot % Slots);
        }

        entry.Slot = slot;
        entry.Previous = Nowhere;
        entry.Next = first[slot];
        if (entry.Next != Nowhere)
            entries[entry.Next].Previous = id;
        first[slot] = id;
    }

    private void Unlink(int id)
    {
        ref var entry = ref entries[id];
        if (entry.Previous != Nowhere)
            entries[entry.Previous].Next = entry.Next;
        else
            first[entry.Slot] = entry.Next;
        if (entry.Next != Nowhere)
            entries[entry.Next].Previous = entry.Previous;
        if (entry.Slot != Ready && first[entry.Slot] == Nowhere)
            occupied[entry.Slot / Slots] &= ~(1UL << (entry.Slot % Slots));
        entry.Slot = Nowhere;
        Count--;
    }

    private void Grow(int id)
    {
        if (id < entries.Length)
            return;
        var old = entries.Length;
        Array.Resize(ref entries, Math.Max(id + 1, old * 2));
        for (var i = old; i < entries.Length; i++)
            entries[i].Slot = Nowhere;
    }

    private struct Entry
    {
        public long Due;
        public int Next;
        public int Previous;
        public int Slot;
    }
}
