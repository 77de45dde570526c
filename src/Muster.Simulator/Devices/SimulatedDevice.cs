using System.Collections.Immutable;

namespace Muster.Simulator.Devices;

/// <summary>
/// One device: its supervisor, its tunnel and its OS, without clock and network. The driver asks for requests that are due,
/// sends them (or not, as the device's condition wants it) and hands back what came of them. All calls for one device come
/// one after the other.
/// </summary>
public sealed class SimulatedDevice
{
    /// <summary>Where the supervisor's own API listens.</summary>
    public const int ApiPort = 48484;

    private readonly DeviceSettings settings;
    private readonly SupervisorTimings timings;
    private readonly Registration registration;
    private readonly PollLoop poll;
    private readonly ReportLoop report;
    private readonly UpdateFlow flow;
    private readonly OsUpdate osUpdate;
    private readonly LogStream log;
    private readonly Metrics metrics;
    private readonly int random;
    private TargetDocument? target;
    private long bootDue = long.MaxValue;
    private bool loopsRun;
    private int osPatch;
    private string? loggedStatus;
    private bool isShutDown;

    public SimulatedDevice(string seed, int number, DeviceSettings settings)
    {
        this.settings = settings;
        timings = settings.Timings;
        random = DeviceIdentity.RandomSeed(seed, number);
        registration = new(timings, seed, DeviceIdentity.Of(seed, number), settings);
        poll = new(timings, new Random(random));
        report = new(timings);
        flow = new(timings, settings.Platform, DeviceSettings.ImageSize);
        osUpdate = new(timings);
        log = new(timings);
        metrics = new(number, timings);
        Tunnel = new(timings);
    }

    public DeviceIdentity Identity => registration.Identity;

    public long DeviceId => registration.DeviceId;

    public bool IsRegistered => registration.IsDone;

    public DeviceCondition Condition { get; private set; } = DeviceCondition.Healthy;

    public TunnelSession Tunnel { get; }

    /// <summary>Number of the present boot; counts restarts of the supervisor too.</summary>
    public int Boot { get; private set; }

    /// <summary>What the device knows of its poll interval, ms.</summary>
    public long PollInterval => poll.Interval;

    public bool TunnelEnabled => target?.TunnelEnabled ?? true;

    public Claim Claim => new(flow.IsDownloading, flow.UpdateStatus, flow.SettledCommit, null);

    public long FleetId => settings.FleetId;

    /// <summary>The key of the supervisor's own API.</summary>
    public string ApiSecret => $"{random:x8}{random:x8}{random:x8}{random:x8}";

    public string OsVersion => $"balenaOS {settings.Platform.OsVersion}{(osPatch == 0 ? "" : $"+rev{osPatch}")}";

    public string SupervisorVersion => settings.Platform.SupervisorVersion;

    /// <summary>The supervisor is up and listens.</summary>
    public bool SupervisorRuns => loopsRun;

    public bool TakesInstantUpdates => target?.InstantUpdates ?? true;

    /// <summary>The services of the release that runs.</summary>
    public ImmutableArray<TargetService> Services => flow.Services;

    public bool IsStopped(string service) => flow.IsStopped(service);

    public bool IsHealthy(long now) => !poll.IsStuck(now);

    /// <summary>A word for the live table.</summary>
    public string Word => this switch
    {
        { Condition.Powered: false } or { isShutDown: true } => "off",
        { IsRegistered: false } => "registering",
        { Condition.OsUpdate: true } => "os update",
        { bootDue: < long.MaxValue } => "booting",
        { Condition.Http: not Reach.Fine } => "unreachable",
        { flow.UpdateStatus: { } status } when status != "done" => status,
        _ => "running",
    };

    /// <summary>When <see cref="Take"/> or <see cref="TunnelSession.Take"/> will have something to do; <see cref="long.MaxValue"/> while only answers are awaited.</summary>
    public long NextDue => Math.Min(
        Math.Min(Math.Min(bootDue, registration.NextDue), Math.Min(poll.NextDue, report.NextDue)),
        Math.Min(Math.Min(osUpdate.NextDue, log.NextDue), Tunnel.NextDue));

    /// <summary>Power comes on for the first time; the first request is sent at <paramref name="firstContact"/>.</summary>
    public void SwitchOn(long firstContact) => bootDue = firstContact;

    public void Suffer(DeviceCondition condition, long now)
    {
        var before = Condition;
        Condition = condition;
        if (before.Powered && !condition.Powered)
            Halt(now);
        else if (!before.Powered && condition.Powered)
            bootDue = now + timings.Boot;
        else if (before.OsUpdate && !condition.OsUpdate && condition.Powered && !isShutDown)
        {
            // The last step of an OS update is a reboot.
            osPatch++;
            Halt(now);
            bootDue = now + timings.Boot;
        }
        else if (!before.OsUpdate && condition.OsUpdate && loopsRun)
        {
            flow.Advance(now);
            StopLoops();
            osUpdate.Start(now);
        }

        if (loopsRun && before.PollsStopped != condition.PollsStopped)
        {
            if (condition.PollsStopped)
                poll.Stop();
            else
                poll.Start(now);
        }

        Feel(now);
    }

    /// <summary>The supervisor alone starts again: it forgets its ETag, not what it has reported.</summary>
    public void RestartSupervisor(long now)
    {
        if (!loopsRun)
            return;
        StopLoops();
        StartLoops(now, forget: false);
    }

    /// <summary>A whole reboot, with a clean end of the tunnel.</summary>
    public void Reboot(long now)
    {
        if (!Condition.Powered || isShutDown)
            return;
        Halt(now);
        bootDue = now + timings.Boot;
        Feel(now);
    }

    /// <summary>Off, with a clean end of the tunnel, until somebody on the spot switches it on again.</summary>
    public void Shutdown(long now)
    {
        if (!Condition.Powered || isShutDown)
            return;
        Halt(now);
        isShutDown = true;
        bootDue = now + timings.OffAfterShutdown + timings.Boot;
        Feel(now);
    }

    /// <summary>Asks for the target state now instead of with the next poll.</summary>
    /// <param name="force">Overrides an update lock; for an update that waits for one already, <paramref name="cancel"/> is needed too.</param>
    public void PollNow(bool force, bool cancel, long now)
    {
        poll.Hurry(now);
        if (!force)
            return;
        flow.Force(cancel, now);
        report.Wake(now);
    }

    /// <param name="service">Null: all.</param>
    /// <returns>False: an update is being applied.</returns>
    public bool RestartServices(string? service, long now)
    {
        if (!flow.Restart(service, now))
            return false;
        log.Write($"Restarting {service ?? "all services"}", now);
        report.Wake(now);
        return true;
    }

    public void SetService(string service, bool isStopped, long now)
    {
        flow.SetService(service, isStopped);
        log.Write($"{(isStopped ? "Killed" : "Started")} service {service}", now);
        report.Wake(now);
    }

    /// <summary>A request that is due, or null. To be asked again until it is null.</summary>
    public DeviceRequest? Take(long now)
    {
        if (now >= bootDue)
        {
            bootDue = long.MaxValue;
            isShutDown = false;
            flow.StartAllServices();
            Boot++;
            if (registration.IsDone)
                StartLoops(now, forget: true);
            else
                registration.Start(now);
            Feel(now);
        }

        if (registration.Take(now, Boot) is { } introduction)
            return introduction;
        if (osUpdate.Take(now, Identity, Boot) is { } progress)
            return progress;
        if (poll.TryTake(now))
            return new(RequestKind.Poll, "GET", $"/device/v3/{Identity.Uuid}/state", Identity.Key, Boot) { IfNoneMatch = poll.ETag };
        if (log.Take(now, Identity, Boot) is { } lines)
            return lines;
        if (report.Take(now, () => State(now)) is { } diff)
            return new(RequestKind.Report, "PATCH", "/device/v3/state", Identity.Key, Boot) { Body = diff.ToJson(Identity.Uuid), Claim = Claim };
        report.Wake(flow.NextChange);
        return null;
    }

    /// <summary>What came of a request. Null: no answer came in time, or none at all.</summary>
    public void Answered(DeviceRequest request, DeviceAnswer? answer, long now)
    {
        if (request.Boot != Boot || bootDue != long.MaxValue || !Condition.Powered)
            return;
        switch (request.Kind)
        {
            case RequestKind.Poll:
                Polled(answer, now);
                break;
            case RequestKind.Report when answer is { IsSuccess: true }:
                report.Succeeded(now);
                report.Wake(flow.NextChange);
                break;
            case RequestKind.Report:
                report.Failed(now, poll.Interval);
                break;
            case RequestKind.OsProgress:
                osUpdate.Answered(answer is { IsSuccess: true }, now);
                break;
            case RequestKind.Log:
                log.Answered(answer is { IsSuccess: true }, now);
                break;
            default:
                registration.Answered(answer, now);
                if (registration.IsDone)
                    StartLoops(now, forget: true);
                break;
        }
    }

    private void Polled(DeviceAnswer? answer, long now)
    {
        switch (answer)
        {
            case { Status: 200 } fresh when TargetDocument.Parse(Identity.Uuid, fresh.Body) is { } document:
                poll.Succeeded(fresh.ETag, now);
                target = document;
                poll.Configure(document.PollInterval);
                flow.Aim(document, now);
                flow.Checked();
                Feel(now);
                StartReporting(now);
                break;
            case { Status: 200 } refused when refused.Body.StartsWith('{'):
                // JSON, but no target state: its ETag is kept, so it is not looked at again until it changes.
                poll.Succeeded(refused.ETag, now);
                log.Write("Could not move to new release", now);
                break;
            case { Status: 304 } when poll.ETag is not null:
                poll.Succeeded(null, now);
                flow.Checked();
                break;
            default:
                poll.Failed(now);
                break;
        }
    }

    private void StartLoops(long now, bool forget)
    {
        (loopsRun, reportingForgets) = (true, forget);
        if (!Condition.PollsStopped)
            poll.Start(now);
        log.Start(now);
        log.Write("Supervisor starting", now);
        if (target is not null)
        {
            flow.Rebooted(now);
            StartReporting(now);
        }

        Feel(now);
    }

    private bool? reportingForgets;

    // Reporting waits for the first target state this device ever saw.
    private void StartReporting(long now)
    {
        if (reportingForgets is { } forget)
            report.Start(now, forget);
        reportingForgets = null;
        report.Wake(now);
    }

    private void StopLoops()
    {
        loopsRun = false;
        Boot++;
        registration.Stop();
        poll.Stop();
        report.Stop();
        log.Stop();
        osUpdate.Stop();
    }

    private void Halt(long now)
    {
        if (loopsRun)
            flow.Advance(now);
        StopLoops();
        (bootDue, isShutDown) = (long.MaxValue, false);
    }

    // The condition's effect on the update under way and on the tunnel.
    private void Feel(long now)
    {
        var booted = Condition.Powered && bootDue == long.MaxValue && Boot > 0;
        Tunnel.Set(booted && registration.IsDone && TunnelEnabled && Condition.TunnelOpen, Condition.TunnelFailsSilently || !Condition.Powered, now);
        if (!loopsRun)
            return;
        flow.Under(Condition.Http == Reach.Fine ? settings.BytesPerSecond * Condition.Bandwidth : 0, Condition.LockHeld, Condition.RejectsReleases, now);
        report.Wake(now);
    }

    private ReportedState State(long now)
    {
        flow.Advance(now);
        if (flow.UpdateStatus is { } status && status != loggedStatus)
            log.Write($"Update: {loggedStatus = status}", now);
        var fields = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        fields["ip_address"] = $"\"{Identity.Address}\"";
        fields["mac_address"] = $"\"{Identity.MacAddress}\"";
        fields["api_port"] = "48484";
        fields["api_secret"] = $"\"{ApiSecret}\"";
        fields["os_version"] = $"\"{OsVersion}\"";
        fields["os_variant"] = "\"prod\"";
        fields["supervisor_version"] = $"\"{SupervisorVersion}\"";
        fields["provisioning_progress"] = "null";
        fields["provisioning_state"] = "\"\"";
        fields["status"] = "\"Idle\"";
        fields["logs_channel"] = "null";
        fields["is_undervolted"] = "false";
        fields.AddRange(metrics.At(now, target?.Metrics ?? true));
        if (flow.Apps() is { } apps)
            fields["apps"] = apps;
        return new(fields.ToImmutable());
    }
}
