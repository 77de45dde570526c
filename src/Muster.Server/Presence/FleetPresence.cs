using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Muster.Core.Presence;
using Muster.Core.Status;
using Muster.Storage;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>
/// The face of presence on this node: devices, people's writes and tunnels tell it facts; its partitions are the only
/// writers of links, reported state and status (docs/design.md, promise 4).
/// </summary>
public sealed class FleetPresence
{
    private readonly FleetMemory memory;
    private readonly PartitionMail mail;
    private readonly InputChanges inputs;
    private readonly Allowances allowances;
    private readonly ServiceInstances instances;
    private readonly GroupCommitter committer;
    private readonly ListeningClock clock;
    private readonly PresenceMeter meter;
    private readonly Checkpoints checkpoints;
    private readonly PresenceOptions options;
    private readonly TimeProvider time;
    private readonly TaskCompletionSource opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool begun;
    private volatile bool ready;
    private int waiting;

    internal FleetPresence(
        FleetMemory memory, PartitionMail mail, InputChanges inputs, Allowances allowances, ServiceInstances instances,
        GroupCommitter committer, ListeningClock clock, PresenceMeter meter, Checkpoints checkpoints, PresenceOptions options, TimeProvider time)
    {
        this.memory = memory;
        this.mail = mail;
        this.inputs = inputs;
        this.allowances = allowances;
        this.instances = instances;
        this.committer = committer;
        this.clock = clock;
        this.meter = meter;
        this.checkpoints = checkpoints;
        this.options = options;
        this.time = time;
        meter.Watch(memory, committer, clock);
    }

    /// <summary>Whether all devices are in memory. Until then, everything that asks for a device throws <see cref="PresenceBusyException"/>.</summary>
    public bool IsReady => ready;

    /// <summary>Whether the database takes reports; false while it is away.</summary>
    public bool IsListening => ready && committer.IsAvailable;

    /// <summary>Finds a device and checks its key, without the database. Constant-time in the key.</summary>
    /// <exception cref="PresenceBusyException">The fleet is still being loaded; answer 503.</exception>
    public DeviceAuth Authenticate(ReadOnlySpan<char> uuid, ReadOnlySpan<char> key, out DeviceSlot slot)
    {
        if (!TryFind(uuid, out slot))
            return memory.WasDeleted(uuid) ? DeviceAuth.Deleted : DeviceAuth.Unknown;
        if (!HasKey(slot, key))
            return DeviceAuth.WrongKey;
        return IsFrozen(slot) ? DeviceAuth.Frozen : DeviceAuth.Ok;
    }

    /// <summary>Finds a device by uuid; false when it is not on record.</summary>
    /// <exception cref="PresenceBusyException">The fleet is still being loaded; answer 503.</exception>
    public bool TryFind(ReadOnlySpan<char> uuid, out DeviceSlot slot)
    {
        if (!ready)
            throw new PresenceBusyException("The server is starting or stopping.");
        return memory.TryFind(uuid, out slot);
    }

    /// <summary>0 when the device was removed meanwhile.</summary>
    public long DeviceId(DeviceSlot slot) => memory.State(slot)?.Id ?? 0;

    /// <summary>0 when the device was removed meanwhile.</summary>
    public long FleetId(DeviceSlot slot) => memory.State(slot)?.FleetId ?? 0;

    /// <summary>The release that the device should run; null when there is none, or the device was removed meanwhile.</summary>
    public long? TargetReleaseId(DeviceSlot slot) => memory.State(slot)?.TargetReleaseId;

    /// <summary>Whether this fleet is there.</summary>
    public bool HasFleet(long fleetId) => memory.Fleets.ContainsKey(fleetId);

    /// <summary>Whether a key with this SHA-256 is one of the device's, and has not expired. Constant-time in the key.</summary>
    /// <exception cref="PresenceBusyException">The fleet is still being loaded.</exception>
    public bool HasKey(string uuid, ReadOnlySpan<byte> hash) => TryFind(uuid, out var slot) && HasKey(slot, hash);

    public bool IsFrozen(DeviceSlot slot) => memory.State(slot)?.IsFrozen ?? false;

    /// <summary>
    /// A poll of the target state with the device's own key. One memory write when the heartbeat is online already;
    /// else the task completes when the next read shows it online (or after a short wait while the database is away).
    /// </summary>
    public ValueTask PolledAsync(DeviceSlot slot)
    {
        meter.Polled();
        var before = KnownInterval(slot);
        if (Touch(slot, ContactKind.Poll) is not { } device)
            return ValueTask.CompletedTask;
        // A device that has learned of a shorter interval is looked after sooner than was arranged.
        return device is { Heartbeat: HeartbeatState.Online, IsActive: true } && KnownInterval(slot) >= before ? ValueTask.CompletedTask : new(SettleAsync(slot, isPoll: true, "poll"));
    }

    /// <summary>The answer to a poll told the device to poll at this interval, which may be newer than what memory knows of.</summary>
    /// <param name="interval">Milliseconds.</param>
    public void Told(DeviceSlot slot, long interval)
    {
        if (memory.State(slot) is null)
            return;
        var (chunk, i) = Row(slot);
        bool isShorter;
        lock (chunk.Contacts)
        {
            isShorter = interval < chunk.KnownInterval[i];
            chunk.KnownInterval[i] = (int)interval;
            Volatile.Write(ref chunk.Dirty[i], 1);
        }

        if (isShorter)
            _ = SettleAsync(slot, isPoll: true, "poll");
    }

    /// <summary>Any other contact. Completes at once unless it activates an inactive device, or holds one back from offline.</summary>
    /// <param name="ago">How long ago it came, when it is told later than it came.</param>
    public ValueTask ContactAsync(DeviceSlot slot, ContactKind kind, TimeSpan ago = default)
    {
        if (Touch(slot, kind, ago) is not { } device)
            return ValueTask.CompletedTask;
        // Silence is waited for from the first contact on, though none of them changes an unknown heartbeat.
        return device is { IsActive: true, Heartbeat: HeartbeatState.Online or HeartbeatState.Timeout } ? ValueTask.CompletedTask : new(SettleAsync(slot, isPoll: false, "contact"));
    }

    /// <summary>Where a contact with the device's key came from: two machines with one identity show by that (<see cref="TwinTrace"/>).</summary>
    public void SeenFrom(DeviceSlot slot, IPAddress? address)
    {
        if (address is null || memory.State(slot) is not { } device)
            return;
        var (chunk, i) = Row(slot);
        var isSix = address.AddressFamily is AddressFamily.InterNetworkV6 && !address.IsIPv4MappedToIPv6;
        ref var last = ref (isSix ? chunk.Address6 : chunk.Address)[i];
        var hash = address.GetHashCode() | 1;
        if (Volatile.Read(ref last) == hash || Interlocked.Exchange(ref last, hash) == 0)
            return;
        var sign = isSix ? TwinSign.Address6 : TwinSign.Address;
        // The former address is kept as a hash only; what was reported from it tells it.
        if (device.Reported.PublicAddress is { } former && former.Contains(':', StringComparison.Ordinal) == isSix)
            memory.Twins.Begin(device.Id, sign, former, clock.WallNow);
        memory.Twins.Note(device.Id, sign, (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString(), clock.WallNow);
    }

    /// <summary>What a report tells of the machine that sent it.</summary>
    public void SeenMachine(DeviceSlot slot, StateReport report, string from)
    {
        if (memory.State(slot) is not { } device)
            return;
        if (report.CpuId is { IsPresent: true, Value: { Length: > 0 } processor } && device.Reported.CpuId is { Length: > 0 } before && before != processor)
        {
            memory.Twins.Note(device.Id, TwinSign.Hardware, before, clock.WallNow);
            memory.Twins.Note(device.Id, TwinSign.Hardware, processor, clock.WallNow);
        }

        // Two machines behind one router have one public address; their own differ.
        if (UpdateStatusRule.IsFirstSinceBoot(report))
            memory.Twins.Note(device.Id, TwinSign.Boot, First(report.MacAddress.Value) ?? First(report.IpAddress.Value) ?? from, clock.WallNow);

        static string? First(string? list) => list is { Length: > 0 } ? list.Split(' ', 2)[0] : null;
    }

    /// <summary>A tunnel of the device came up at one of this node's gateways while another of its kind was up.</summary>
    public void SecondTunnel(string uuid, string from)
    {
        if (ready && memory.TryFind(uuid, out var slot) && memory.State(slot) is { } device)
            memory.Twins.Note(device.Id, TwinSign.Tunnel, from, clock.WallNow);
    }

    /// <summary>A state report: durable, and visible in the next read, when the task completes. Counts as contact.</summary>
    /// <exception cref="DatabaseAwayException">Nothing was acknowledged; answer 503.</exception>
    /// <exception cref="PresenceBusyException">Too many reports are waiting; answer 503.</exception>
    /// <exception cref="DeviceGoneException">The device was deleted meanwhile; nothing was written.</exception>
    /// <param name="isContact">False when a person's key sent the report in the device's place: then it is no sign of life.</param>
    public async Task ReportAsync(DeviceSlot slot, StateReport report, CancellationToken cancellation, bool isContact = true)
    {
        try
        {
            if (Interlocked.Increment(ref waiting) > options.MaxQueuedReports)
                throw new PresenceBusyException("Too many reports are waiting.");
            if (!committer.IsAvailable)
                throw new DatabaseAwayException("The database is away.");
            if (isContact)
                Touch(slot, ContactKind.Report);
            var fact = new ReportFact(slot, report, isContact);
            await mail.PostAsync(slot.Partition, fact).WaitAsync(cancellation);
            if (fact.Activated)
                await LookAtAllowanceAsync(slot);
            meter.Reported();
        }
        catch (Exception e) when (e is PresenceBusyException or DatabaseAwayException)
        {
            meter.Refused();
            throw;
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }

    /// <summary>The version (ETag text) of the target state last composed for the device and API version (2 or 3), or null when it must be composed anew.</summary>
    public string? TargetVersion(DeviceSlot slot, int api)
    {
        if (memory.State(slot) is null)
            return null;
        var (chunk, i) = Row(slot);
        return Volatile.Read(ref (api == 2 ? chunk.TargetV2 : chunk.TargetV3)[i]);
    }

    /// <summary>Ticket to hand back to <see cref="SetTargetVersion"/>: taken before composing, it is stale when an input changed meanwhile.</summary>
    public int TargetTicket(DeviceSlot slot)
    {
        var (chunk, i) = Row(slot);
        return Volatile.Read(ref chunk.TargetTicket[i]);
    }

    /// <summary>Remembers what was composed, unless an input changed since the ticket was taken.</summary>
    public void SetTargetVersion(DeviceSlot slot, int api, string version, int ticket)
    {
        var (chunk, i) = Row(slot);
        lock (chunk)
        {
            if (chunk.TargetTicket[i] == ticket && chunk.Generation[i] == slot.Generation)
                (api == 2 ? chunk.TargetV2 : chunk.TargetV3)[i] = version;
        }
    }

    /// <summary>Moves whenever <see cref="ChangedAsync"/> named the fleet: what was read of its rows before is stale after.</summary>
    public int FleetTicket(long fleetId) => memory.FleetTicket(fleetId);

    /// <summary>
    /// Told after a committed write of something the status or the target state reads. When the task completes,
    /// the next read shows the consequences. It cannot be cancelled: a caller who hung up has written all the same.
    /// A lost telling heals at the next start.
    /// </summary>
    /// <exception cref="DatabaseAwayException">The consequences are caught up with when the database is back.</exception>
    public async Task ChangedAsync(InputChange change)
    {
        // A load that has not begun will read the change; one under way may have read what was before it.
        if (!begun)
            return;
        await opened.Task;
        await inputs.ApplyAsync(change);
        InputsChanged?.Invoke(change);
    }

    /// <summary>Raised when the consequences of a change can be read. Handlers return at once and don't throw.</summary>
    public event Action<InputChange>? InputsChanged;

    /// <summary>A device got a further key, or lost its keys; re-reads them.</summary>
    public Task KeysChangedAsync(long deviceId) => ChangedAsync(new("key") { Devices = [deviceId] });

    /// <summary>
    /// Cloudlink session events of one service instance. Unknown uuids are passed over. The end of a session is no sign of
    /// life: whoever knows that the device itself ended it tells of that contact (<see cref="ContactAsync"/>).
    /// </summary>
    /// <param name="epoch">The instance's epoch; an event of an older session never overrides a newer one.</param>
    /// <param name="heard">Whether a session that begins is a contact of this moment; false when that was told when it came.</param>
    public async Task CloudlinkAsync(long serviceInstanceId, IReadOnlyCollection<string> uuids, bool connected, long epoch, CancellationToken cancellation, bool heard = true)
    {
        instances.Alive(serviceInstanceId);
        List<(DeviceSlot Slot, CloudlinkFact Fact)> told = [];
        foreach (var uuid in uuids)
        {
            if (!TryFind(uuid, out var slot))
                continue;
            if (connected && heard)
                Touch(slot, ContactKind.Tunnel);
            var fact = new CloudlinkFact(slot, serviceInstanceId, connected, epoch, isContact: connected && heard);
            told.Add((slot, fact));
            _ = mail.PostAsync(slot.Partition, fact);
        }

        foreach (var (slot, fact) in told)
        {
            try
            {
                await fact.Done.WaitAsync(cancellation);
                if (fact.Activated)
                    await LookAtAllowanceAsync(slot);
            }
            catch (DeviceGoneException)
            {
                // Deleted meanwhile: as good as unknown.
            }
        }
    }

    /// <summary>A service instance is alive. After 60 s without this its sessions end.</summary>
    public Task ServiceInstanceAliveAsync(long serviceInstanceId)
    {
        instances.Alive(serviceInstanceId);
        return Task.CompletedTask;
    }

    /// <summary>A service instance has lost its right to hold tunnels: its sessions end.</summary>
    public Task ServiceInstanceEndedAsync(long serviceInstanceId) => instances.EndAsync(serviceInstanceId);

    /// <summary>What the device's status rests on; null when it was removed.</summary>
    public DeviceEvidence? Evidence(DeviceSlot slot)
    {
        if (memory.State(slot) is not { } device)
            return null;
        // The state before the times: what it rests on is among them. What they bring that it has not yet, is added.
        var (chunk, i) = Row(slot);
        ContactTimes times;
        ContactKind? kind;
        lock (chunk.Contacts)
            (times, kind) = (chunk.Times(i), chunk.Heard[i] ? chunk.LastKind[i] : null);
        var now = clock.Current;
        device = DeviceRules.AfterContacts(device, times, now);
        var limits = options.Limits(device, times.PollInterval);
        var facts = DeviceRules.Facts(device);
        var (poll, contact) = (times.ObservedPoll ?? HeartbeatMachine.Never, times.ObservedContact ?? HeartbeatMachine.Never);
        var heartbeat = DeviceRules.AfterSilence(device, times, options, now);
        var wallNow = clock.WallNow;
        long Wall(long at) => now.WallOf(at, contact, times.LastContactAt ?? wallNow, wallNow);
        // Silence that is about to be noticed changes it now.
        var next = heartbeat.State != device.Heartbeat ? (now.Now, heartbeat.State) : heartbeat.ChangesAt is { } at ? (at, heartbeat.Next) : ((long At, HeartbeatState To)?)null;
        return new()
        {
            DeviceId = device.Id,
            Uuid = device.Uuid,
            FleetId = device.FleetId,
            Facts = facts,
            Answer = new(device.Status, device.Progress, device.Reason),
            StatusSince = device.StatusSince,
            HeartbeatSince = device.HeartbeatChangedAt,
            LastPollAt = times.LastPollAt,
            LastContactAt = times.LastContactAt,
            LastContactKind = kind,
            CloudlinkSince = device.CloudlinkChangedAt,
            ServiceInstanceId = device.ServiceInstanceId,
            UpdateStatus = device.Reported.UpdateStatus,
            UpdateStatusSince = device.Reported.UpdateStatusChangedAt,
            UpdateDetail = device.UpdateDetail,
            UpdateMovedAt = device.Reported.UpdateMovedAt,
            RunningReleaseId = device.Reported.RunningReleaseId,
            Twin = memory.Twins.Find(device.Id, clock.WallNow),
            PollInterval = device.PollInterval,
            Limits = limits,
            HeartbeatNext = next is { } change ? (Wall(change.At), change.To) : null,
            StatusNext = SilenceForecast.Of(facts, poll, contact, limits, now) is { } status ? (Wall(status.At), status.To) : null,
        };
    }

    /// <summary>
    /// Puts the contacts so far on record, so that what is read of the database next is what memory knows. Waits a bounded
    /// time: a read that comes when very many devices were heard at once tells of those that are on record by then.
    /// </summary>
    public async ValueTask RecordContactsAsync(CancellationToken cancellation)
    {
        if (!IsListening || checkpoints.IsRecorded)
            return;
        try
        {
            await checkpoints.RecordAsync().WaitAsync(options.ReadPatience, time, cancellation);
        }
        catch (Exception e) when (e is DatabaseAwayException or TimeoutException)
        {
            // The read tells of the database, or of a little earlier.
        }
    }

    /// <summary>Raised when a time in which nobody was heard is over and written down. Handlers return at once and don't throw.</summary>
    public event Action<ListeningGap>? OutageEnded;

    /// <summary>The last of them in this process, for who began to listen later; null when there was none.</summary>
    public ListeningGap? LastOutage { get; private set; }

    internal void TellOutageEnded(ListeningGap gap)
    {
        LastOutage = gap;
        OutageEnded?.Invoke(gap);
    }

    internal void BeginLoad() => begun = true;

    /// <summary>All devices are in memory: from now on everybody is answered.</summary>
    internal void Open()
    {
        ready = true;
        opened.TrySetResult();
    }

    /// <summary>Stopping: nobody is answered any more.</summary>
    internal void Close() => ready = false;

    private int KnownInterval(DeviceSlot slot)
    {
        var (chunk, i) = Row(slot);
        return Volatile.Read(ref chunk.KnownInterval[i]);
    }

    private (DeviceChunk Chunk, int Row) Row(DeviceSlot slot) => (memory.Partitions[slot.Partition].Chunk(slot.Row), slot.Row % DeviceChunk.Rows);

    /// <summary>Notes the contact in memory. The device as it stood right after; null when it was removed, or the contact is no news.</summary>
    private DeviceState? Touch(DeviceSlot slot, ContactKind kind, TimeSpan ago = default)
    {
        if (memory.State(slot) is not { } device)
            return null;
        var (chunk, i) = Row(slot);
        lock (chunk.Contacts)
        {
            var instant = clock.Instant;
            // Before this clock began nothing was heard; both times must tell of one moment.
            var past = Math.Min((long)ago.TotalMilliseconds, instant);
            var (observed, at) = (instant - past, clock.WallNow - past);
            // What came before the contact that is known already is no news.
            if (past > 0 && observed <= chunk.LastContact[i])
                return null;
            // Before a pause of ours is noticed, the clock may have run ahead of itself.
            observed = Math.Max(observed, chunk.LastContact[i]);
            if (kind is ContactKind.Poll)
            {
                (chunk.LastPollAt[i], chunk.LastPoll[i]) = (at, observed);
                // A frozen device is told nothing.
                if (!device.IsFrozen)
                    chunk.KnownInterval[i] = (int)device.PollInterval;
            }
            else if (chunk.KnownInterval[i] == 0)
            {
                chunk.KnownInterval[i] = (int)device.PollInterval;
            }

            chunk.LastKind[i] = kind;
            chunk.Heard[i] = true;
            (chunk.LastContactAt[i], chunk.LastContact[i]) = (at, observed);
            Volatile.Write(ref chunk.Dirty[i], 1);
        }

        // The partition publishes a state and then looks for contacts; we note the contact and then look at the state.
        // So one of both sees the other.
        Interlocked.MemoryBarrier();
        return memory.State(slot);
    }

    /// <summary>Waits, not for ever, until the contact's consequence is committed. The device is never refused for it.</summary>
    private async Task SettleAsync(DeviceSlot slot, bool isPoll, string cause)
    {
        var fact = new ContactFact(slot, isPoll, cause);
        if (!committer.IsAvailable)
        {
            memory.Partitions[slot.Partition].LeaveUnsettled(slot, isPoll);
            return;
        }

        try
        {
            await mail.PostAsync(slot.Partition, fact).WaitAsync(options.PollPatience, time);
            if (fact.Activated)
                await LookAtAllowanceAsync(slot).WaitAsync(options.PollPatience, time);
        }
        catch (Exception e) when (e is DatabaseAwayException or PresenceBusyException or DeviceGoneException or TimeoutException)
        {
            // The partition remembers what is unsettled.
        }
    }

    private Task LookAtAllowanceAsync(DeviceSlot slot) => allowances.LookAtFleetAsync(FleetId(slot));

    private bool HasKey(DeviceSlot slot, ReadOnlySpan<char> key)
    {
        const int longest = 512;
        if (key.Length is 0 or > longest)
            return false;
        Span<byte> text = stackalloc byte[longest * 3];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text[..Encoding.UTF8.GetBytes(key, text)], hash);
        return HasKey(slot, hash);
    }

    private bool HasKey(DeviceSlot slot, ReadOnlySpan<byte> hash)
    {
        var (chunk, i) = Row(slot);
        var found = CryptographicOperations.FixedTimeEquals(hash, chunk.Key(i));
        foreach (var more in Volatile.Read(ref chunk.MoreKeys[i]) ?? [])
            found |= CryptographicOperations.FixedTimeEquals(hash, more.Hash) && (more.ExpiresAt is not { } expires || expires > clock.WallNow);
        return found;
    }
}

/// <summary>A bound was reached; nothing was taken. To a caller over HTTP this is 503.</summary>
public sealed class PresenceBusyException(string message) : Exception(message);
