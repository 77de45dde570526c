using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Muster.Simulator.Devices;

/// <summary>
/// How a device goes from the release it runs to the one it should run: downloading (one image after the other, at the
/// given bandwidth) → downloaded (as long as an update lock is held) → applying changes → done, and settled a little later.
/// Time is passed in; between two calls of <see cref="Advance"/> nothing happens.
/// </summary>
public sealed class UpdateFlow(SupervisorTimings timings, Platform platform, Func<string, long> imageSize)
{
    private enum Phase { Nothing, Downloading, Downloaded, Installing, Starting, Settling, Settled, Rejected }

    private readonly HashSet<string> images = [];
    private TargetApp? target;
    private TargetApp? running;
    private Phase phase;
    private long phaseEnds = long.MaxValue;
    private long advancedTo;
    private int fetching;
    private double fetched;
    private double bandwidth;
    private bool lockHeld;
    private bool rejecting;
    private bool forced;
    private readonly HashSet<string> stopped = [];
    private string? restarting;

    /// <summary>Commit of the release that last settled.</summary>
    public string? SettledCommit { get; private set; }

    public bool IsUnderWay => phase is Phase.Downloading or Phase.Downloaded or Phase.Installing or Phase.Starting or Phase.Settling;

    /// <summary>The services of the release that runs.</summary>
    public ImmutableArray<TargetService> Services => running?.Services ?? [];

    public bool IsStopped(string service) => stopped.Contains(service);

    public void SetService(string service, bool isStopped)
    {
        if (isStopped)
            stopped.Add(service);
        else
            stopped.Remove(service);
    }

    /// <summary>Stops the running release's containers and starts them again; false while an update is being applied.</summary>
    /// <param name="service">This one alone; null: all.</param>
    public bool Restart(string? service, long now)
    {
        Advance(now);
        if (phase is not (Phase.Settling or Phase.Settled))
            return false;
        if (service is null)
            stopped.Clear();
        else
            stopped.Remove(service);
        restarting = service;
        return Enter(Phase.Starting, now + (timings.Apply / 2));
    }

    /// <summary>
    /// The update that is asked for next overrides locks. One that waits for a lock already does so only when it is cancelled
    /// too: a real supervisor queues the forced run behind it for ever.
    /// </summary>
    public void Force(bool cancel, long now)
    {
        Advance(now);
        forced = forced || cancel || phase != Phase.Downloaded;
        Advance(now);
    }

    /// <summary>A poll that found nothing to do takes the force with it.</summary>
    public void Checked() => forced &= IsUnderWay;

    /// <summary>The next instant at which <see cref="Advance"/> changes something to report; <see cref="long.MaxValue"/> when none is known.</summary>
    public long NextChange => phase == Phase.Downloading ? NextPercent() : phaseEnds;

    /// <summary>A fresh target state. It cancels what is under way: an image half downloaded starts over.</summary>
    public void Aim(TargetDocument document, long now)
    {
        Advance(now);
        target = document.App is { Commit: not null } app ? app : null;
        Start(now);
    }

    /// <summary>The circumstances of the update.</summary>
    /// <param name="bytesPerSecond">0 while there is no way to the registry.</param>
    /// <param name="held">A container holds the update lock.</param>
    /// <param name="reject">The device meets no release's contract.</param>
    public void Under(double bytesPerSecond, bool held, bool reject, long now)
    {
        Advance(now);
        bandwidth = bytesPerSecond / 1000;
        lockHeld = held;
        if (reject != rejecting)
        {
            rejecting = reject;
            // A release that runs already is not judged again; one that is on its way, or was rejected, is.
            if (phase is not (Phase.Settling or Phase.Settled))
                Start(now);
        }

        Advance(now);
    }

    public void Advance(long now)
    {
        while (Step(now))
        {
        }

        advancedTo = Math.Max(advancedTo, now);
    }

    private void Start(long now)
    {
        advancedTo = now;
        phaseEnds = long.MaxValue;
        fetching = 0;
        fetched = 0;
        if (target is null)
        {
            running = null;
            phase = Phase.Nothing;
        }
        else if (Runs(target))
        {
            phase = SettledCommit == target.Commit ? Phase.Settled : Phase.Settling;
            phaseEnds = phase == Phase.Settling ? now + timings.Settle : long.MaxValue;
        }
        else if (rejecting || !target.Services.All(s => Contracts.AreMet(s.Contract, platform)))
        {
            phase = Phase.Rejected;
        }
        else
        {
            phase = Phase.Downloading;
        }

        Advance(now);
    }

    private bool Runs(TargetApp app) =>
        running is not null && running.Commit == app.Commit && running.Services.Select(s => (s.Name, s.Signature)).SequenceEqual(app.Services.Select(s => (s.Name, s.Signature)));

    private bool Step(long now)
    {
        switch (phase)
        {
            case Phase.Downloading:
                return Download(now);
            case Phase.Downloaded when !lockHeld || forced:
                stopped.Clear();
                restarting = null;
                return Enter(Phase.Installing, advancedTo + (timings.Apply / 2));
            case Phase.Installing when now >= phaseEnds:
                return Enter(Phase.Starting, phaseEnds + (timings.Apply / 2));
            case Phase.Starting when now >= phaseEnds:
                running = target;
                return Enter(Phase.Settling, phaseEnds + timings.Settle);
            case Phase.Settling when now >= phaseEnds:
                SettledCommit = target!.Commit;
                (forced, restarting) = (false, null);
                return Enter(Phase.Settled, long.MaxValue);
            default:
                return false;
        }
    }

    private bool Enter(Phase next, long ends)
    {
        phase = next;
        phaseEnds = ends;
        return true;
    }

    /// <summary>True when something was finished, so that there may be more to do before <paramref name="now"/>.</summary>
    private bool Download(long now)
    {
        while (fetching < target!.Services.Length && images.Contains(target.Services[fetching].Image))
            fetching++;
        if (fetching == target.Services.Length)
            return Enter(Phase.Downloaded, long.MaxValue);
        var size = imageSize(target.Services[fetching].Image);
        var ready = bandwidth > 0 ? advancedTo + (long)Math.Ceiling((size - fetched) / bandwidth) : long.MaxValue;
        if (ready > now)
        {
            fetched += Math.Max(0, now - advancedTo) * bandwidth;
            advancedTo = Math.Max(advancedTo, now);
            return false;
        }

        images.Add(target.Services[fetching].Image);
        advancedTo = ready;
        fetched = 0;
        return true;
    }

    private int Percent() => (int)Math.Min(99, 100 * fetched / imageSize(target!.Services[fetching].Image));

    private long NextPercent()
    {
        if (bandwidth <= 0 || target is null || fetching >= target.Services.Length)
            return long.MaxValue;
        var wanted = (Percent() + 1) / 100.0 * imageSize(target.Services[fetching].Image);
        return advancedTo + Math.Max(1, (long)Math.Ceiling((wanted - fetched) / bandwidth));
    }

    /// <summary>The containers of the running release were started again (reboot). Nothing of the update is lost but the download under way.</summary>
    public void Rebooted(long now)
    {
        restarting = null;
        Start(now);
    }

    public void StartAllServices() => stopped.Clear();

    /// <summary>update_status of the device: the lowest over the releases reported; null when none is.</summary>
    public string? UpdateStatus => phase switch
    {
        Phase.Nothing => null,
        Phase.Rejected => "rejected",
        Phase.Downloading => "downloading",
        Phase.Downloaded => "downloaded",
        Phase.Installing or Phase.Starting => "applying changes",
        _ => "done",
    };

    public bool IsDownloading => phase == Phase.Downloading;

    /// <summary>The value of <c>apps</c> in a state report, or null when there is no app to report.</summary>
    public string? Apps()
    {
        if (target is null || phase == Phase.Nothing)
            return null;
        var releases = ImmutableArray.CreateBuilder<(string Commit, string Status, IEnumerable<string> Services)>();
        if (phase == Phase.Rejected)
        {
            // As seen on the real one: every release mentioned is rejected, the one still running too, and no services are named.
            releases.Add((target.Commit!, "rejected", []));
            if (running is not null && running.Commit != target.Commit)
                releases.Add((running.Commit!, "rejected", []));
        }
        else
        {
            releases.Add((target.Commit!, UpdateStatus!, target.Services.Select(TargetServiceJson)));
            if (running is { Commit: { } old } && old != target.Commit && (phase is Phase.Downloading or Phase.Downloaded or Phase.Installing))
                releases.Add((old, "done", running.Services.Select(s => Service(s, phase == Phase.Installing ? "Stopping" : "Running"))));
        }

        var text = new StringBuilder("{\"").Append(target.Uuid).Append("\":{");
        if (SettledCommit is not null)
            text.Append("\"release_uuid\":\"").Append(SettledCommit).Append("\",");
        text.Append("\"releases\":{");
        text.AppendJoin(',', releases.Select(r => $"\"{r.Commit}\":{{\"update_status\":\"{r.Status}\"{(phase == Phase.Rejected ? "" : $",\"services\":{{{string.Join(',', r.Services)}}}")}}}"));
        return text.Append("}}}").ToString();
    }

    private string TargetServiceJson(TargetService service, int index) => phase switch
    {
        Phase.Downloading when images.Contains(service.Image) => Service(service, "Downloaded"),
        Phase.Downloading => Service(service, "Downloading", index == fetching ? Percent() : 0),
        Phase.Downloaded => Service(service, "Downloaded"),
        Phase.Installing => Service(service, "Installing"),
        Phase.Starting when restarting is null || restarting == service.Name => Service(service, "Installed"),
        _ => Service(service, stopped.Contains(service.Name) ? "exited" : "Running"),
    };

    private static string Service(TargetService service, string status, int? progress = null) =>
        string.Create(CultureInfo.InvariantCulture, $"\"{service.Name}\":{{\"image\":\"{service.Image}\",\"status\":\"{status}\"{(progress is { } p ? $",\"download_progress\":{p}" : "")}}}");
}
