using CsCheck;
using Muster.Core.Presence;

namespace Muster.Tests.Presence;

public sealed class TimingWheelTests
{
    private const long Tick = 100;

    [Fact]
    public void It_fires_never_early_and_at_most_a_tick_late() => Gen.Select(
        Gen.Long[0, 1_000_000], Gen.Select(Gen.Int[0, 3], Gen.Int[0, 20], Gen.Int[0, 22], Gen.Long[0, 1L << 22]).Array[1, 200]).Sample((start, steps) =>
    {
        var wheel = new TimingWheel(start, Tick);
        var model = new Dictionary<int, long>();
        var now = start;
        var buffer = new int[3];
        foreach (var (kind, id, bits, value) in steps)
        {
            // Spans of every magnitude, so that every level of the wheel is met.
            var span = value & ((1L << bits) - 1);
            switch (kind)
            {
                case 0:
                    now += span;
                    break;
                case 1:
                    wheel.Cancel(id);
                    model.Remove(id);
                    break;
                default:
                    wheel.Schedule(id, now + span);
                    model[id] = model.TryGetValue(id, out var standing) ? Math.Min(standing, now + span) : now + span;
                    break;
            }

            var fired = new HashSet<int>();
            int count;
            do
            {
                count = wheel.Expire(now, buffer);
                foreach (var expired in buffer.AsSpan(0, count))
                {
                    Assert.True(model.Remove(expired, out var at), "fired without an appointment");
                    Assert.True(at <= now, "fired early");
                    Assert.True(fired.Add(expired));
                }
            }
            while (count == buffer.Length);
            Assert.All(model.Values, at => Assert.True(at > now - Tick, "later than a tick"));
            Assert.Equal(model.Count, wheel.Count);
        }
    });

    [Fact]
    public void Putting_off_keeps_the_earlier_appointment()
    {
        var wheel = new TimingWheel(0, Tick);
        wheel.Schedule(7, 1_000);
        wheel.Schedule(7, 5_000);
        var buffer = new int[4];
        Assert.Equal(0, wheel.Expire(999, buffer));
        Assert.Equal(1, wheel.Expire(1_000, buffer));
        Assert.Equal(0, wheel.Count);
    }

    [Fact]
    public void Arming_again_allocates_nothing()
    {
        var wheel = new TimingWheel(0, Tick);
        wheel.Schedule(999, 0);
        var buffer = new int[1_000];
        wheel.Expire(0, buffer);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 1; round <= 20; round++)
        {
            for (var id = 0; id < 1_000; id++)
                wheel.Schedule(id, (round * 10_000L) + id);
            wheel.Expire((round * 10_000L) + 5_000, buffer);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
