using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Presence;

namespace Muster.Server.Cloudlink.OpenVpn;

/// <summary>
/// The conversation with one openvpn process over its management socket, from its beginning to its end: log-ins are
/// checked and let in, tunnels become sessions. It ends with the process; the process ends with it.
/// </summary>
internal sealed partial class ManagementConversation : IDisposable
{
    /// <summary>How long a device is awaited whose new log-in ended its old tunnel.</summary>
    private static readonly TimeSpan Handover = TimeSpan.FromSeconds(15);

    /// <summary>A device gives up its log-in after 60 s; until then it may wait for its turn.</summary>
    private static readonly TimeSpan LoginPatience = TimeSpan.FromSeconds(45);

    private static readonly TimeSpan ProbeEvery = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(60);

    /// <summary>More than this, and openvpn does not read any more.</summary>
    private const int MaxCommands = 100_000;

    /// <summary>How often openvpn tells how much it heard of a client.</summary>
    private const int TrafficSeconds = 60;

    private readonly Stream socket;
    private readonly GatewayParts parts;
    private readonly Action listening;
    private readonly AddressPool pool;
    private readonly Channel<string> commands = Channel.CreateBounded<string>(new BoundedChannelOptions(MaxCommands) { SingleReader = true });
    private readonly CancellationTokenSource over = new();
    private readonly Lock gate = new();
    private readonly Dictionary<long, Client> clients = [];
    private readonly Dictionary<string, int> entering = [];
    private long heard;

    /// <param name="listening">Called when openvpn takes clients.</param>
    public ManagementConversation(Stream socket, GatewayParts parts, Action listening)
    {
        this.socket = socket;
        this.parts = parts;
        this.listening = listening;
        pool = AddressPool.Parse(parts.Options.Pool);
    }

    /// <summary>What openvpn gave as the reason of its end; null when it gave none.</summary>
    public string? Fatal { get; private set; }

    /// <summary>Talks until openvpn goes silent or hangs up.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, over.Token);
        heard = parts.Time.GetTimestamp();
        Send("state on");
        Send(string.Create(CultureInfo.InvariantCulture, $"bytecount {TrafficSeconds}"));
        var work = new[] { ReadAsync(either.Token), WriteAsync(either.Token), ProbeAsync(either.Token) };
        try
        {
            await await Task.WhenAny(work);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
        }
        finally
        {
            await over.CancelAsync();
            await Task.WhenAll(work).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The sessions that stand when the conversation is over; their tunnels are gone.</summary>
    public List<OpenVpnSession> TakeSessions(string why)
    {
        lock (gate)
        {
            List<OpenVpnSession> left = [.. clients.Values.Select(client => client.Session).OfType<OpenVpnSession>()];
            clients.Clear();
            left.ForEach(session => session.Ended(why));
            return left;
        }
    }

    public void Dispose()
    {
        over.Dispose();
        socket.Dispose();
    }

    private async Task ReadAsync(CancellationToken cancellation)
    {
        using var lines = new StreamReader(socket, leaveOpen: true);
        var reader = new ManagementReader();
        while (await lines.ReadLineAsync(cancellation) is { } line)
        {
            Volatile.Write(ref heard, parts.Time.GetTimestamp());
            switch (reader.Read(line))
            {
                case ManagementEvent.Hold:
                    Send("hold release");
                    break;
                case ManagementEvent.State { Name: "CONNECTED" }:
                    listening();
                    break;
                case ManagementEvent.Fatal fatal:
                    Fatal = fatal.Why;
                    break;
                case ManagementEvent.Connect connect:
                    Enter(connect, cancellation);
                    break;
                case ManagementEvent.Address address:
                    Note(address);
                    break;
                case ManagementEvent.Established established:
                    Open(established.Client);
                    break;
                case ManagementEvent.Traffic traffic:
                    Hear(traffic);
                    break;
                case ManagementEvent.Disconnect disconnect:
                    Leave(disconnect.Client);
                    break;
            }
        }
    }

    private async Task WriteAsync(CancellationToken cancellation)
    {
        await using var lines = new StreamWriter(socket, leaveOpen: true) { NewLine = "\n" };
        await foreach (var command in commands.Reader.ReadAllAsync(cancellation))
        {
            await lines.WriteLineAsync(command.AsMemory(), cancellation);
            await lines.FlushAsync(cancellation);
        }
    }

    /// <summary>Ends when openvpn has said nothing for too long: it hangs.</summary>
    private async Task ProbeAsync(CancellationToken cancellation)
    {
        while (parts.Time.GetElapsedTime(Volatile.Read(ref heard)) < SilenceLimit)
        {
            await Task.Delay(ProbeEvery, parts.Time, cancellation);
            Send("pid");
        }

        Fatal = "it does not answer";
    }

    private void Enter(ManagementEvent.Connect connect, CancellationToken cancellation)
    {
        Client client;
        lock (gate)
        {
            // A client that proves itself again keeps what it has.
            if (!clients.TryGetValue(connect.Client, out client!))
                clients[connect.Client] = client = new(connect.Username, connect.From);
        }

        _ = AnswerAsync(connect, client, cancellation);
    }

    private async Task AnswerAsync(ManagementEvent.Connect connect, Client client, CancellationToken cancellation)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, client.Left.Token);
        var name = string.Create(CultureInfo.InvariantCulture, $"{connect.Client} {connect.Key}");
        var came = parts.Time.GetTimestamp();
        try
        {
            if (parts.Presence.Authenticate(connect.Username, connect.Password, out var slot) is not (DeviceAuth.Ok or DeviceAuth.Frozen) || connect.Username != client.Uuid)
            {
                parts.Meter.Refused(SessionKind.OpenVpn);
                await parts.Denial.WaitAsync(either.Token);
                Send($"client-deny {name} \"refused\"");
                return;
            }

            var hash = SHA256.HashData(Encoding.UTF8.GetBytes(connect.Password));
            client.KeyHash = hash;
            if (client.Session is { } proved)
                proved.KeyHash = hash;
            Expect(client);
            if (!await parts.Admission.EnterAsync(either.Token, LoginPatience))
            {
                TurnAway(name);
                return;
            }

            parts.Meter.Admitted(SessionKind.OpenVpn);
            Send($"client-auth-nt {name}");
            await parts.Presence.ContactAsync(slot, ContactKind.Tunnel, parts.Time.GetElapsedTime(came));
        }
        catch (PresenceBusyException)
        {
            TurnAway(name);
        }
        catch (OperationCanceledException)
        {
            // The client has left, or openvpn has.
        }
    }

    /// <summary>Newer clients stay and try again later; older ones end, and their unit starts them again.</summary>
    private void TurnAway(string name)
    {
        parts.Meter.Busy(SessionKind.OpenVpn);
        Send(string.Create(CultureInfo.InvariantCulture, $"client-deny {name} \"busy\" \"TEMP[backoff {Random.Shared.Next(5, 30)},advance no]: Too many devices log in; try again.\""));
    }

    /// <summary>The device has proved itself, so that the end of its older tunnel is not its end.</summary>
    private void Expect(Client client)
    {
        lock (gate)
        {
            if (client.IsEntering || client.Session is not null || client.Left.IsCancellationRequested)
                return;
            client.IsEntering = true;
            entering[client.Uuid] = entering.GetValueOrDefault(client.Uuid) + 1;
        }
    }

    /// <summary>Under the gate.</summary>
    private void Entered(Client client)
    {
        if (!client.IsEntering)
            return;
        client.IsEntering = false;
        if (--entering[client.Uuid] == 0)
            entering.Remove(client.Uuid);
    }

    private void Note(ManagementEvent.Address address)
    {
        lock (gate)
        {
            if (clients.TryGetValue(address.Client, out var client) && IPAddress.TryParse(address.Ip, out var ip) && pool.Holds(ip))
                client.Address = ip;
        }
    }

    private void Open(long id)
    {
        OpenVpnSession session;
        lock (gate)
        {
            if (!clients.TryGetValue(id, out var client) || client.Session is not null)
                return;
            Entered(client);
            if (client.Address is not { } address)
            {
                Kill(id);
                return;
            }

            client.CountedAt = parts.Time.GetTimestamp();
            client.Session = session = new(client.Uuid, client.From, parts.Time.GetUtcNow().ToUnixTimeMilliseconds(), address, parts.Options, parts.Time, () => Kill(id)) { KeyHash = client.KeyHash };
        }

        parts.Sessions.Open(session);
    }

    private void Leave(long id)
    {
        Client? client;
        bool comesBack;
        lock (gate)
        {
            if (!clients.Remove(id, out client))
                return;
            client.Left.Cancel();
            Entered(client);
            comesBack = entering.ContainsKey(client.Uuid);
        }

        if (client.Session is not { } session)
            return;
        session.Ended("The device's tunnel has ended.");
        parts.Sessions.Close(session, comesBack ? Handover : null);
    }

    /// <summary>
    /// Frames came from the device since it was counted last. When, openvpn does not tell: what is certain is that it was
    /// not before that, and so that counts.
    /// </summary>
    private void Hear(ManagementEvent.Traffic traffic)
    {
        Client? client;
        long since;
        lock (gate)
        {
            if (!clients.TryGetValue(traffic.Client, out client) || client.Session is null)
                return;
            since = client.CountedAt;
            client.CountedAt = parts.Time.GetTimestamp();
            if (traffic.Received <= client.Received)
                return;
            client.Received = traffic.Received;
        }

        if (parts.Presence.IsReady && parts.Presence.TryFind(client.Uuid, out var slot))
            _ = parts.Presence.ContactAsync(slot, ContactKind.Tunnel, parts.Time.GetElapsedTime(since)).AsTask();
    }

    private void Kill(long id) => Send(string.Create(CultureInfo.InvariantCulture, $"client-kill {id}"));

    private void Send(string command)
    {
        if (!commands.Writer.TryWrite(command))
            over.Cancel();
    }

    /// <summary>A client of openvpn, from its log-in to its end. Guarded by the gate.</summary>
    private sealed class Client(string uuid, string from)
    {
        public string Uuid { get; } = uuid;

        public string From { get; } = from;

        public CancellationTokenSource Left { get; } = new();

        /// <summary>It has proved itself; its tunnel is not up yet.</summary>
        public bool IsEntering { get; set; }

        public IPAddress? Address { get; set; }

        /// <summary>SHA-256 of the key that it proved itself with last.</summary>
        public byte[]? KeyHash { get; set; }

        public OpenVpnSession? Session { get; set; }

        public long Received { get; set; }

        /// <summary>When its bytes were counted last, or its tunnel came up.</summary>
        public long CountedAt { get; set; }
    }
}

/// <summary>What a conversation works with.</summary>
internal sealed record GatewayParts(OpenVpnOptions Options, FleetPresence Presence, CloudlinkSessions Sessions, LoginAdmission Admission, TunnelServers.DenialDelay Denial, CloudlinkMeter Meter, TimeProvider Time);
