namespace Muster.Server.Cloudlink.TunnelServers;

/// <summary>Keeps refused log-ins waiting, so that refused clients stay quiet; only so many at once, and no longer than the caller stays.</summary>
internal sealed class DenialDelay(TimeSpan delay, TimeProvider time)
{
    private const int MaxWaiting = 1_000;
    private int waiting;

    public async Task WaitAsync(CancellationToken cancellation)
    {
        if (delay <= TimeSpan.Zero)
            return;
        try
        {
            if (Interlocked.Increment(ref waiting) <= MaxWaiting)
                await Task.Delay(delay, time, cancellation);
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }
}
