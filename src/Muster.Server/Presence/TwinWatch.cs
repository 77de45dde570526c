using System.Collections.Concurrent;
using Muster.Core.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// Traces of devices that changed where they come from or what they are; the others, which are nearly all, have none. Of this
/// process alone: after a restart two machines betray themselves anew within minutes.
/// </summary>
internal sealed class TwinWatch
{
    /// <summary>Devices that are traced at once; at about 1 KB each.</summary>
    private const int Most = 10_000;

    private const long KeptFor = 24 * 3_600_000L;

    private readonly ConcurrentDictionary<long, TwinTrace> traces = new();

    private long prunedAt;

    /// <param name="at">Unix ms.</param>
    public void Note(long device, TwinSign sign, string identity, long at)
    {
        if (traces.Count >= Most && !traces.ContainsKey(device) && !MakeRoom(at))
            return;
        traces.AddOrUpdate(device, _ => TwinTrace.Empty.Note(sign, identity, at), (_, trace) => trace.Note(sign, identity, at));
    }

    /// <summary>The same, when there is no trace of the device yet.</summary>
    public void Begin(long device, TwinSign sign, string identity, long at)
    {
        if (!traces.ContainsKey(device))
            Note(device, sign, identity, at);
    }

    public TwinFinding? Find(long device, long now) => traces.TryGetValue(device, out var trace) ? trace.Find(now) : null;

    public void Forget(long device) => traces.TryRemove(device, out _);

    /// <summary>Drops what is old; looked for once a minute at most.</summary>
    private bool MakeRoom(long at)
    {
        var last = Volatile.Read(ref prunedAt);
        if (at - last < 60_000 || Interlocked.CompareExchange(ref prunedAt, at, last) != last)
            return false;
        foreach (var (device, trace) in traces)
        {
            if (at - trace.LastAt > KeptFor)
                traces.TryRemove(device, out _);
        }

        return traces.Count < Most;
    }
}
