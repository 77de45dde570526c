using Microsoft.Extensions.Options;

namespace Muster.Server.Cloudlink.Sessions;

/// <summary>
/// Admits the log-ins of all gateways of this node at <see cref="CloudlinkOptions.LoginsPerSecond"/>, in the order in which
/// they came: after an outage of ours everybody comes at once, and each log-in costs key checks and writes.
/// </summary>
internal sealed class LoginAdmission(IOptions<CloudlinkOptions> options, TimeProvider time)
{
    /// <summary>Nobody is kept waiting for longer; who would be is refused and comes back.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    /// <summary>So much of the rate may be used at once after a time in which it was not.</summary>
    private static readonly TimeSpan Burst = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private readonly long start = time.GetTimestamp();
    private TimeSpan next = -Burst;

    /// <summary>Waits for the caller's turn.</summary>
    /// <returns>False when too many wait already: refuse the log-in, nothing is wrong with it.</returns>
    public async ValueTask<bool> EnterAsync(CancellationToken cancellation)
    {
        if (Turn() is not { } wait)
            return false;
        if (wait > TimeSpan.Zero)
            await Task.Delay(wait, time, cancellation);
        return true;
    }

    private TimeSpan? Turn()
    {
        lock (gate)
        {
            var now = time.GetElapsedTime(start);
            var turn = next > now - Burst ? next : now - Burst;
            if (turn - now > LongestWait)
                return null;
            next = turn + (TimeSpan.FromSeconds(1) / options.Value.LoginsPerSecond);
            return turn - now;
        }
    }
}
