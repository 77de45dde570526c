namespace Muster.Server.Cloudlink.Actions;

/// <summary>What a person may have a device do at once. All of it goes through the cloudlink; nothing of it waits for a poll.</summary>
public enum DeviceAction
{
    Reboot,

    /// <summary>Restarts all services of the device's release.</summary>
    Restart,

    /// <summary>Stops the services, empties their volumes, and starts them again.</summary>
    Purge,

    Shutdown,

    Blink,

    /// <summary>Looks at the target state now instead of with the next poll.</summary>
    Update,

    RestartService,

    StopService,

    StartService,
}

/// <summary>The words for actions.</summary>
public static class DeviceActionWords
{
    /// <summary>As on a button.</summary>
    public static string Word(this DeviceAction action) => action switch
    {
        DeviceAction.Update => "Update now",
        DeviceAction.RestartService => "Restart service",
        DeviceAction.StopService => "Stop service",
        DeviceAction.StartService => "Start service",
        _ => action.ToString(),
    };

    /// <summary>What it does, for one who is about to do it.</summary>
    public static string Consequence(this DeviceAction action) => action switch
    {
        DeviceAction.Reboot => "The device reboots; its services are away meanwhile.",
        DeviceAction.Restart => "All services of the device are stopped and started again.",
        DeviceAction.Purge => "All data in the services' volumes on the device is deleted for good; the services start again with empty volumes.",
        DeviceAction.Shutdown => "The device switches itself off. Somebody has to power it on again, on the spot.",
        DeviceAction.Blink => "The device blinks its light for some seconds, so that somebody beside it can tell it from others.",
        DeviceAction.Update => "The device looks at its target state now, instead of with its next poll.",
        DeviceAction.RestartService => "The service is stopped and started again.",
        DeviceAction.StopService => "The service stops until it is started again, or until the device reboots or updates.",
        _ => "The service starts.",
    };

    /// <summary>Whether a person is asked before: the device, or a service of it, is away afterwards, or loses something.</summary>
    public static bool AsksBefore(this DeviceAction action) => action is DeviceAction.Reboot or DeviceAction.Restart or DeviceAction.Purge or DeviceAction.Shutdown;

    /// <summary>Whether an update lock on the device can refuse it, and force overrides that.</summary>
    public static bool MeetsLocks(this DeviceAction action) => action is not (DeviceAction.Blink or DeviceAction.StartService);

    public static bool IsOfService(this DeviceAction action) => action is DeviceAction.RestartService or DeviceAction.StopService or DeviceAction.StartService;
}

/// <summary>How an action ended.</summary>
public enum DeviceActionOutcome
{
    /// <summary>The device took it on.</summary>
    Done,

    /// <summary>It waits for the device.</summary>
    Queued,

    /// <summary>The device answered, and declined.</summary>
    Refused,

    /// <summary>The cloudlink counts as up, but the device did not answer.</summary>
    Unreachable,

    /// <summary>The link that the action needs is down.</summary>
    NotConnected,

    /// <summary>The caller's role does not suffice.</summary>
    NotAllowed,

    /// <summary>There is no such device, or it is not the caller's to see.</summary>
    NotFound,
}

/// <summary>The answer to an action.</summary>
/// <param name="Sentence">For the person who asked.</param>
/// <param name="CanForce">The same action with force overrides what refused it.</param>
/// <param name="DownSince">Since when the missing link is down, Unix ms; null when it never was up, or is not what is missing.</param>
public sealed record DeviceActionAnswer(DeviceActionOutcome Outcome, string Sentence, bool CanForce = false, long? DownSince = null);
