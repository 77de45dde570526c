using System.Data.Common;
using Muster.Core.Access;
using Muster.Server.Insight;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Devices.Registration;

/// <summary>Why something about registration was refused.</summary>
internal enum RegistrationOutcome : byte { Done, UnknownDeviceType, UnknownFleet, UuidTaken, KeyTaken, UnknownDevice, NotOpen, TooManyKeys }

/// <summary>Writes new devices and their keys. What is answered with success is durable.</summary>
internal sealed class DeviceRegistry(Database database, FleetPresence presence, AuditLog audit, TimeProvider time)
{
    /// <summary>Keys that a device may have before a provisioning key can give it no more: far more than anybody flashes it.</summary>
    private const int MaxKeys = 100;

    public async Task<(RegistrationOutcome Outcome, long DeviceId)> RegisterAsync(RegistrationRequest request, string key, CancellationToken cancellation)
    {
        (RegistrationOutcome Outcome, long DeviceId) written;
        try
        {
            written = await database.WriteAsync(write => RegisterAsync(write, request, key, cancellation), cancellation);
        }
        catch (DbException e) when (IsTaken(e))
        {
            // Two registrations at once on PostgreSQL; SQLite has one writer.
            written = (e.Message.Contains("key_hash", StringComparison.Ordinal) ? RegistrationOutcome.KeyTaken : RegistrationOutcome.UuidTaken, 0);
        }

        if (written.Outcome == RegistrationOutcome.Done)
            await presence.ChangedAsync(new("registered") { Added = [written.DeviceId] });
        return written;
    }

    /// <summary>Gives a device a further key. The same key again is no error: a supervisor may repeat itself.</summary>
    /// <param name="caller">Who gives it. A provisioning key may do so only to a device that was flashed anew (<see cref="KeyExchange"/>), and that goes on record.</param>
    /// <param name="from">Address it was asked from.</param>
    public async Task<RegistrationOutcome> AddKeyAsync(Caller caller, long deviceId, string key, string? name, string? description, string? from, CancellationToken cancellation)
    {
        RegistrationOutcome outcome;
        try
        {
            outcome = await database.WriteAsync(
                async write =>
                {
                    if (await ScalarAsync(write, "SELECT actor_id FROM device WHERE id = @p0", cancellation, deviceId) is not long actor)
                        return RegistrationOutcome.UnknownDevice;
                    var isExchange = caller.Kind == CallerKind.Fleet;
                    if (isExchange && !await KeyExchange.IsOpenAsync(write, deviceId, caller.SubjectId, cancellation))
                        return RegistrationOutcome.NotOpen;
                    if (await ScalarAsync(write, "SELECT actor_id FROM api_key WHERE key_hash = @p0", cancellation, Keys.Hash(key)) is long owner)
                        return owner == actor ? RegistrationOutcome.Done : RegistrationOutcome.KeyTaken;
                    await write.TakeTurnAsync("api_key", actor);
                    if (isExchange && (await ScalarAsync(write, "SELECT count(*) FROM api_key WHERE actor_id = @p0", cancellation, actor)) is >= (long)MaxKeys)
                        return RegistrationOutcome.TooManyKeys;
                    await InsertKeyAsync(write, actor, key, name, description, cancellation);
                    if (isExchange)
                        await audit.NoteAsync(write, [new(caller, "key.exchange", deviceId, null, from, "A key that the device chose, by the provisioning key of its fleet.")], AuditOutcome.Done);
                    return RegistrationOutcome.Done;
                },
                cancellation);
        }
        catch (DbException e) when (IsTaken(e))
        {
            outcome = RegistrationOutcome.KeyTaken;
        }

        if (outcome == RegistrationOutcome.Done)
            await presence.KeysChangedAsync(deviceId);
        return outcome;
    }

    private async Task<(RegistrationOutcome Outcome, long DeviceId)> RegisterAsync(WriteScope write, RegistrationRequest request, string key, CancellationToken cancellation)
    {
        if (await ScalarAsync(write, "SELECT device_type_id FROM device_type_alias WHERE alias = @p0 UNION ALL SELECT id FROM device_type WHERE slug = @p0", cancellation, request.DeviceType) is not long deviceType)
            return (RegistrationOutcome.UnknownDeviceType, 0);
        if (await ScalarAsync(write, "SELECT id FROM fleet WHERE id = @p0", cancellation, request.Application) is null)
            return (RegistrationOutcome.UnknownFleet, 0);
        if (await ScalarAsync(write, "SELECT id FROM device WHERE uuid = @p0", cancellation, request.Uuid) is not null)
            return (RegistrationOutcome.UuidTaken, 0);
        if (await ScalarAsync(write, "SELECT id FROM api_key WHERE key_hash = @p0", cancellation, Keys.Hash(key)) is not null)
            return (RegistrationOutcome.KeyTaken, 0);
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var actor = (long)(await ScalarAsync(write, "INSERT INTO actor (kind) VALUES ('device') RETURNING id", cancellation))!;
        var device = (long)(await ScalarAsync(
            write,
            """
            INSERT INTO device (actor_id, uuid, name, fleet_id, device_type_id, supervisor_version, os_version, os_variant, mac_address, created_at, modified_at, status_since)
            VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p9, @p9) RETURNING id
            """,
            cancellation, actor, request.Uuid, DeviceNames.New(), request.Application, deviceType, request.SupervisorVersion, request.OsVersion, request.OsVariant, request.MacAddress, now))!;
        await InsertKeyAsync(write, actor, key, null, null, cancellation);
        return (RegistrationOutcome.Done, device);
    }

    private Task<object?> InsertKeyAsync(WriteScope write, long actor, string key, string? name, string? description, CancellationToken cancellation)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        return ScalarAsync(
            write,
            "INSERT INTO api_key (actor_id, key_hash, roles, name, description, created_at, modified_at) VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p5) RETURNING id",
            cancellation, actor, Keys.Hash(key), AccessRule.DeviceKey, name, description, now);
    }

    private static async Task<object?> ScalarAsync(WriteScope write, string sql, CancellationToken cancellation, params object?[] parameters)
    {
        await using var command = write.Command(sql, parameters);
        return await command.ExecuteScalarAsync(cancellation) is { } value and not DBNull ? value : null;
    }

    private static bool IsTaken(DbException e) => e.SqlState == "23505";
}
