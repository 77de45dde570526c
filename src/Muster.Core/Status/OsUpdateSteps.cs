namespace Muster.Core.Status;

public enum StepState : byte { Ahead, Current, Done, Failed }

/// <summary>A step of an OS update or an installation.</summary>
/// <param name="Words">What happens in it.</param>
public readonly record struct OsStep(string Words, StepState State);

/// <summary>
/// How far a device is with changing its operating system, read from what its own tools report: <c>provisioning_state</c>
/// and <c>provisioning_progress</c> (docs/device-statuses.md, "OS updates"). The updater tells 25, 50 and 100 % by
/// step and no share of a download, so the words decide and the percentage stands beside them.
/// </summary>
/// <param name="Said">The device's own words.</param>
/// <param name="Percent">As reported, or null.</param>
/// <param name="Advice">What to know about this step; null when there is nothing.</param>
public sealed record OsUpdateSteps(string Title, IReadOnlyList<OsStep> Steps, string Said, int? Percent, string? Advice)
{
    private static readonly string[] Update = ["Preparing the update", "Downloading and installing the new OS", "Updating the supervisor", "Waiting for the applications' update locks", "Rebooting into the new OS"];
    private static readonly string[] Flash = ["Preparing the internal storage", "Writing the OS to it", "Booting from it"];

    /// <summary>Null while the device changes nothing of its OS.</summary>
    public static OsUpdateSteps? Of(string? provisioningState, int? provisioningProgress)
    {
        var said = provisioningState?.Trim() ?? "";
        if (said.Length == 0)
            return null;
        bool Says(params ReadOnlySpan<string> words)
        {
            foreach (var word in words)
            {
                if (said.Contains(word, StringComparison.OrdinalIgnoreCase))
                    return true;
            }

            return false;
        }

        // "Starting flashing" before "flashing", failure before whatever failed, the lock before the reboot that waits for it.
        if (Says("post-provisioning"))
            return Known("Installation", Flash, 2, "It boots from its internal storage when the installation medium is removed and it is powered on again.");
        if (Says("starting flashing"))
            return Known("Installation", Flash, 0, null);
        if (Says("flashing"))
            return Known("Installation", Flash, 1, null);
        if (Says("fail", "error", "abort"))
            return Known("OS update", Update, 1, "The device goes on with the OS it had. Its journal tells why; the update can be started anew.", failed: true);
        if (Says("application lock", "update lock"))
            return Known("OS update", Update, 3, "An application holds an update lock. The device reboots as soon as it is released.");
        if (Says("reboot"))
            return Known("OS update", Update, 4, "For some minutes nothing is heard of it. It rolls back on its own if the new OS does not come up.");
        if (Says("supervisor"))
            return Known("OS update", Update, 2, null);
        if (Says("running", "download", "installing"))
            return Known("OS update", Update, 1, "The percentage stands still in this step, as the updater tells steps and no bytes. It is under way as long as no failure is shown.");
        if (Says("prepar", "start"))
            return Known("OS update", Update, 0, null);
        return new("OS change", [new(said, StepState.Current)], said, provisioningProgress, null);

        OsUpdateSteps Known(string title, string[] steps, int current, string? advice, bool failed = false) => new(
            title,
            [.. steps.Select((words, i) => new OsStep(words, i < current ? StepState.Done : i > current ? StepState.Ahead : failed ? StepState.Failed : StepState.Current))],
            said,
            provisioningProgress,
            advice);
    }
}
