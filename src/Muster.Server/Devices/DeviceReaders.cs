using Muster.Core.Access;
using Muster.Server.Devices.Targets;
using Muster.Server.Presence;

namespace Muster.Server.Devices;

/// <summary>Whether a caller other than the device itself may see, or speak for, a device or a fleet.</summary>
internal sealed class DeviceReaders(FleetPresence presence, FleetRows fleets)
{
    public async ValueTask<bool> MayReadAsync(Caller caller, DeviceSlot slot, CancellationToken cancellation) =>
        await HasRoleAsync(caller, Role.Observer, presence.FleetId(slot), cancellation);

    /// <summary>A fleet is seen by its organization's people and by its devices.</summary>
    public async ValueTask<bool> MayReadFleetAsync(Caller caller, FleetRow fleet, CancellationToken cancellation) =>
        caller.Kind == CallerKind.Device
            ? await fleets.IsOwnAsync(fleet.App.Id, caller.SubjectId, cancellation)
            : await HasRoleAsync(caller, Role.Observer, fleet.App.Id, cancellation);

    public async ValueTask<bool> HasRoleAsync(Caller caller, Role role, long fleetId, CancellationToken cancellation)
    {
        if (caller.Kind != CallerKind.User)
            return false;
        return caller.IsServerAdmin
            || (await fleets.FleetAsync(fleetId, cancellation) is { } fleet && caller.Memberships.TryGetValue(fleet.OrganizationId, out var held) && held >= role);
    }
}
