using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Muster.Server.Devices;

/// <summary>
/// Keeps what was used of late, at most twice <paramref name="capacity"/> entries: when the young half is full it becomes
/// the old half, and what is still asked for moves up again. Thread-safe.
/// </summary>
internal sealed class BoundedCache<TKey, TValue>(int capacity)
    where TKey : notnull
{
    private readonly Lock turn = new();
    private ConcurrentDictionary<TKey, TValue> young = new();
    private ConcurrentDictionary<TKey, TValue> old = new();
    private int count;

    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        if (young.TryGetValue(key, out value))
            return true;
        if (!old.TryGetValue(key, out value))
            return false;
        Set(key, value);
        return true;
    }

    public void Set(TKey key, TValue value)
    {
        if (!young.TryAdd(key, value))
        {
            young[key] = value;
            return;
        }

        if (Interlocked.Increment(ref count) < capacity)
            return;
        lock (turn)
        {
            if (Volatile.Read(ref count) < capacity)
                return;
            old = young;
            young = new();
            Volatile.Write(ref count, 0);
        }
    }
}
