using System.Collections.Concurrent;
using System.Threading.Channels;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>
/// Asks connected devices to look at their target state when something that it is made of has changed, instead of waiting
/// for their next poll: one device at once, those of a fleet within a second or so, and each once for changes that come
/// together. A courtesy: what is lost here, the poll brings. (A device whose instant updates are switched off ignores it.)
/// </summary>
internal sealed partial class UpdateNudges(FleetPresence presence, Database database, ConnectedDevices connected, SupervisorClient supervisors, TimeProvider time, ILogger<UpdateNudges> log) : BackgroundService
{
    /// <summary>Devices that are asked for one change; beyond, they poll by themselves.</summary>
    private const int MaxDevices = 20_000;

    /// <summary>Devices and fleets that may have changed and wait to be looked up.</summary>
    private const int MaxWaiting = 20_000;

    /// <summary>Calls that may be under way at once: so many devices may be slow before they hold up others.</summary>
    private const int MaxCalls = 1_000;

    /// <summary>So many are asked with each <see cref="Beat"/>: they answer by polling, not all in the same instant.</summary>
    private const int PerBeat = 10;

    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(10);

    /// <summary>Changes are one as long as no more of them come for this long, up to <see cref="Longest"/>.</summary>
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(100);

    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(500);

    /// <summary>Who does not answer by then will poll.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim calls = new(MaxCalls);
    private readonly Channel<bool> news = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Lock gate = new();

    /// <summary>Devices that are being asked; true: something changed since they were.</summary>
    private readonly ConcurrentDictionary<long, bool> asked = new();

    private HashSet<long> devices = [];
    private HashSet<long> fleets = [];
    private int noted;
    private Task spreading = Task.CompletedTask;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        presence.InputsChanged += Note;
        try
        {
            await foreach (var _ in news.Reader.ReadAllAsync(stoppingToken))
            {
                await SettleAsync(stoppingToken);
                await NudgeAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
        finally
        {
            presence.InputsChanged -= Note;
        }
    }

    private void Note(InputChange change)
    {
        // A key is no part of a target state.
        if (change.Devices.Count + change.Fleets.Count == 0 || change.Cause is "key")
            return;
        lock (gate)
        {
            noted++;
            if (devices.Count + fleets.Count < MaxWaiting)
            {
                devices.UnionWith(change.Devices);
                fleets.UnionWith(change.Fleets);
            }
        }

        news.Writer.TryWrite(true);
    }

    private async Task SettleAsync(CancellationToken cancellation)
    {
        var began = time.GetTimestamp();
        int seen;
        do
        {
            seen = Volatile.Read(ref noted);
            await Task.Delay(Quiet, time, cancellation);
        }
        while (seen != Volatile.Read(ref noted) && time.GetElapsedTime(began) < Longest);
    }

    private async Task NudgeAsync(CancellationToken cancellation)
    {
        HashSet<long> some = [], all = [];
        lock (gate)
        {
            // Many at a time: what changed meanwhile is asked when these have been, for all changes together. A few go ahead.
            if (spreading.IsCompleted || devices.Count <= PerBeat)
                (some, devices) = (devices, []);
            if (spreading.IsCompleted)
                (all, fleets) = (fleets, []);
        }

        try
        {
            if (await connected.AmongAsync(some, all, MaxDevices, cancellation) is not { Count: > 0 } found)
                return;
            if (found.Count <= PerBeat)
                found.ForEach(device => Ask(device, cancellation));
            else
                spreading = SpreadAsync(found, cancellation);
        }
        // Also when a connection breaks in the middle of a read: nothing here is worth the server's life.
        catch (Exception e) when (e is DatabaseAwayException || database.IsAway(e))
        {
            LogGivenUp(e.Message);
        }
    }

    private async Task SpreadAsync(List<TunnelledDevice> found, CancellationToken cancellation)
    {
        foreach (var some in found.Chunk(PerBeat))
        {
            foreach (var device in some)
                Ask(device, cancellation);
            await Task.Delay(Beat, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        }

        news.Writer.TryWrite(true);
    }

    private void Ask(TunnelledDevice device, CancellationToken cancellation)
    {
        // Who is being asked may have looked before the change: he is asked once more.
        if (asked.AddOrUpdate(device.Id, false, (_, _) => true) is false)
            _ = AskAsync(device, cancellation);
    }

    private async Task AskAsync(TunnelledDevice device, CancellationToken stopping)
    {
        try
        {
            do
            {
                asked[device.Id] = false;
                await calls.WaitAsync(stopping);
                try
                {
                    using var late = new CancellationTokenSource(Patience, time);
                    using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stopping);
                    await supervisors.CallAsync(device, new(HttpMethod.Post, "/v1/update", null), either.Token);
                }
                finally
                {
                    calls.Release();
                }
            }
            while (!asked.TryRemove(new KeyValuePair<long, bool>(device.Id, false)));
        }
        catch (OperationCanceledException)
        {
            // Too slow, or the server stops.
            asked.TryRemove(device.Id, out _);
        }
    }

    public override void Dispose()
    {
        calls.Dispose();
        base.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Devices were not asked to look at their target state: {Why}")]
    private partial void LogGivenUp(string why);
}
