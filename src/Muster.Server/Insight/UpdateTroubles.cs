using Muster.Core.Status;
using Muster.Server.Devices.Logs;
using Muster.Server.Presence;

namespace Muster.Server.Insight;

/// <summary>What is wrong with a device's update, from what it reports and what its log says.</summary>
internal sealed class UpdateTroubles(UpdateSigns signs, TimeProvider time)
{
    /// <summary>A reason may have been told a while before the status that it explains.</summary>
    private const long Before = 24 * 3_600_000L;

    /// <summary>The newest line of the device's log about its update; null when none counts any more.</summary>
    public Task<UpdateSign?> SignAsync(DeviceEvidence evidence, CancellationToken cancellation) =>
        signs.NewestAsync(evidence.DeviceId, (evidence.UpdateStatusSince ?? time.GetUtcNow().ToUnixTimeMilliseconds()) - Before, cancellation);

    public async Task<UpdateTrouble?> OfAsync(DeviceEvidence evidence, CancellationToken cancellation)
    {
        // Most devices have done what they should: nobody looks into their logs.
        var hasDone = evidence.UpdateStatus is UpdateStatus.Done or UpdateStatus.None && !evidence.Facts.IsDownloading
            && (evidence.Facts.TargetReleaseId is not { } target || target == evidence.RunningReleaseId);
        return hasDone ? null : evidence.Trouble(await SignAsync(evidence, cancellation), time.GetUtcNow().ToUnixTimeMilliseconds());
    }
}
