using System.Collections.Concurrent;
using Muster.Protocol.Cloudlink;
using Muster.Simulator.Devices;

namespace Muster.Simulator.Fleet;

/// <summary>What a device's way to the cloud is like for its tunnel.</summary>
public enum TunnelWay
{
    /// <summary>The device wants no tunnel; one that it had, it ended in order.</summary>
    Closed,

    Open,

    /// <summary>Nothing comes through, and neither end is told.</summary>
    Silent,
}

/// <summary>
/// Real tunnels of simulated devices over WebSocket to the server's own gateway: each device has its client and its network,
/// which goes silent with the device, and answers there as its supervisor.
/// </summary>
public sealed class WebSocketTunnels : IAsyncDisposable
{
    /// <summary>The server has told everybody of what it knows by now, ms.</summary>
    private const long Told = 1_000;

    /// <summary>A device that goes in order says first what it is about to say.</summary>
    private static readonly TimeSpan LastWords = TimeSpan.FromMilliseconds(250);

    private readonly Uri server;
    private readonly string? ca;
    private readonly TimeProvider time;
    private readonly TruthLog truth;
    private readonly ConcurrentDictionary<string, Tunnel> tunnels = new(StringComparer.Ordinal);

    /// <param name="ca">As in <see cref="ServerClient.Handler"/>.</param>
    public WebSocketTunnels(Uri server, string? ca, TimeProvider time, TruthLog truth) => (this.server, this.ca, this.time, this.truth) = (server, ca, time, truth);

    /// <summary>Devices that were welcomed, as far as they know.</summary>
    public int Connected => tunnels.Values.Count(tunnel => tunnel.IsConnected);

    /// <summary>Returns at once; what follows of it happens beside.</summary>
    public void Set(DeviceIdentity device, TunnelWay way, ITunnelEnds ends)
    {
        if (!tunnels.TryGetValue(device.Uuid, out var tunnel))
        {
            if (way != TunnelWay.Open)
                return;
            tunnel = tunnels.GetOrAdd(device.Uuid, _ => new(this, device, ends));
        }

        tunnel.Set(way);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var tunnel in tunnels.Values)
            tunnel.Set(TunnelWay.Closed);
        foreach (var tunnel in tunnels.Values)
            await tunnel.DisposeAsync();
    }

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();

    private sealed class Tunnel : IAsyncDisposable
    {
        private readonly WebSocketTunnels owner;
        private readonly DeviceIdentity device;
        private readonly ITunnelEnds ends;
        private readonly DeviceNetwork network;
        private readonly Lock gate = new();
        private CancellationTokenSource? life;
        private Task run = Task.CompletedTask;
        private long since;
        private long endedAt;
        private long spokeAt;

        public Tunnel(WebSocketTunnels owner, DeviceIdentity device, ITunnelEnds ends)
        {
            (this.owner, this.device, this.ends) = (owner, device, ends);
            network = new(ServerClient.Handler(owner.ca)) { Spoke = Spoke };
        }

        public bool IsConnected { get; private set; }

        public void Set(TunnelWay way)
        {
            lock (gate)
            {
                switch (way)
                {
                    case TunnelWay.Open:
                        network.IsSilent = false;
                        if (life is not null)
                            return;
                        since = owner.Now();
                        life = new(Timeout.InfiniteTimeSpan, owner.time);
                        run = RunAsync(run, life);
                        break;
                    case TunnelWay.Silent:
                        if (life is not null && !network.IsSilent)
                            Write(owner.Now(), "down", answered: null);
                        network.IsSilent = true;
                        break;
                    // Behind a silent network it cannot be ended in order.
                    case TunnelWay.Closed when life is not null && !network.IsSilent:
                        End();
                        break;
                }
            }
        }

        private void End()
        {
            endedAt = owner.Now();
            life?.CancelAfter(LastWords);
            life = null;
        }

        private async Task RunAsync(Task before, CancellationTokenSource until)
        {
            await before;
            await Task.Yield();
            await new CloudlinkClient(
                new(owner.server, device.Uuid, device.Key) { Http = network.Http, Time = owner.time, LongestRetry = TimeSpan.FromSeconds(10) },
                (port, _) => ValueTask.FromResult<CloudlinkService?>(ends.End(device.Uuid, port) == TunnelEnd.Supervisor ? ServeAsync : null), Note).RunAsync(until.Token);
            network.Cut();
            Write(endedAt, "down", owner.Now() + Told);
            until.Dispose();
        }

        private Task ServeAsync(CloudlinkStream stream, CancellationToken cancellation) => ConnectProxy.ServeAsync(stream, device.Uuid, ends, cancellation);

        private void Note(CloudlinkNews news)
        {
            var now = owner.Now();
            IsConnected = news.Event == CloudlinkEvent.Connected;
            if (news.Event == CloudlinkEvent.Connected)
                Write(since, "up", now + Told);
            else if (news.Event == CloudlinkEvent.Disconnected)
                Write(now, "down", answered: null); // Whether, and until when, the server awaits it, the device does not know.
            since = now;
        }

        /// <summary>A frame of the device went out: the server may count it as a contact.</summary>
        private void Spoke()
        {
            var now = owner.Now();
            if (now - Interlocked.Read(ref spokeAt) < 500)
                return;
            Interlocked.Exchange(ref spokeAt, now);
            owner.truth.Write(new(device.Uuid, now, TruthEvents.Request) { AnsweredAt = now + Told });
        }

        private void Write(long at, string state, long? answered) =>
            owner.truth.Write(new(device.Uuid, at, TruthEvents.Tunnel) { AnsweredAt = answered, Status = answered is null ? null : 200, State = state });

        public async ValueTask DisposeAsync()
        {
            lock (gate)
                End();
            await run;
            network.Dispose();
        }
    }
}
