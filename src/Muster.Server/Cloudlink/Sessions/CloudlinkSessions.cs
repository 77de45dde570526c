using Microsoft.Extensions.Options;
using Muster.Server.Presence;
using Muster.Server.Resources.Connections;
using Muster.Storage;

namespace Muster.Server.Cloudlink.Sessions;

/// <summary>
/// All tunnels that this node holds, and the only one to tell presence of them. A device is connected while any session
/// of it lives, and for a short while after one broke off by no doing of its own (the gateway ended, or a resumable
/// connection was cut): it is then awaited, and only its staying away is told. What could not be told yet is told when the
/// database is back; the last word of a device counts.
/// </summary>
internal sealed partial class CloudlinkSessions(FleetPresence presence, GatewayInstance instance, IOptions<CloudlinkOptions> options, IOptions<PresenceOptions> node, OpenConnections connections, TimeProvider time, ILogger<CloudlinkSessions> log) : BackgroundService
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AliveEvery = TimeSpan.FromSeconds(10);

    /// <summary>Beats further apart than this: the machine stood still, or this process.</summary>
    private static readonly TimeSpan StoodStill = TimeSpan.FromSeconds(5);

    /// <summary>How soon after that everybody has noticed that peers were silent meanwhile, and has given up tunnels for it.</summary>
    private static readonly TimeSpan Waking = TimeSpan.FromSeconds(10);

    /// <summary>The longer we are away, the less often devices try: up to this far apart.</summary>
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(120);

    private readonly Lock gate = new();
    private readonly Dictionary<string, Held> devices = [];
    private readonly Dictionary<string, bool> owed = [];
    /// <summary>Longer than a dead session is believed, ms.</summary>
    private const long DoubleAfter = 180_000;

    private readonly Dictionary<DeviceSession, OpenConnection> entered = [];
    private readonly SemaphoreSlim told = new(0);

    /// <summary>How long this process has been able to take sessions, as far as its beats show: a frozen process misses nobody.</summary>
    private TimeSpan listened;
    private TimeSpan wakingUntil;
    private TimeSpan retry;
    private ListeningGap? outage;
    private long lastBeat = time.GetTimestamp();

    /// <summary>Raised after a device got its first session, or got one back. Handlers return at once and don't throw.</summary>
    public event Action<DeviceSession>? Opened;

    /// <summary>The newest session of a device; null when there is none.</summary>
    public DeviceSession? Find(string uuid)
    {
        lock (gate)
            return devices.TryGetValue(uuid, out var held) && held.Sessions.Count > 0 ? held.Sessions[^1] : null;
    }

    /// <summary>Sessions that live now.</summary>
    public IReadOnlyList<DeviceSession> List()
    {
        lock (gate)
            return [.. devices.Values.SelectMany(held => held.Sessions)];
    }

    public void Open(DeviceSession session)
    {
        lock (gate)
        {
            if (!devices.TryGetValue(session.Uuid, out var held))
                devices[session.Uuid] = held = new();
            if (held.Sessions.Any(other => other.Kind == session.Kind))
                presence.SecondTunnel(session.Uuid, session.From);
            held.Sessions.Add(session);
            held.AwaitedUntil = null;
            Owe(session.Uuid, connected: true);
            if (!entered.ContainsKey(session))
                entered[session] = connections.Enter("cloudlink", default, _ => ValueTask.FromResult(IsAllowed(session)), session.End);
        }

        Opened?.Invoke(session);
    }

    /// <summary>The session has ended; told twice, it ends once.</summary>
    /// <param name="returnWithin">How long the device is awaited before its link counts as down; null when it ended in order, or by the device's doing.</param>
    public void Close(DeviceSession session, TimeSpan? returnWithin = null)
    {
        lock (gate)
        {
            if (entered.Remove(session, out var connection))
                connection.Dispose();
            if (!devices.TryGetValue(session.Uuid, out var held) || !held.Sessions.Remove(session) || held.Sessions.Count > 0)
                return;
            // Silence in which we stood still is no device's doing.
            if (returnWithin is null && (time.GetElapsedTime(lastBeat) > StoodStill || listened < wakingUntil))
                returnWithin = options.Value.PatienceWith(devices.Count);
            if (returnWithin is { } patience)
                held.AwaitedUntil = listened + patience;
            else
                End(session.Uuid);
        }
    }

    /// <summary>A device that is deleted, or whose key is, has no tunnel.</summary>
    private bool IsAllowed(DeviceSession session) => session.KeyHash is { } hash ? presence.HasKey(session.Uuid, hash) : presence.TryFind(session.Uuid, out _);

    /// <summary>What is held of a device that was awaited is over.</summary>
    private void End(string uuid)
    {
        devices.Remove(uuid);
        Owe(uuid, connected: false);
    }

    private void Owe(string uuid, bool connected)
    {
        owed[uuid] = connected;
        if (told.CurrentCount == 0)
            told.Release();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        presence.OutageEnded += AwaitLonger;
        try
        {
            // It may have ended before we listened.
            if (presence.LastOutage is { } last)
                AwaitLonger(last);
            await BeginAsync(stoppingToken);
            await Task.WhenAll(TellAsync(stoppingToken), BeatAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // A stop in order ends no session: the devices come back to the next life, and are awaited there.
        }
        finally
        {
            presence.OutageEnded -= AwaitLonger;
        }
    }

    private async Task BeginAsync(CancellationToken stopping)
    {
        while (true)
        {
            try
            {
                if (instance.Id == 0)
                    Await(await instance.BeginAsync(node.Value.Node, stopping));
                if (presence.IsReady)
                    return;
            }
            catch (DatabaseAwayException e)
            {
                LogAway(e.Message);
            }

            await Task.Delay(Beat, time, stopping);
        }
    }

    /// <summary>Devices that an earlier life of this node held: all are let in again, at the rate at which that can be done.</summary>
    private void Await(List<string> uuids)
    {
        lock (gate)
        {
            var until = listened + options.Value.PatienceWith(uuids.Count) + retry;
            foreach (var uuid in uuids)
                devices.TryAdd(uuid, new() { AwaitedUntil = until });
        }
    }

    /// <summary>Known how long this node was away: devices tried in vain, and now try as seldom.</summary>
    private void AwaitLonger(ListeningGap gap)
    {
        if (gap.Kind is not (ListeningGap.Stopped or ListeningGap.Killed))
            return;
        var away = TimeSpan.FromMilliseconds(gap.To - gap.From);
        lock (gate)
        {
            if (gap == outage)
                return;
            outage = gap;
            retry = away < LongestRetry ? away : LongestRetry;
            foreach (var held in devices.Values)
                held.AwaitedUntil += retry;
        }
    }

    private async Task TellAsync(CancellationToken stopping)
    {
        while (true)
        {
            await told.WaitAsync(stopping);
            KeyValuePair<string, bool>[] words;
            lock (gate)
            {
                words = [.. owed];
                owed.Clear();
            }

            foreach (var some in words.GroupBy(word => word.Value, word => word.Key))
            {
                try
                {
                    // That the device was heard, the gateways told when it came.
                    await presence.CloudlinkAsync(instance.Id, [.. some], connected: some.Key, instance.NextEpoch(), stopping, heard: false);
                }
#pragma warning disable CA1031 // one word that is not taken must not keep all others
                catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
                {
                    if (e is DatabaseAwayException or PresenceBusyException)
                        LogAway(e.Message);
                    else
                        LogNotTold(e);
                    await LaterAsync(some, stopping);
                }
            }
        }
    }

    /// <summary>What presence did not take is owed again, unless there is newer news of the device.</summary>
    private async Task LaterAsync(IGrouping<bool, string> some, CancellationToken stopping)
    {
        lock (gate)
        {
            foreach (var uuid in some)
                owed.TryAdd(uuid, some.Key);
        }

        await Task.Delay(Beat, time, stopping);
        if (told.CurrentCount == 0)
            told.Release();
    }

    private async Task BeatAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(Beat, time);
        lastBeat = time.GetTimestamp();
        var alive = TimeSpan.Zero;
        while (await timer.WaitForNextTickAsync(stopping))
        {
            var passed = Beaten();
            alive += passed;
            if (alive >= AliveEvery)
            {
                alive = TimeSpan.Zero;
                await presence.ServiceInstanceAliveAsync(instance.Id);
                TellDoubles();
            }

            lock (gate)
            {
                listened += passed < Beat * 2 ? passed : Beat;
                if (passed > StoodStill)
                    wakingUntil = listened + Waking;
                foreach (var (uuid, _) in devices.Where(device => device.Value.AwaitedUntil <= listened).ToList())
                    End(uuid);
            }
        }
    }

    /// <summary>One machine holds one tunnel; a former one that died without a word has ended by then.</summary>
    private void TellDoubles()
    {
        var before = time.GetUtcNow().ToUnixTimeMilliseconds() - DoubleAfter;
        lock (gate)
        {
            foreach (var held in devices.Values.Where(held => held.Sessions.Count > 1))
            {
                if (held.Sessions.Where(s => s.Since < before).GroupBy(s => s.Kind).FirstOrDefault(s => s.Skip(1).Any()) is { } doubles)
                    presence.SecondTunnel(doubles.First().Uuid, doubles.First().From);
            }
        }
    }

    private TimeSpan Beaten()
    {
        lock (gate)
        {
            var now = time.GetTimestamp();
            var passed = time.GetElapsedTime(lastBeat, now);
            lastBeat = now;
            return passed;
        }
    }

    public override void Dispose()
    {
        told.Dispose();
        base.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Tunnel sessions are told later: {Why}")]
    private partial void LogAway(string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Tunnel sessions could not be told of; tried again.")]
    private partial void LogNotTold(Exception e);

    /// <summary>What is held of one device. Guarded by the gate.</summary>
    private sealed class Held
    {
        /// <summary>The newest stands last.</summary>
        public List<DeviceSession> Sessions { get; } = [];

        /// <summary>On the clock of what was listened; null unless it is awaited.</summary>
        public TimeSpan? AwaitedUntil { get; set; }
    }
}
