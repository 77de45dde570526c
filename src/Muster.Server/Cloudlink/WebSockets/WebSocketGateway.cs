using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using Muster.Protocol.Cloudlink;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Presence;

namespace Muster.Server.Cloudlink.WebSockets;

/// <summary>
/// Holds the sessions of devices over WebSocket: begins and resumes them, asks the silent for a sign, ends the dead. A session
/// that ended by a word of the device, or in silence, is down at once; one whose connection broke off is awaited as long as it
/// may be resumed. When the server stops, it sends the devices away to come back later, and ends no session.
/// </summary>
internal sealed partial class WebSocketGateway(
    CloudlinkSessions sessions, FleetPresence presence, IOptions<CloudlinkOptions> options, IOptions<KestrelServerOptions> listener, TimeProvider time, ILogger<WebSocketGateway> log)
    : BackgroundService, IHostedLifecycleService
{
    /// <summary>Sessions that one device may have; the oldest gives way. More than one is what a device leaves behind that lost its state.</summary>
    private const int MostOfOneDevice = 4;

    private static readonly TimeSpan Round = TimeSpan.FromMilliseconds(500);

    /// <summary>The device asks first, so that an idle session costs one exchange per interval: we ask only when it does not.</summary>
    private static readonly TimeSpan AsksLaterBy = TimeSpan.FromSeconds(2);

    /// <summary>Presence need not hear more often that a device lives.</summary>
    private static readonly TimeSpan SignsEvery = TimeSpan.FromSeconds(5);

    /// <summary>The clock on which sessions are awaited goes by the second.</summary>
    private static readonly TimeSpan AwaitedLonger = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan FarewellLimit = TimeSpan.FromSeconds(4);

    private readonly WebSocketGatewayOptions settings = options.Value.WebSocket;
    private readonly Lock gate = new();
    private readonly Dictionary<string, List<WebSocketSession>> devices = [];
    private int count;
    private long awakeSince;
    private bool stopping;

    /// <summary>Sessions that live, those included that may be resumed.</summary>
    public int Count => Volatile.Read(ref count);

    private long MaxSessions => settings.MaxSessions > 0 ? settings.MaxSessions : (listener.Value.Limits.MaxConcurrentConnections ?? 10_000) * 3 / 4;

    /// <summary>Whether there is room for one more.</summary>
    public bool HasRoom => Count < MaxSessions && !Volatile.Read(ref stopping);

    /// <summary>Whether this token resumes a session of the device now.</summary>
    public bool CanResume(string uuid, string token)
    {
        lock (gate)
            return Resumable(uuid, token) is not null;
    }

    /// <summary>Serves a device that has proved itself, until its connection ends.</summary>
    /// <param name="keyHash">SHA-256 of the key that it has shown.</param>
    /// <param name="token">With which it wants to go on with a session; null, or one that is not good any more, begins a new one.</param>
    public async Task ServeAsync(WebSocket socket, string uuid, DeviceSlot slot, byte[] keyHash, string from, string? token)
    {
        using var connection = new CloudlinkConnection(socket, time);
        var (session, welcome) = Begin(connection, uuid, slot, keyHash, from, token);
        if (session is null)
        {
            await connection.SayGoodbyeAsync("stopping", 1);
            return;
        }

        var running = connection.RunAsync();
        try
        {
            await connection.SendAsync(welcome);
        }
        catch (IOException)
        {
            // The reader notices too.
        }

        var end = await running;
        if (end.Kind is CloudlinkEnding.Malformed)
            LogMalformed(uuid);
        // A device that says goodbye is heard with that. One that went silent, or was cut off, is not.
        if (end.Kind is CloudlinkEnding.Goodbye)
            await presence.ContactAsync(slot, ContactKind.Tunnel, time.GetElapsedTime(connection.HeardAt));
        Ended(session, connection, isLoss: end.Kind is CloudlinkEnding.Lost);
        await connection.CloseAsync(end);
    }

    private (WebSocketSession? Session, CloudlinkMessage Welcome) Begin(CloudlinkConnection connection, string uuid, DeviceSlot slot, byte[] keyHash, string from, string? token)
    {
        WebSocketSession session;
        CloudlinkConnection? before = null;
        WebSocketSession? gone = null;
        var welcome = new CloudlinkMessage { Type = CloudlinkMessage.Welcome, PingSeconds = settings.Ping.TotalSeconds, KeepaliveSeconds = settings.Keepalive.TotalSeconds };
        lock (gate)
        {
            if (stopping)
                return (null, welcome);
            if (Resumable(uuid, token) is { } known)
            {
                session = known;
                before = session.Connection;
            }
            else
            {
                session = new(uuid, slot, from, time.GetUtcNow().ToUnixTimeMilliseconds());
                if (!devices.TryGetValue(uuid, out var own))
                    devices[uuid] = own = new(1);
                if (own.Count == MostOfOneDevice)
                    gone = own[0];
                own.Add(session);
                count++;
            }

            session.Connection = connection;
            session.KeyHash = keyHash;
            session.ToldAt = session.AskedAt = time.GetTimestamp();
            welcome = welcome with { Session = session.Id, Resume = session.NewToken() };
            // One that was taken over is open still.
            if (before is null)
                sessions.Open(session);
        }

        before?.Abort();
        if (gone is not null)
            End(gone);
        return (session, welcome);
    }

    /// <summary>To be called within the gate.</summary>
    private WebSocketSession? Resumable(string uuid, string? token)
    {
        if (token is null || !devices.TryGetValue(uuid, out var own))
            return null;
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(token), hash);
        WebSocketSession? found = null;
        foreach (var session in own)
        {
            if (session.HasToken(hash) && (session.Connection is not null || Since(session.CutAt, time.GetTimestamp()) < session.ResumableFor))
                found = session;
        }

        return found;
    }

    /// <summary>A connection has ended. What it means for its session depends on how; nothing, when the session has another one by now.</summary>
    private void Ended(WebSocketSession session, CloudlinkConnection connection, bool isLoss)
    {
        lock (gate)
        {
            if (session.Connection != connection)
                return;
            session.Connection = null;
            if (stopping)
                return;
            var now = time.GetTimestamp();
            var rest = settings.Keepalive - Since(connection.HeardAt, now);
            var window = rest < settings.Resume ? rest : settings.Resume;
            if (isLoss && window > TimeSpan.Zero)
            {
                (session.CutAt, session.ResumableFor) = (now, window);
                sessions.Close(session, window + AwaitedLonger);
            }
            else
            {
                Remove(session);
                sessions.Close(session);
            }
        }
    }

    private void End(WebSocketSession session)
    {
        lock (gate)
        {
            if (session.Connection is null)
                Remove(session);
        }

        session.End();
    }

    /// <summary>To be called within the gate.</summary>
    private void Remove(WebSocketSession session)
    {
        if (!devices.TryGetValue(session.Uuid, out var own) || !own.Remove(session))
            return;
        count--;
        if (own.Count == 0)
            devices.Remove(session.Uuid);
    }

    /// <summary>Time in which this process could not hear anybody is nobody's silence.</summary>
    private TimeSpan Since(long timestamp, long now) => time.GetElapsedTime(Math.Max(timestamp, Volatile.Read(ref awakeSince)), now);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Round, time);
        var last = awakeSince = time.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                var now = time.GetTimestamp();
                if (time.GetElapsedTime(last, now) > Round * 4)
                    Volatile.Write(ref awakeSince, now);
                last = now;
                await LookAsync(now);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task LookAsync(long now)
    {
        List<(WebSocketSession Session, CloudlinkConnection Connection)> dead = [];
        List<(WebSocketSession Session, CloudlinkConnection Connection)> alive = [];
        lock (gate)
        {
            List<WebSocketSession> over = [];
            foreach (var session in devices.Values.SelectMany(own => own))
            {
                if (session.Connection is not { } connection)
                {
                    if (Since(session.CutAt, now) >= session.ResumableFor)
                        over.Add(session);
                    continue;
                }

                var silence = Since(connection.HeardAt, now);
                if (silence >= settings.Keepalive)
                {
                    dead.Add((session, connection));
                }
                else if (silence >= settings.Ping + AsksLaterBy && time.GetElapsedTime(session.AskedAt, now) >= settings.Ping)
                {
                    session.AskedAt = now;
                    connection.AskForSign();
                }
                else if (silence <= Round && time.GetElapsedTime(session.ToldAt, now) >= SignsEvery)
                {
                    session.ToldAt = now;
                    alive.Add((session, connection));
                }
            }

            over.ForEach(Remove);
        }

        foreach (var (session, connection) in dead)
        {
            Ended(session, connection, isLoss: false);
            connection.Abort();
        }

        foreach (var (session, connection) in alive)
            await presence.ContactAsync(session.Slot, ContactKind.Tunnel, time.GetElapsedTime(connection.HeardAt));
    }

    /// <summary>Before the listener waits for its connections: they are ended in order, and told when to come back.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        List<CloudlinkConnection> connections;
        lock (gate)
        {
            stopping = true;
            connections = [.. devices.Values.SelectMany(own => own).Select(session => session.Connection).OfType<CloudlinkConnection>()];
        }

        var within = Math.Max(1, (double)connections.Count / options.Value.LoginsPerSecond);
        var farewells = connections.ConvertAll(connection => (Connection: connection, Said: connection.SayGoodbyeAsync("restart", within)));
        await Task.WhenAny(Task.WhenAll(farewells.Select(farewell => farewell.Said)), Task.Delay(FarewellLimit, time, cancellationToken));
        foreach (var (connection, _) in farewells.Where(farewell => !farewell.Said.IsCompleted))
            connection.Abort();
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(Level = LogLevel.Warning, Message = "Device {Uuid} said what is no part of the cloudlink's protocol; its session was ended")]
    private partial void LogMalformed(string uuid);
}
