using Muster.Core.Access;
using Muster.Server.Insight;
using Muster.Server.Presence;

namespace Muster.Server.Cloudlink.Sessions;

/// <summary>Whether somebody who has reached a device may still do so. From memory: it is asked every other second for all that is open.</summary>
internal sealed class ReachRight(FleetPresence presence, Sight sight)
{
    /// <param name="now">The caller as of now; <paramref name="then"/>: when the way to the device was opened.</param>
    /// <exception cref="PresenceBusyException">It is not known now.</exception>
    public async ValueTask<bool> HoldsAsync(Caller now, Caller then, long device, string uuid, CancellationToken cancellation)
    {
        if (now.Kind != then.Kind || now.ActorId != then.ActorId || !presence.TryFind(uuid, out var slot) || presence.DeviceId(slot) != device || presence.IsFrozen(slot))
            return false;
        return await sight.OrganizationAsync(presence.FleetId(slot), cancellation) is { } organization && AccessRule.MayReach(now, device, organization);
    }
}
