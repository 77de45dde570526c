using System.Threading.Channels;

namespace Muster.Server.Presence;

/// <summary>A change of a fact or of an answer of the rule, committed (docs/design.md, "Words").</summary>
/// <param name="Id">Place in the history and in the feed; rises with every transition.</param>
/// <param name="Fact">overall_status, heartbeat, cloudlink, update_status, is_active, is_frozen or running_release.</param>
/// <param name="At">Unix ms.</param>
/// <param name="Cause">What brought it about, as a stable word: poll, report, silence, cloudlink, …</param>
public sealed record TransitionEvent(long Id, long DeviceId, long FleetId, string Uuid, string Fact, string? From, string? To, long At, string Cause);

/// <summary>
/// Committed transitions of this node, as they happen. Each subscriber has a bounded buffer; one that does not keep up
/// is cut off (its reader completes with <see cref="LiveFeedLagException"/>) and catches up from the history.
/// </summary>
public sealed class LiveFeed
{
    private readonly Lock gate = new();
    private volatile Channel<TransitionEvent>[] subscribers = [];

    /// <summary>How many listen now.</summary>
    public int Subscribers => subscribers.Length;

    /// <summary>All transitions committed from now on. Dispose to stop listening.</summary>
    public Subscription Subscribe(int capacity = 4096)
    {
        var channel = Channel.CreateBounded<TransitionEvent>(new BoundedChannelOptions(capacity) { FullMode = BoundedChannelFullMode.Wait, SingleReader = true, SingleWriter = true });
        lock (gate)
            subscribers = [.. subscribers, channel];
        return new(this, channel);
    }

    /// <summary>Called by the one committer of the node, in the order of the ids.</summary>
    internal void Publish(IReadOnlyList<TransitionEvent> transitions)
    {
        foreach (var channel in subscribers)
        {
            foreach (var transition in transitions)
            {
                if (channel.Writer.TryWrite(transition))
                    continue;
                Remove(channel, new LiveFeedLagException());
                break;
            }
        }
    }

    private void Remove(Channel<TransitionEvent> channel, Exception? reason)
    {
        lock (gate)
            subscribers = [.. subscribers.Where(s => s != channel)];
        channel.Writer.TryComplete(reason);
    }

    /// <summary>One listener's place in the feed.</summary>
    public sealed class Subscription : IDisposable
    {
        private readonly LiveFeed feed;
        private readonly Channel<TransitionEvent> channel;

        internal Subscription(LiveFeed feed, Channel<TransitionEvent> channel)
        {
            this.feed = feed;
            this.channel = channel;
        }

        public ChannelReader<TransitionEvent> Reader => channel.Reader;

        public void Dispose() => feed.Remove(channel, null);
    }
}

/// <summary>The subscriber did not keep up; read what was missed from the history.</summary>
public sealed class LiveFeedLagException() : Exception("The listener did not keep up with the live feed.");
