using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Dashboard.Live;

/// <summary>What happened since the last batch.</summary>
/// <param name="Transitions">In the order of the feed, of all devices; a page picks what it shows.</param>
/// <param name="Changes">What people changed of what pages show.</param>
/// <param name="HasGap">Something was missed: the page reads anew all that it shows.</param>
internal sealed record LiveBatch(IReadOnlyList<TransitionEvent> Transitions, IReadOnlyList<InputChange> Changes, bool HasGap);

/// <summary>
/// Brings committed changes to the open pages: one listener to the feed for all of them, a batch each quarter second. A page
/// that is still busy with its last batch gets the next one when it is done; what waits for it is bounded.
/// </summary>
internal sealed partial class LivePages(LiveFeed feed, FleetPresence presence, DeviceEdits edits, TimeProvider time, ILogger<LivePages> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(250);
    private const int MostWaiting = 5_000;

    private readonly Lock gate = new();
    private readonly List<InputChange> changes = [];
    private Follower[] followers = [];
    private LiveFeed.Subscription? subscription;
    private bool listening = true;

    /// <summary>Whether Muster hears its devices and can write it down; false while its database is away.</summary>
    public bool IsListening => Volatile.Read(ref listening);

    /// <summary>Raised when <see cref="IsListening"/> changed. Handlers return at once and don't throw.</summary>
    public event Action? ListeningChanged;

    /// <summary>Hands each batch to the page until the result is disposed. Not for prerendering, where nobody disposes.</summary>
    /// <param name="hasNews">Asked with each batch, so that no page needs a timer: true brings a batch even if nothing was committed. Quick, and does not throw.</param>
    public IDisposable Follow(Func<LiveBatch, Task> page, Func<bool>? hasNews = null)
    {
        var follower = new Follower(this, page, hasNews);
        lock (gate)
        {
            followers = [.. followers, follower];
            // Nobody listens for nobody.
            subscription ??= feed.Subscribe(MostWaiting * 2);
        }

        return follower;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        presence.InputsChanged += Note;
        edits.Edited += NoteEdits;
        try
        {
            using var timer = new PeriodicTimer(Every, time);
            await using var end = stoppingToken.Register(timer.Dispose);
            while (await timer.WaitForNextTickAsync(CancellationToken.None))
            {
                Deal();
                if (presence.IsListening == IsListening)
                    continue;
                Volatile.Write(ref listening, presence.IsListening);
                ListeningChanged?.Invoke();
            }
        }
        finally
        {
            presence.InputsChanged -= Note;
            edits.Edited -= NoteEdits;
            lock (gate)
                subscription?.Dispose();
        }
    }

    private void Deal()
    {
        List<TransitionEvent> transitions = [];
        InputChange[] changed;
        Follower[] pages;
        bool gap;
        lock (gate)
        {
            if (subscription is null)
                return;
            while (subscription.Reader.TryRead(out var transition))
                transitions.Add(transition);
            gap = subscription.Reader.Completion.IsCompleted;
            changed = [.. changes];
            changes.Clear();
            pages = followers;
            if (gap || pages.Length == 0)
            {
                subscription.Dispose();
                subscription = pages.Length == 0 ? null : feed.Subscribe(MostWaiting * 2);
            }
        }

        foreach (var page in pages)
            page.Offer(transitions, changed, gap);
    }

    private void NoteEdits(IReadOnlyCollection<long> devices) => Note(new("edit") { Devices = devices });

    private void Note(InputChange change)
    {
        lock (gate)
        {
            if (subscription is not null && changes.Count < MostWaiting)
                changes.Add(change);
        }
    }

    private void Leave(Follower follower)
    {
        lock (gate)
            followers = [.. followers.Where(f => f != follower)];
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A page could not show what changed.")]
    private partial void LogNotShown(Exception e);

    /// <summary>One open page. Offered to by the one loop above only.</summary>
    private sealed class Follower(LivePages pages, Func<LiveBatch, Task> show, Func<bool>? hasNews) : IDisposable
    {
        private readonly List<TransitionEvent> transitions = [];
        private readonly List<InputChange> changed = [];
        private Task showing = Task.CompletedTask;
        private bool gap;

        public void Offer(List<TransitionEvent> more, InputChange[] changes, bool hasGap)
        {
            gap |= hasGap;
            if (transitions.Count + more.Count > MostWaiting || changed.Count + changes.Length > MostWaiting)
            {
                gap = true;
                transitions.Clear();
                changed.Clear();
            }
            else
            {
                transitions.AddRange(more);
                changed.AddRange(changes);
            }

            if (!showing.IsCompleted || (transitions.Count == 0 && changed.Count == 0 && !gap && hasNews?.Invoke() != true))
                return;
            var batch = new LiveBatch([.. transitions], [.. changed], gap);
            transitions.Clear();
            changed.Clear();
            gap = false;
            showing = ShowAsync(batch);
        }

        public void Dispose() => pages.Leave(this);

        private async Task ShowAsync(LiveBatch batch)
        {
            try
            {
                await show(batch);
            }
            catch (Exception e) when (e is ObjectDisposedException or OperationCanceledException)
            {
                // The page was closed meanwhile.
            }
#pragma warning disable CA1031 // one page's trouble is not the others'
            catch (Exception e)
#pragma warning restore CA1031
            {
                gap = true;
                pages.LogNotShown(e);
            }
        }
    }
}
