namespace Muster.Core.Status;

/// <summary>The words of <c>overall_status</c> under <c>/v6</c> (docs/resource-api.md, "Versions").</summary>
public static class LegacyStatus
{
    /// <summary>
    /// The older vocabulary knows no links: connected is idle, and a download shows whatever the links are (a status of
    /// reduced functionality has a progress only while something is downloaded). Frozen has no word there; the nearest is inactive.
    /// </summary>
    /// <param name="progress">The overall progress, percent or null.</param>
    public static string Word(OverallStatus status, int? progress) => status switch
    {
        OverallStatus.Inactive or OverallStatus.Frozen => "inactive",
        OverallStatus.PostProvisioning => "post-provisioning",
        OverallStatus.Configuring => "configuring",
        OverallStatus.Disconnected => "offline",
        OverallStatus.Updating => "updating",
        OverallStatus.ReducedFunctionality when progress is not null => "updating",
        OverallStatus.ReducedFunctionality or OverallStatus.Operational => "idle",
        _ => throw new ArgumentOutOfRangeException(nameof(status)),
    };
}
