using System.Collections.Concurrent;
using Muster.Core.Access;
using Muster.Storage;

namespace Muster.Server.Insight;

/// <summary>
/// What of devices a caller may see here, by the same scope as queries (<see cref="ReadScope"/>): people the devices of
/// their organizations, a device itself, the server's administrator and services everything.
/// </summary>
internal sealed class Sight(Database database)
{
    /// <summary>Fleets never change hands, so what was read once stays true.</summary>
    private readonly ConcurrentDictionary<long, long> organizations = new();

    /// <summary>A device that is gone is seen by its former fleet's people as long as the fleet is there.</summary>
    public async ValueTask<bool> CanSeeAsync(Caller caller, long fleetId, long deviceId, CancellationToken cancellation) => ReadScope.Of(caller).Kind switch
    {
        ReadScopeKind.Device => caller.SubjectId == deviceId,
        _ => await CanSeeFleetAsync(caller, fleetId, cancellation),
    };

    /// <summary>Whether the caller sees all devices of the fleet.</summary>
    public async ValueTask<bool> CanSeeFleetAsync(Caller caller, long fleetId, CancellationToken cancellation) => ReadScope.Of(caller).Kind switch
    {
        ReadScopeKind.Everything or ReadScopeKind.Service => true,
        ReadScopeKind.Memberships => await OrganizationAsync(fleetId, cancellation) is { } organization && AccessRule.Has(caller, Role.Observer, organization),
        _ => false,
    };

    /// <summary>To which organization a fleet belongs, or belonged; null for one that was never seen.</summary>
    public async ValueTask<long?> OrganizationAsync(long fleetId, CancellationToken cancellation)
    {
        if (organizations.TryGetValue(fleetId, out var known))
            return known;
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT organization_id FROM fleet WHERE id = @p0", fleetId);
        return await command.ExecuteScalarAsync(cancellation) is long organization ? organizations[fleetId] = organization : null;
    }
}
