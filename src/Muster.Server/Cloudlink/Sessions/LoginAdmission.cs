using Microsoft.Extensions.Options;

namespace Muster.Server.Cloudlink.Sessions;

/// <summary>
/// Admits the log-ins of all gateways of this node at <see cref="CloudlinkOptions.LoginsPerSecond"/>, in the order in which
/// they came: after an outage of ours everybody comes at once, and each log-in costs key checks and writes.
/// </summary>
/// <param name="jitter">From 0 to 1: how far into its turn one that waited is admitted, so that pings and reports after it don't march in step. None without it.</param>
internal sealed class LoginAdmission(IOptions<CloudlinkOptions> options, TimeProvider time, Func<double>? jitter = null)
{
    /// <summary>Nobody is kept waiting for longer, where the gateway sets no other bound; who would be is refused and comes back.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    /// <summary>So much of the rate may be used at once after a time in which it was not.</summary>
    private static readonly TimeSpan Burst = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private readonly long start = time.GetTimestamp();
    private TimeSpan next = -Burst;
    private int waiting;

    /// <summary>Log-ins that wait for their turn.</summary>
    public int Waiting => Volatile.Read(ref waiting);

    /// <summary>Waits for the caller's turn.</summary>
    /// <param name="longestWait">Default: <see cref="LongestWait"/>.</param>
    /// <returns>False when too many wait already: refuse the log-in, nothing is wrong with it.</returns>
    public async ValueTask<bool> EnterAsync(CancellationToken cancellation, TimeSpan? longestWait = null)
    {
        if (Turn(longestWait ?? LongestWait) is not { } wait)
            return false;
        if (wait <= TimeSpan.Zero)
            return true;
        Interlocked.Increment(ref waiting);
        try
        {
            await Task.Delay(wait + (OneTurn * (jitter?.Invoke() ?? 0)), time, cancellation);
            return true;
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }

    private TimeSpan OneTurn => TimeSpan.FromSeconds(1) / options.Value.LoginsPerSecond;

    private TimeSpan? Turn(TimeSpan longestWait)
    {
        lock (gate)
        {
            var now = time.GetElapsedTime(start);
            var turn = next > now - Burst ? next : now - Burst;
            if (turn - now > longestWait)
                return null;
            next = turn + OneTurn;
            return turn - now;
        }
    }
}
