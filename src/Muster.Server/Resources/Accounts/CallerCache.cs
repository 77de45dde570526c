using System.Collections.Concurrent;
using Muster.Core.Access;

namespace Muster.Server.Resources.Accounts;

/// <summary>
/// Callers by the hash of their secret, bounded. Two generations: when the young one is full it becomes the old one and
/// the old one goes, so that callers in use stay and a flood of others cannot grow memory.
/// </summary>
internal sealed class CallerCache(TimeProvider time)
{
    /// <summary>How long an entry is believed without a look at the database: what another process changed shows within this time.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(4);

    private const int Generation = 20_000;

    private readonly Lock turning = new();
    private ConcurrentDictionary<UInt128, Entry> young = new();
    private ConcurrentDictionary<UInt128, Entry> old = new();
    private int ticket;

    /// <summary>Taken before the database is asked; an answer from before <see cref="Clear"/> is not kept.</summary>
    public int Ticket => Volatile.Read(ref ticket);

    public Caller? Find(byte[] hash)
    {
        var (key, check) = Split(hash);
        if (!young.TryGetValue(key, out var entry) && !old.TryGetValue(key, out entry))
            return null;
        return entry.Check == check && entry.Until > Now ? entry.Caller : null;
    }

    public void Keep(byte[] hash, Caller caller, long? expires, int ticketBefore)
    {
        var until = Now + (long)Lifetime.TotalMilliseconds;
        var (key, check) = Split(hash);
        lock (turning)
        {
            if (ticketBefore != ticket)
                return;
            if (young.Count >= Generation)
                (old, young) = (young, new());
            young[key] = new Entry(check, caller, Math.Min(until, expires ?? until));
        }
    }

    public void Clear()
    {
        lock (turning)
        {
            ticket++;
            (old, young) = (new(), new());
        }
    }

    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    // The whole SHA-256 is compared: half of it is the key of the table, the other half is checked.
    private static (UInt128 Key, UInt128 Check) Split(byte[] hash) =>
        (System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(hash), System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(hash.AsSpan(16)));

    private sealed record Entry(UInt128 Check, Caller Caller, long Until);
}
