using System.Collections.Concurrent;
using System.Threading.Channels;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Insight;
using Muster.Server.Presence;
using Muster.Server.Resources;
using Muster.Storage;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>
/// Carries out queued actions: of each device in the order in which they were queued, one after another, each at most once,
/// as soon as the device is connected. Nobody need tell it for ever: what it is not told it finds by looking, every few seconds.
/// </summary>
internal sealed partial class ActionQueue(
    QueuedActions actions, ConnectedDevices connected, DeviceTunnel tunnels, CloudlinkSessions sessions, LinksUp links, AuditedCalls calls, AuditLog audit, Callers callers,
    Database database, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<ActionQueue> log) : BackgroundService
{
    /// <summary>Devices that are asked at once.</summary>
    private const int MostAtOnce = 64;

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PruneEvery = TimeSpan.FromMinutes(5);

    /// <summary>Looks that were asked for in between become one: many devices come back at once.</summary>
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(100);

    /// <summary>A device that counts as connected, but to which nothing gets through.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    /// <summary>A device that does not take a connection by then is not reached.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan AgainAfter = TimeSpan.FromSeconds(1);

    private readonly Channel<bool> looks = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly SemaphoreSlim places = new(MostAtOnce);
    private readonly ConcurrentDictionary<long, bool> busy = new();
    private readonly ConcurrentDictionary<string, long> paused = new();
    private readonly ConcurrentDictionary<long, TaskCompletionSource<SupervisorAnswer?>> waiting = new();
    private readonly CancellationToken ending = lifetime.ApplicationStopping;

    /// <summary>Raised with the device's id when something of its queue changed here. Handlers return at once and don't throw.</summary>
    public event Action<long>? Changed;

    /// <summary>Queues a call for devices, on record in the audit log.</summary>
    /// <exception cref="QueueRefusedException">Nothing was queued.</exception>
    /// <exception cref="DatabaseAwayException">Nothing was queued, unless the commit broke: with the same key it can be asked for again.</exception>
    public async Task<List<QueuedAction>> AddAsync(ActionWish wish, IReadOnlyList<DeviceLink> devices, CancellationToken cancellation)
    {
        var ids = await audit.BeginAllAsync([.. devices.Select(d => new AuditEntry(wish.Asker.Caller, "action.queue", d.Id, d.OrganizationId, wish.Asker.From, wish.Call.Detail))], cancellation);
        var outcome = AuditOutcome.Unknown;
        List<(QueuedAction Action, bool IsNew)>? added = null;
        try
        {
            added = await actions.AddAsync(wish, devices, cancellation);
        }
        catch (QueueRefusedException)
        {
            outcome = AuditOutcome.Refused;
            throw;
        }
        finally
        {
            await audit.EndAllAsync([.. ids.Select((id, i) => (id, added is null ? outcome : $"{(added[i].IsNew ? "queued as" : "was queued before as")} {added[i].Action.Id}"))]);
        }

        foreach (var device in devices)
            Changed?.Invoke(device.Id);
        looks.Writer.TryWrite(true);
        return [.. added.Select(a => a.Action)];
    }

    /// <summary>Has the device asked now, and waits for the action's end.</summary>
    /// <returns>What the device answered; null when it was not asked, or not by this.</returns>
    public async Task<SupervisorAnswer?> RunAsync(QueuedAction action, CancellationToken cancellation)
    {
        var end = waiting.GetOrAdd(action.Id, _ => new(action.DeviceId, TaskCreationOptions.RunContinuationsAsynchronously));
        Start(action.DeviceId, action.DeviceUuid);
        try
        {
            return await end.Task.WaitAsync(cancellation);
        }
        finally
        {
            waiting.TryRemove(action.Id, out _);
        }
    }

    /// <summary>Cancels an action that has not begun.</summary>
    /// <returns>False when it has begun or ended.</returns>
    /// <exception cref="DatabaseAwayException">Ask again.</exception>
    public async Task<bool> CancelAsync(Asker asker, QueuedAction action, CancellationToken cancellation)
    {
        var entry = await audit.BeginAsync(new(asker.Caller, "action.cancel", action.DeviceId, action.OrganizationId, asker.From, $"queued action {action.Id}: {action.Method} {action.Path}"), cancellation);
        bool? cancelled = null;
        try
        {
            cancelled = await actions.CancelAsync(action.Id, "Cancelled before it began.", cancellation);
            return cancelled.Value;
        }
        finally
        {
            await audit.EndAsync(entry, cancelled switch { true => AuditOutcome.Done, false => "too late", null => AuditOutcome.Unknown });
            Changed?.Invoke(action.DeviceId);
        }
    }

    public override void Dispose()
    {
        places.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        sessions.Opened += Note;
        links.Up += Note;
        try
        {
            await Task.WhenAll(LookAsync(stoppingToken), TickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
        finally
        {
            sessions.Opened -= Note;
            links.Up -= Note;
        }
    }

    private void Note(DeviceSession session) => Note(session.Uuid);

    private void Note(string uuid)
    {
        paused.TryRemove(uuid, out _);
        looks.Writer.TryWrite(true);
    }

    private async Task TickAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(LookEvery, time);
        while (await timer.WaitForNextTickAsync(stopping))
            looks.Writer.TryWrite(true);
    }

    private async Task LookAsync(CancellationToken stopping)
    {
        var prunedAt = time.GetTimestamp();
        await foreach (var _ in looks.Reader.ReadAllAsync(stopping))
        {
            try
            {
                await actions.TidyAsync(stopping);
                foreach (var (id, uuid) in await actions.DueAsync(stopping))
                {
                    if (!paused.TryGetValue(uuid, out var since) || time.GetElapsedTime(since) >= Pause)
                        Start(id, uuid);
                }

                if (time.GetElapsedTime(prunedAt) >= PruneEvery)
                {
                    await actions.PruneAsync(stopping);
                    prunedAt = time.GetTimestamp();
                }
            }
            catch (Exception e) when (IsAway(e))
            {
                LogLater(e.Message);
            }

            await Task.Delay(Breath, time, stopping);
        }
    }

    /// <summary>Works off the device's queue, unless that is being done.</summary>
    private void Start(long device, string uuid)
    {
        if (busy.TryAdd(device, true))
            _ = WorkOffAsync(device, uuid);
    }

    private async Task WorkOffAsync(long device, string uuid)
    {
        try
        {
            await places.WaitAsync(ending);
            try
            {
                while (await OneAsync(device, uuid))
                    Changed?.Invoke(device);
            }
            finally
            {
                places.Release();
            }
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
        }
#pragma warning disable CA1031 // one device's trouble is not the others'
        catch (Exception e)
#pragma warning restore CA1031
        {
            paused[uuid] = time.GetTimestamp();
            if (IsAway(e))
                LogLater(e.Message);
            else
                LogFailed(e, uuid);
        }
        finally
        {
            busy.TryRemove(device, out _);
            // Who still waits for an action of this device looks himself what stands on record.
            foreach (var (_, end) in waiting)
            {
                if (end.Task.AsyncState is long waitsFor && waitsFor == device)
                    end.TrySetResult(null);
            }

            Changed?.Invoke(device);
        }
    }

    /// <summary>Carries out the oldest action of the device.</summary>
    /// <returns>Whether there may be another one to carry out now.</returns>
    private async Task<bool> OneAsync(long device, string uuid)
    {
        var link = await connected.LinkAsync(device, ending);
        if (link is null or { IsFrozen: true })
        {
            await actions.FailAsync(device, link is null ? "The device was deleted." : "The device is frozen and takes no actions.", ending);
            return false;
        }

        if (link.Tunnel is not { } tunnel || !await actions.AnyWaitsAsync(device, ending))
            return false;
        // An attempt that reaches nobody is no business of the audit log's.
        if (!await ReachesAsync(tunnel))
        {
            paused[uuid] = time.GetTimestamp();
            return false;
        }

        if (await actions.ClaimAsync(device, ending) is not { } claimed)
            return false;
        Changed?.Invoke(device);
        SupervisorAnswer? answer;
        try
        {
            answer = await CallAsync(claimed, link, tunnel);
        }
        catch (Exception e) when (IsAway(e))
        {
            // Nothing is called that is not on record first.
            answer = new(StatusCodes.Status503ServiceUnavailable, null, "", WasSent: false);
        }

        if (answer is { WasSent: false })
        {
            paused[uuid] = time.GetTimestamp();
            await InsistAsync(() => actions.GiveBackAsync(claimed.Action.Id, ending));
            return false;
        }

        var (state, sentence) = answer switch
        {
            null => (ActionStates.Failed, "Who queued it may not do it any more; the device was not asked."),
            { Status: StatusCodes.Status502BadGateway or StatusCodes.Status504GatewayTimeout } => (ActionStates.Unknown, "It was sent, but no answer came: the device may have done it. It is not tried again."),
            { Status: >= 200 and < 300 } => (ActionStates.Done, null),
            _ => (ActionStates.Failed, (string?)null),
        };
        await InsistAsync(() => actions.EndAsync(claimed.Action.Id, state, answer?.Status, answer?.Body, sentence, ending));
        if (waiting.TryGetValue(claimed.Action.Id, out var end))
            end.TrySetResult(answer);
        return true;
    }

    private async Task<bool> ReachesAsync(TunnelledDevice tunnel)
    {
        using var late = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, ending);
        try
        {
            await using var stream = await tunnels.ConnectAsync(tunnel, tunnel.ApiPort ?? 80, either.Token);
            return true;
        }
        catch (Exception e) when (e is TunnelException || (e is OperationCanceledException && !ending.IsCancellationRequested))
        {
            return false;
        }
    }

    /// <summary>Null when the person may not do it any more.</summary>
    private async Task<SupervisorAnswer?> CallAsync(ClaimedAction claimed, DeviceLink link, TunnelledDevice tunnel)
    {
        var asker = new Asker(await callers.OfAccountAsync(claimed.AccountId, ending), claimed.From);
        if (SupervisorRule.MayCall(asker.Caller, link.Id, link.OrganizationId, claimed.Call.Method))
            return await calls.CallAsync(asker, tunnel, claimed.Call, $"queued action {claimed.Action.Id}", ending);
        // The account may be gone; the log names it by its id.
        var known = asker with { Caller = asker.Caller with { Kind = CallerKind.User, SubjectId = claimed.AccountId } };
        await calls.RefusedAsync(known, [(link.Id, link.OrganizationId)], claimed.Call, ending);
        return null;
    }

    /// <summary>What became of a claimed action is written down when the database is back; if Muster ends before, it is unknown.</summary>
    private async Task InsistAsync(Func<Task> write)
    {
        while (true)
        {
            try
            {
                await write();
                return;
            }
            catch (Exception e) when (IsAway(e))
            {
                LogLater(e.Message);
                await Task.Delay(AgainAfter, time, ending);
            }
        }
    }

    private bool IsAway(Exception e) => e is DatabaseAwayException || database.IsAway(e);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Queued actions are looked at later: {Why}")]
    private partial void LogLater(string why);

    [LoggerMessage(Level = LogLevel.Error, Message = "The queued actions of device {Uuid} could not be carried out; tried again.")]
    private partial void LogFailed(Exception e, string uuid);
}
