using System.Text.Json;
using Microsoft.Extensions.Options;
using Muster.Core.Access;
using Muster.Server.Hosting;
using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Insight;

/// <summary>What a reader of the stream asked for; null: all of it.</summary>
internal readonly record struct StreamFilter(long? FleetId, long? DeviceId)
{
    public bool Takes(TransitionEvent transition) =>
        (FleetId is null || FleetId == transition.FleetId) && (DeviceId is null || DeviceId == transition.DeviceId);
}

/// <summary>
/// The open event streams: first what the reader missed, from the history, then the live feed. What waits for a slow
/// reader is bounded: one that does not keep up is told so and cut off, and resumes by id.
/// </summary>
internal sealed class EventStreams(
    LiveFeed feed, TransitionHistory history, Sight sight, Callers callers, IOptions<InsightOptions> options, TimeProvider time, IHostApplicationLifetime lifetime)
{
    private const int Page = 500;
    private int open;

    /// <summary>False when too many are open; true must be paid back with <see cref="Leave"/>.</summary>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref open) <= options.Value.MaxStreams)
            return true;
        Leave();
        return false;
    }

    public void Leave() => Interlocked.Decrement(ref open);

    /// <summary>Serves one reader until it goes, is cut off, loses its rights, or the server stops.</summary>
    /// <param name="secret">The reader's credentials, to ask again now and then who it is.</param>
    /// <param name="after">Id of the last event it has, or null to begin now.</param>
    public async Task RunAsync(HttpContext context, Caller caller, string secret, StreamFilter filter, long? after)
    {
        var connection = Callers.ConnectionOf(context);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping, connection.Ended);
        var reader = new Reader(context.Response, caller, filter);
        try
        {
            await reader.BeginAsync(stop.Token);
            var place = await CatchUpAsync(reader, await PlaceAsync(reader, after, stop.Token), stop.Token);
            using var subscription = feed.Subscribe(options.Value.StreamBuffer);
            // Once more, for what was committed between the last page and the subscription.
            place = await CatchUpAsync(reader, place, stop.Token);
            await reader.PlaceAsync(place, stop.Token);
            await FollowAsync(reader, subscription, secret, place, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            if (connection.IsEnded && !context.RequestAborted.IsCancellationRequested)
                await reader.EndAsync("end", "Your right to this stream has ended.", context.RequestAborted);
        }
        catch (LiveFeedLagException)
        {
            await reader.EndAsync("cut", "The reader did not keep up. Resume with the id of the last event.", context.RequestAborted);
        }
    }

    /// <summary>Where the reader stands. One who asks for more than is kept is told that there is a gap.</summary>
    private async Task<long> PlaceAsync(Reader reader, long? after, CancellationToken cancellation)
    {
        var range = await history.RangeAsync(cancellation);
        var newest = range?.Newest ?? 0;
        if (after is not { } id)
            return newest;
        if (id > newest || (range is { } kept && id > 0 && id < kept.Oldest - 1))
            await reader.GapAsync(range?.Oldest ?? 0, cancellation);
        return Math.Min(id, newest);
    }

    private async Task<long> CatchUpAsync(Reader reader, long place, CancellationToken cancellation)
    {
        while (true)
        {
            var missed = await history.AfterAsync(place, Page, cancellation);
            foreach (var transition in missed)
                await OfferAsync(reader, transition, cancellation);
            await reader.FlushAsync(cancellation);
            if (missed.Count > 0)
                place = missed[^1].Id;
            if (missed.Count < Page)
                return place;
        }
    }

    private async Task FollowAsync(Reader reader, LiveFeed.Subscription subscription, string secret, long place, CancellationToken cancellation)
    {
        while (true)
        {
            while (subscription.Reader.TryRead(out var transition))
            {
                // Before what is told: what comes after the end of a right is told to nobody.
                reader.Caller = await callers.OfSecretAsync(secret, cancellation);
                if (transition.Id > place)
                    await OfferAsync(reader, transition, cancellation);
            }

            await reader.FlushAsync(cancellation);
            var more = subscription.Reader.WaitToReadAsync(cancellation).AsTask();
            while (!more.IsCompleted)
            {
                using var awake = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                if (await Task.WhenAny(more, Task.Delay(options.Value.StreamIdle, time, awake.Token)) == more)
                {
                    await awake.CancelAsync();
                    break;
                }

                cancellation.ThrowIfCancellationRequested();
                await reader.IdleAsync(cancellation);
            }

            if (!await more)
                return;
        }
    }

    private async ValueTask OfferAsync(Reader reader, TransitionEvent transition, CancellationToken cancellation)
    {
        if (reader.Filter.Takes(transition) && await sight.CanSeeAsync(reader.Caller, transition.FleetId, transition.DeviceId, cancellation))
            await reader.TransitionAsync(transition, cancellation);
    }

    /// <summary>One reader's connection, in the words of server-sent events.</summary>
    private sealed class Reader(HttpResponse response, Caller caller, StreamFilter filter)
    {
        public Caller Caller { get; set; } = caller;

        public StreamFilter Filter => filter;

        public Task BeginAsync(CancellationToken cancellation)
        {
            response.BeginStream("text/event-stream");
            return WriteAndFlushAsync("retry: 2000\n\n", cancellation);
        }

        public Task TransitionAsync(TransitionEvent transition, CancellationToken cancellation) =>
            WriteAsync($"id: {transition.Id}\nevent: transition\ndata: {JsonSerializer.Serialize(TransitionMessage.Of(transition), InsightJson.Default.TransitionMessage)}\n\n", cancellation);

        /// <summary>An id without an event: a reader that sees nothing for a while still knows where it stands.</summary>
        public Task PlaceAsync(long id, CancellationToken cancellation) => WriteAndFlushAsync($"id: {id}\n\n", cancellation);

        public Task GapAsync(long oldest, CancellationToken cancellation) =>
            WriteAndFlushAsync($"event: gap\ndata: {{\"oldest\":{oldest}}}\n\n", cancellation);

        public Task IdleAsync(CancellationToken cancellation) => WriteAndFlushAsync(": idle\n\n", cancellation);

        public Task EndAsync(string name, string sentence, CancellationToken cancellation) =>
            WriteAndFlushAsync($"event: {name}\ndata: \"{sentence}\"\n\n", cancellation);

        public Task FlushAsync(CancellationToken cancellation) => response.Body.FlushAsync(cancellation);

        private Task WriteAsync(string text, CancellationToken cancellation) => response.WriteAsync(text, cancellation);

        private async Task WriteAndFlushAsync(string text, CancellationToken cancellation)
        {
            await WriteAsync(text, cancellation);
            await FlushAsync(cancellation);
        }
    }
}
