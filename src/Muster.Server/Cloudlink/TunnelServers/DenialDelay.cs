using Microsoft.Extensions.Options;

namespace Muster.Server.Cloudlink.TunnelServers;

/// <summary>Keeps refused log-ins waiting, so that refused clients stay quiet; only so many at once, and no longer than the caller stays.</summary>
internal sealed class DenialDelay(IOptions<CloudlinkOptions> options, TimeProvider time)
{
    private const int MaxWaiting = 1_000;
    private int waiting;

    public async Task WaitAsync(CancellationToken cancellation)
    {
        if (options.Value.DenyDelay <= TimeSpan.Zero)
            return;
        try
        {
            if (Interlocked.Increment(ref waiting) <= MaxWaiting)
                await Task.Delay(options.Value.DenyDelay, time, cancellation);
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }
}
