using Muster.Core.Access;
using Muster.Core.Query;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Devices.Registration;

/// <summary>
/// A device that was flashed anew has its old uuid, a new key, and its fleet's provisioning key in hand: with that key it
/// looks itself up and gives itself the new key (docs/device-protocol.md, "Registration"). So far, and no further, a
/// provisioning key sees devices: those of its own fleet, by their uuid, while they are not online. Whoever is online was not
/// flashed. The fleet may switch it off.
/// </summary>
internal sealed class KeyExchange(Database database, FleetPresence presence)
{
    /// <summary>The device with this uuid whose key this caller may exchange; null when there is none.</summary>
    public async Task<long?> FindAsync(Caller caller, string uuid, CancellationToken cancellation)
    {
        if (!IsProvisioning(caller) || !presence.TryFind(uuid, out var slot) || presence.Evidence(slot) is not { } evidence
            || evidence.FleetId != caller.SubjectId || evidence.Facts.IsOnline)
            return null;
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement($"SELECT d.id FROM {Open}", evidence.DeviceId, caller.SubjectId);
        return await command.ExecuteScalarAsync(cancellation) as long?;
    }

    /// <summary>Whether the device's key may be exchanged by this fleet's provisioning key, within the transaction that does it.</summary>
    public static async Task<bool> IsOpenAsync(WriteScope write, long deviceId, long fleetId, CancellationToken cancellation)
    {
        await using var command = write.Command($"SELECT d.id FROM {Open}", deviceId, fleetId);
        return await command.ExecuteScalarAsync(cancellation) is long;
    }

    public static bool IsProvisioning(Caller caller) => caller.Kind == CallerKind.Fleet && caller.KeyRoles.Contains(AccessRule.ProvisioningKey);

    /// <summary>The uuid that a look-up asks for, in the forms in which devices ask; null when the query is another.</summary>
    public static string? Uuid(ResourceQuery query)
    {
        var options = query.Options;
        if (query is not { Resource: "device", IsCount: false, Action: null } || options is not { Select: ["id"], Expand.Length: 0, OrderBy.Length: 0, Skip: null, Top: null or > 0 })
            return null;
        return (query.Key, options.Filter) switch
        {
            ({ Parts: [{ Name: "uuid", Value.Value: string uuid }] }, null) => uuid,
            (null, Binary { Operator: BinaryOperator.Equal, Left: Core.Query.Path { Parts: ["uuid"] }, Right: Literal { Value: string uuid } }) => uuid,
            _ => null,
        };
    }

    /// <summary>Device @p0 of fleet @p1, which is not online, in a fleet that allows it.</summary>
    private const string Open =
        """
        device d JOIN fleet f ON f.id = d.fleet_id
        WHERE d.id = @p0 AND d.fleet_id = @p1 AND f.allows_key_exchange = 1 AND d.cloudlink_connected = 0 AND d.heartbeat <> 'online'
        """;
}
