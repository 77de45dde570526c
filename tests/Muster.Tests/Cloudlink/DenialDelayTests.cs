using Microsoft.Extensions.Time.Testing;
using Muster.Server.Cloudlink.TunnelServers;

namespace Muster.Tests.Cloudlink;

public sealed class DenialDelayTests
{
    [Fact]
    public async Task A_refused_log_in_waits_as_long_as_is_set()
    {
        var time = new FakeTimeProvider();
        var delay = new DenialDelay(TimeSpan.FromSeconds(10), time);
        var waiting = delay.WaitAsync(CancellationToken.None);
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.False(waiting.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1));
        await waiting;
    }

    [Fact]
    public async Task Only_so_many_are_kept_waiting()
    {
        var delay = new DenialDelay(TimeSpan.FromSeconds(10), new FakeTimeProvider());
        for (var i = 0; i < 1_000; i++)
            Assert.False(delay.WaitAsync(CancellationToken.None).IsCompleted);
        await delay.WaitAsync(CancellationToken.None);
    }
}
