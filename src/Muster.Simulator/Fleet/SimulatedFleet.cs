using System.Collections.Concurrent;
using Muster.Simulator.Devices;
using Muster.Simulator.Scenarios;

namespace Muster.Simulator.Fleet;

/// <param name="RampUp">Devices are switched on one after the other over this time, ms.</param>
/// <param name="LogLines">Devices send their log.</param>
public sealed record FleetOptions(string Seed, int Devices, DeviceSettings Settings, Scenario Scenario, double TimeScale, long RampUp, bool LogLines = true);

/// <summary>
/// Drives many devices on one thread of control: a queue of due instants, requests sent beside it. What devices really did
/// goes to the truth.
/// </summary>
public sealed class SimulatedFleet : ITunnelEnds
{
    private static readonly TimeSpan LongestNap = TimeSpan.FromMilliseconds(20);

    private readonly FleetOptions options;
    private readonly ServerClient client;
    private readonly TunnelServer? tunnels;
    private readonly ConnectProxy? proxy;
    private readonly WebSocketTunnels? webSockets;
    private readonly Operator? @operator;
    private readonly TruthLog truth;
    private readonly TimeProvider time;
    private readonly Entry[] devices;
    private readonly ConcurrentDictionary<string, Entry> tunnelled = new(StringComparer.Ordinal);
    private readonly Lock queueGate = new();
    private readonly PriorityQueue<Entry, long> queue = new();

    public SimulatedFleet(FleetOptions options, ServerClient client, TunnelServer? tunnels, Operator? @operator, TruthLog truth, TimeProvider time, ConnectProxy? proxy = null, WebSocketTunnels? webSockets = null)
    {
        this.options = options;
        this.client = client;
        this.tunnels = tunnels;
        this.proxy = proxy;
        this.webSockets = webSockets;
        this.@operator = @operator;
        this.truth = truth;
        this.time = time;
        devices = [.. Enumerable.Range(0, options.Devices).Select(n => new Entry(new SimulatedDevice(options.Seed, n, options.Settings)))];
        client.WasAway = (from, to) => truth.Write(new("", from, TruthEvents.ServerAway) { AnsweredAt = to });
    }

    /// <summary>How many devices are in which condition, by the words of <see cref="SimulatedDevice.Word"/>.</summary>
    public IReadOnlyDictionary<string, int> Words()
    {
        var words = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var entry in devices)
        {
            lock (entry.Gate)
                words[entry.Device.Word] = words.GetValueOrDefault(entry.Device.Word) + 1;
        }

        return words;
    }

    public int Tunnels => tunnels?.Connected ?? webSockets?.Connected ?? 0;

    public TunnelEnd End(string uuid, int port)
    {
        if (!tunnelled.TryGetValue(uuid, out var entry))
            return TunnelEnd.NotConnected;
        lock (entry.Gate)
        {
            var device = entry.Device;
            return device.Tunnel switch
            {
                { IsUp: false } => TunnelEnd.NotConnected,
                { IsHalfOpen: true } => TunnelEnd.Silent,
                _ => port == SimulatedDevice.ApiPort && device.SupervisorRuns ? TunnelEnd.Supervisor : TunnelEnd.NothingListens,
            };
        }
    }

    public SupervisorReply? Call(string uuid, SupervisorCall call)
    {
        if (!tunnelled.TryGetValue(uuid, out var entry))
            return null;
        lock (entry.Gate)
        {
            if (entry.Device is not { SupervisorRuns: true, Tunnel: { IsUp: true, IsHalfOpen: false } })
                return null;
            var reply = SupervisorApi.Answer(entry.Device, call, Now());
            if (reply.Then is { } then)
                Apply(entry, then, begins: true);
            else
                Reschedule(entry);
            return reply;
        }
    }

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        var start = Now();
        for (var i = 0; i < devices.Length; i++)
        {
            devices[i].Device.SwitchOn(start + (options.RampUp * i / devices.Length));
            Reschedule(devices[i]);
        }

        var alongside = new List<Task> { SufferAsync(start, cancellation) };
        if (tunnels is not null)
            alongside.Add(tunnels.RunAsync(cancellation));
        if (proxy is not null)
            alongside.Add(proxy.RunAsync(this, client, cancellation));
        try
        {
            while (true)
            {
                var now = Now();
                while (NextDue(now) is { } entry)
                    Run(entry, now, cancellation);
                foreach (var task in alongside)
                {
                    if (task.IsFaulted)
                        await task;
                }

                await Task.Delay(LongestNap, time, cancellation);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            await Task.WhenAll(alongside).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    private Entry? NextDue(long now)
    {
        lock (queueGate)
        {
            while (queue.TryPeek(out var entry, out var due) && due <= now)
            {
                queue.Dequeue();
                // Entries that were superseded by an earlier or later instant are passed over.
                if (entry.Scheduled != due)
                    continue;
                entry.Scheduled = long.MaxValue;
                return entry;
            }
        }

        return null;
    }

    private void Reschedule(Entry entry)
    {
        FollowTunnel(entry);
        var due = entry.Device.NextDue;
        lock (queueGate)
        {
            if (due == entry.Scheduled)
                return;
            entry.Scheduled = due;
            if (due != long.MaxValue)
                queue.Enqueue(entry, due);
        }
    }

    /// <summary>The tunnel over WebSocket is what the device's way to the cloud lets it be.</summary>
    private void FollowTunnel(Entry entry)
    {
        var tunnel = entry.Device.Tunnel;
        // One that ends at once ends in order.
        var way = !tunnel.IsUp || (tunnel.IsHalfOpen && tunnel.NextDue <= Now()) ? TunnelWay.Closed : tunnel.IsHalfOpen ? TunnelWay.Silent : TunnelWay.Open;
        if (webSockets is null || way == entry.Way)
            return;
        entry.Way = way;
        webSockets.Set(entry.Device.Identity, way, this);
    }

    private void Run(Entry entry, long now, CancellationToken cancellation)
    {
        lock (entry.Gate)
        {
            while (entry.Device.Take(now) is { } request)
            {
                if (request.Kind == RequestKind.Log && !options.LogLines)
                    entry.Device.Answered(request, new DeviceAnswer(201, null, ""), now);
                else
                    _ = SendAsync(entry, request, entry.Device.Condition.Http, cancellation);
            }

            if (entry.Device.Tunnel.Take(now) is { } up)
            {
                tunnelled[entry.Device.Identity.Uuid] = entry;
                tunnels?.Tell(entry.Device.Identity, up);
            }

            Reschedule(entry);
        }
    }

    private async Task SendAsync(Entry entry, DeviceRequest request, Reach reach, CancellationToken cancellation)
    {
        // Answers are handed back outside the lock that the caller holds.
        await Task.Yield();
        var limit = TimeSpan.FromMilliseconds(options.Settings.Timings.RequestTimeout);
        var uuid = entry.Device.Identity.Uuid;
        var sent = Now();
        DeviceAnswer? answer = null;
        try
        {
            if (reach is Reach.Fine or Reach.AnswersLost)
                answer = await client.SendAsync(request, limit, cancellation);
            var answered = Now();
            if (reach is Reach.Hanging or Reach.AnswersLost)
                await Task.Delay(limit, time, cancellation);
            lock (entry.Gate)
            {
                entry.Device.Answered(request, reach == Reach.Fine ? answer : null, Now());
                if (reach is Reach.Fine or Reach.AnswersLost)
                    Record(entry.Device, request, uuid, sent, answer is null ? null : answered, answer);
                Reschedule(entry);
            }
        }
        catch (OperationCanceledException)
        {
            // The simulation ends, and with it this request: it may have arrived.
            if (reach is Reach.Fine or Reach.AnswersLost)
                Record(entry.Device, request, uuid, sent, answer is null ? null : Now(), answer);
        }
    }

    private void Record(SimulatedDevice device, DeviceRequest request, string uuid, long sent, long? answered, DeviceAnswer? answer)
    {
        var happened = new TruthEvent(uuid, sent, request.Kind switch
        {
            RequestKind.Register => TruthEvents.Register,
            RequestKind.Poll => TruthEvents.Poll,
            RequestKind.Report or RequestKind.OsProgress => TruthEvents.Report,
            RequestKind.Log => TruthEvents.Contact,
            _ => TruthEvents.Request,
        })
        { AnsweredAt = answered, Status = answer?.Status, Claim = request.Claim };
        // Requests with the provisioning key are no contact of the device.
        if (happened.Event == TruthEvents.Request && request.Key != device.Identity.Key)
            return;
        truth.Write(request.Kind == RequestKind.Poll ? happened with { PollInterval = device.PollInterval, TunnelEnabled = device.TunnelEnabled } : happened);
    }

    private async Task SufferAsync(long start, CancellationToken cancellation)
    {
        var seed = DeviceIdentity.RandomSeed(options.Seed, -1);
        for (var round = 0; ; round++)
        {
            var begins = start + (long)(round * options.Scenario.RepeatEvery * 1000 / options.TimeScale);
            foreach (var change in ScenarioPlan.Of(options.Scenario, devices.Length, unchecked(seed + round), options.TimeScale))
            {
                var wait = begins + change.At - Now();
                if (wait > 0)
                    await Task.Delay(TimeSpan.FromMilliseconds(wait), time, cancellation);
                await ApplyAsync(change, cancellation);
            }

            if (options.Scenario.RepeatEvery <= 0)
                return;
            var rest = start + (long)((round + 1) * options.Scenario.RepeatEvery * 1000 / options.TimeScale) - Now();
            if (rest > 0)
                await Task.Delay(TimeSpan.FromMilliseconds(rest), time, cancellation);
        }
    }

    private async Task ApplyAsync(PlannedChange change, CancellationToken cancellation)
    {
        if (change.Device < 0)
        {
            await NextReleaseAsync(cancellation);
            return;
        }

        Apply(devices[change.Device], change.Kind, change.Begins);
    }

    private void Apply(Entry entry, TroubleKind kind, bool begins)
    {
        lock (entry.Gate)
        {
            var now = Now();
            truth.Write(new(entry.Device.Identity.Uuid, now, TruthEvents.Trouble) { Trouble = kind.Word(), State = begins ? "begins" : "ends" });
            switch (kind)
            {
                case TroubleKind.Reboot:
                    entry.Device.Reboot(now);
                    break;
                case TroubleKind.Shutdown:
                    entry.Device.Shutdown(now);
                    break;
                case TroubleKind.Restart:
                    entry.Device.RestartSupervisor(now);
                    break;
                default:
                    if (begins)
                        entry.Troubles.Add(kind);
                    else
                        entry.Troubles.Remove(kind);
                    entry.Device.Suffer(Troubles.Condition(entry.Troubles), now);
                    break;
            }

            Reschedule(entry);
        }
    }

    private async Task NextReleaseAsync(CancellationToken cancellation)
    {
        if (@operator is null)
            return;
        try
        {
            var at = Now();
            var commit = await @operator.NextReleaseAsync(options.Settings.FleetId, cancellation);
            if (commit is not null)
                truth.Write(new("", at, TruthEvents.Target) { AnsweredAt = Now(), State = commit });
        }
        catch (OperatorException)
        {
            // The server is away or refuses; the devices go on as they are, and the next round tries again.
        }
    }

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();

    private sealed class Entry(SimulatedDevice device)
    {
        public Lock Gate { get; } = new();

        public SimulatedDevice Device { get; } = device;

        /// <summary>Troubles under way; one kind may be there twice.</summary>
        public List<TroubleKind> Troubles { get; } = [];

        public TunnelWay Way { get; set; }

        public long Scheduled { get; set; } = long.MaxValue;
    }
}
