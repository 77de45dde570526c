using CsCheck;
using Muster.Core.Presence;
using Muster.Core.Status;

namespace Muster.Tests.Presence;

/// <summary>
/// A device that behaves as the real supervisor does, against a server that goes away in every way it can. Real time,
/// the device and the observer are simulated; the rules under test are the product's.
/// </summary>
public sealed class OutageTests
{
    private const long Second = 1_000;
    private const long Minute = 60 * Second;

    private enum Away
    {
        /// <summary>The process stops in order and starts again.</summary>
        Stopped,
        /// <summary>The process is killed; what it knew of the last seconds is lost.</summary>
        Killed,
        /// <summary>The process or the machine stands still.</summary>
        Paused,
        /// <summary>The process runs, the database does not.</summary>
        NoDatabase,
    }

    private static readonly Gen<(long Interval, (Away Kind, long After, long Length)[] Outages, int Seed)> Stories = Gen.Select(
        Gen.OneOf(Gen.Long[10, 120], Gen.Long[120, 1_200], Gen.Long[1_200, 7_200]).Select(seconds => seconds * Second),
        Gen.Select(
            Gen.OneOf(Away.Stopped, Away.Killed, Away.Paused, Away.NoDatabase),
            Gen.OneOf(Gen.Long[1, 100], Gen.Long[100, 4_000]).Select(seconds => seconds * Second),
            Gen.OneOf(Gen.Long[3, 120], Gen.Long[120, 7_200]).Select(seconds => seconds * Second)).Array[1, 5],
        Gen.Int);

    [Fact]
    public void No_living_device_leaves_online_whatever_happens_to_us() => Stories.Sample(
        story =>
        {
            var world = new World(story.Interval, story.Seed);
            foreach (var (kind, after, length) in story.Outages)
            {
                world.Listen(after);
                world.GoAway(kind, length);
            }

            world.Listen((2 * story.Interval) + (5 * Minute));
        },
        iter: 300);

    [Fact]
    public void A_device_that_dies_is_found_out_within_a_window_of_our_listening() => Stories.Sample(
        story =>
        {
            var world = new World(story.Interval, story.Seed);
            world.Listen(2 * story.Interval);
            world.Die();
            foreach (var (kind, _, length) in story.Outages)
                world.GoAway(kind, length);
            world.Listen(world.Limits.Window + Second, mayBeSilent: true);
            Assert.NotEqual(HeartbeatState.Online, world.Heartbeat);
            world.Listen(world.Limits.OfflineAfter + Second, mayBeSilent: true);
            Assert.Equal(HeartbeatState.Offline, world.Heartbeat);
        },
        iter: 100);

    private sealed class World(long interval, int seed)
    {
        private readonly Random random = new(seed);
        private ObserverClock clock = ObserverClock.First;
        private long now;
        private long lastPoll;
        private long nextTry = seed % Minute is var phase && phase >= 0 ? phase : -phase;
        private int failures;
        private bool alive = true;

        public SilenceLimits Limits { get; } = new(interval + (90 * Second), 15 * Second);

        public HeartbeatState Heartbeat { get; private set; } = HeartbeatState.Online;

        public void Die() => alive = false;

        public void Listen(long length, bool mayBeSilent = false)
        {
            for (var end = now + length; now < end;)
            {
                now += Second;
                clock = clock.Advance(Second, listening: true);
                while (alive && nextTry <= now)
                {
                    lastPoll = clock.Now;
                    failures = 0;
                    nextTry = now + interval + random.NextInt64(Minute);
                }

                Heartbeat = HeartbeatMachine.AfterSilence(Heartbeat, lastPoll, lastPoll, Limits, clock).State;
                Assert.True(mayBeSilent || !alive || Heartbeat is HeartbeatState.Online, $"{Heartbeat} at {now}, last poll {lastPoll}, {clock}");
            }
        }

        public void GoAway(Away kind, long length)
        {
            // Contacts and clock are written down every few seconds; a kill loses what came after.
            var (recordedPoll, recordedClock, lost) = (lastPoll, clock, random.NextInt64(5 * Second));
            if (kind is Away.Killed && lastPoll > clock.Now - lost)
                recordedPoll = Math.Max(0, lastPoll - interval);
            var checkpoint = (recordedClock with { Now = kind is Away.Killed ? Math.Max(recordedPoll, clock.Now - lost) : clock.Now })
                .Checkpoint(now - (kind is Away.Killed ? lost : 0), kind is Away.Stopped);

            var end = now + length;
            while (alive && nextTry < end)
            {
                var hangs = random.NextInt64(59 * Second);
                nextTry += hangs + Math.Min(interval, 15 * Second << Math.Min(failures++, 20));
            }

            now = end;
            switch (kind)
            {
                case Away.Paused:
                    clock = clock.Advance(length, listening: true);
                    break;
                case Away.NoDatabase:
                    clock = clock.Advance(length / 2, listening: false).Advance(length - (length / 2), listening: true);
                    break;
                default:
                    clock = ObserverClock.Restore(checkpoint, recordedPoll, now);
                    lastPoll = recordedPoll;
                    break;
            }
        }
    }
}
