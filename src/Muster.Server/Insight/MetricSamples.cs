using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Muster.Server.Presence;
using Muster.Storage.Presence;

namespace Muster.Server.Insight;

/// <summary>Metrics as a device reported them: percent, °C and MiB; null where it did not tell.</summary>
internal readonly record struct MetricSample(int? CpuUsage, int? CpuTemp, int? MemoryUsage, int? MemoryTotal, int? StorageUsage, int? StorageTotal)
{
    public static MetricSample Of(DeviceState device) => new(
        device.Reported.CpuUsage, device.Reported.CpuTemp, device.Reported.MemoryUsage, device.Reported.MemoryTotal, device.Reported.StorageUsage, device.Reported.StorageTotal);
}

/// <summary>
/// What devices reported last in each five minutes and is not written yet. A report costs one write into a dictionary;
/// how much may wait is bounded, and beyond it the oldest is given up.
/// </summary>
/// <param name="most">Samples that may wait.</param>
internal sealed class MetricSamples(int most) : ICommitWatcher
{
    /// <summary>Length of a bucket, ms.</summary>
    public const long Bucket = 5 * 60 * 1000;

    private readonly Lock gate = new();
    private readonly SortedList<long, Dictionary<long, MetricSample>> buckets = [];
    private (long At, Dictionary<long, MetricSample> Samples)? leaving;
    private long held;
    private long dropped;

    /// <summary>Beginning of the bucket of an instant; both Unix ms.</summary>
    public static long BucketOf(long at) => at - (at % Bucket);

    public void Committed(IReadOnlyList<DeviceChange> changes)
    {
        lock (gate)
        {
            foreach (var change in changes)
            {
                if (!change.Columns.HasFlag(DeviceColumns.Reported))
                    continue;
                var sample = MetricSample.Of(change.After);
                if (sample != default)
                    Put(BucketOf(change.At), change.After.Id, sample);
            }
        }
    }

    /// <summary>
    /// The oldest bucket that began before an instant, to be written; null when there is none. The same one is given again
    /// until it is <see cref="Written"/>.
    /// </summary>
    /// <param name="before">Unix ms.</param>
    public (long At, IReadOnlyDictionary<long, MetricSample> Samples)? Leaving(long before)
    {
        lock (gate)
        {
            if (leaving is null && buckets.Count > 0 && buckets.GetKeyAtIndex(0) < before)
            {
                leaving = (buckets.GetKeyAtIndex(0), buckets.GetValueAtIndex(0));
                buckets.RemoveAt(0);
            }

            return leaving is { } bucket ? (bucket.At, bucket.Samples) : null;
        }
    }

    /// <summary>The bucket that was <see cref="Leaving"/> is on record.</summary>
    public void Written(long at)
    {
        lock (gate)
        {
            if (leaving is not { } bucket || bucket.At != at)
                return;
            held -= bucket.Samples.Count;
            leaving = null;
        }
    }

    /// <summary>What waits of one device, oldest first, by the beginning of the bucket.</summary>
    public List<(long At, MetricSample Sample)> Of(long device)
    {
        lock (gate)
        {
            List<(long, MetricSample)> found = [];
            if (leaving is { } first && first.Samples.TryGetValue(device, out var early))
                found.Add((first.At, early));
            foreach (var (at, samples) in buckets)
            {
                if (samples.TryGetValue(device, out var sample))
                    found.Add((at, sample));
            }

            return found;
        }
    }

    /// <summary>How many samples were given up since this was asked last.</summary>
    public long TakeDropped()
    {
        lock (gate)
        {
            var taken = dropped;
            dropped = 0;
            return taken;
        }
    }

    private void Put(long bucket, long device, MetricSample sample)
    {
        if (!buckets.TryGetValue(bucket, out var samples))
            buckets.Add(bucket, samples = []);
        ref var place = ref CollectionsMarshal.GetValueRefOrNullRef(samples, device);
        if (!Unsafe.IsNullRef(ref place))
        {
            place = sample;
        }
        else if (held < most || MakeRoom(bucket))
        {
            samples.Add(device, sample);
            held++;
        }
        else
        {
            dropped++;
        }
    }

    /// <summary>Gives up the oldest bucket before this one. What is being written stays.</summary>
    private bool MakeRoom(long bucket)
    {
        if (buckets.GetKeyAtIndex(0) >= bucket)
            return false;
        dropped += buckets.GetValueAtIndex(0).Count;
        held -= buckets.GetValueAtIndex(0).Count;
        buckets.RemoveAt(0);
        return true;
    }
}
