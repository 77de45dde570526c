using System.Globalization;

namespace Muster.Simulator.Devices;

/// <summary>
/// The OS' own progress tool during an OS update: form-urlencoded PATCH of provisioning_progress, provisioning_state and
/// status, while the supervisor is stopped (docs/device-protocol.md, "OS installs and updates").
/// </summary>
public sealed class OsUpdate(SupervisorTimings timings)
{
    private static readonly (int Progress, string State)[] Steps =
        [(5, "Preparing OS update"), (35, "Downloading OS update"), (70, "Running OS update"), (100, "Reboot in progress")];

    private int step = Steps.Length;
    private bool waiting;

    public long NextDue { get; private set; } = long.MaxValue;

    public void Start(long now) => (step, waiting, NextDue) = (0, false, now);

    public void Stop() => (step, waiting, NextDue) = (Steps.Length, false, long.MaxValue);

    public DeviceRequest? Take(long now, DeviceIdentity identity, int boot)
    {
        if (waiting || step == Steps.Length || now < NextDue)
            return null;
        (waiting, NextDue) = (true, long.MaxValue);
        var (progress, state) = Steps[step];
        return new(RequestKind.OsProgress, "PATCH", $"/v6/device(uuid='{identity.Uuid}')", identity.Key, boot)
        {
            Body = string.Create(CultureInfo.InvariantCulture, $"provisioning_progress={progress}&provisioning_state={Uri.EscapeDataString(state)}&status=configuring"),
            ContentType = "application/x-www-form-urlencoded",
            Claim = new(false, null, null, progress),
        };
    }

    /// <summary>The tool tries each step again until it is heard.</summary>
    public void Answered(bool success, long now)
    {
        if (!waiting)
            return;
        waiting = false;
        if (success)
            step++;
        NextDue = step == Steps.Length ? long.MaxValue : now + timings.ReportInterval;
    }
}
