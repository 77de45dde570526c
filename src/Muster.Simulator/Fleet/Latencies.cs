namespace Muster.Simulator.Fleet;

/// <summary>How long requests took: a histogram with buckets 2 % wide from 1 µs up, of fixed size. Safe for many writers.</summary>
public sealed class Latencies
{
    private const double Width = 1.02;
    private readonly long[] buckets = new long[1024];
    private long count;

    public long Count => Interlocked.Read(ref count);

    public void Add(TimeSpan took)
    {
        var microseconds = Math.Max(1, took.TotalMicroseconds);
        Interlocked.Increment(ref buckets[Math.Min(buckets.Length - 1, (int)Math.Log(microseconds, Width))]);
        Interlocked.Increment(ref count);
    }

    /// <summary>The time within which this share of the requests was done; zero when there were none.</summary>
    public TimeSpan Quantile(double share)
    {
        var wanted = (long)Math.Ceiling(Count * share);
        long seen = 0;
        for (var i = 0; i < buckets.Length; i++)
        {
            seen += Interlocked.Read(ref buckets[i]);
            if (seen >= wanted && seen > 0)
                return TimeSpan.FromMicroseconds(Math.Pow(Width, i + 1));
        }

        return TimeSpan.Zero;
    }

    public void Clear()
    {
        for (var i = 0; i < buckets.Length; i++)
            Interlocked.Exchange(ref buckets[i], 0);
        Interlocked.Exchange(ref count, 0);
    }
}
