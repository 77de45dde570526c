using Muster.Server.Dashboard.Live;
using Muster.Server.Insight;
using Muster.Storage;

namespace Muster.Server.Dashboard.Fleets;

/// <summary>
/// Reads what a page shows anew when a batch concerns it, at most twice a second: in a busy fleet the counts change with every
/// batch, and nobody reads faster. What happens meanwhile is in the next reading.
/// </summary>
internal sealed class PacedReading : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private readonly TimeProvider time;
    private readonly Func<Task> read;
    private readonly CancellationTokenSource left = new();
    private readonly IDisposable following;
    private long lastAt;

    /// <param name="concerns">Asked outside of the page's own thread.</param>
    /// <param name="read">Brings itself onto the page's thread.</param>
    public PacedReading(LivePages pages, TimeProvider time, Func<LiveBatch, bool> concerns, Func<Task> read)
    {
        (this.time, this.read) = (time, read);
        following = pages.Follow(async batch =>
        {
            if (!concerns(batch))
                return;
            if (lastAt != 0 && Pause - time.GetElapsedTime(lastAt) is { Ticks: > 0 } rest)
                await Task.Delay(rest, time, left.Token);
            var at = lastAt = time.GetTimestamp();
            await read();
            _ = SettleAsync(at);
        });
    }

    public void Dispose()
    {
        following.Dispose();
        left.Cancel();
        left.Dispose();
    }

    /// <summary>When nothing more happens: once again, because the changes of the last hour are not counted for every reading.</summary>
    private async Task SettleAsync(long readAt)
    {
        try
        {
            await Task.Delay(FleetOverviews.HourFreshness + Pause, time, left.Token);
            if (readAt == lastAt)
                await read();
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or DatabaseAwayException)
        {
            // The page was left, or the next batch reads what this one could not.
        }
    }
}
