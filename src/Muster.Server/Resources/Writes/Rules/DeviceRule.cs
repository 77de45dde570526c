using System.Globalization;
using System.Text.RegularExpressions;
using Muster.Core.Text;
using Muster.Server.Devices.Registration;
using Muster.Server.Resources.Accounts;

namespace Muster.Server.Resources.Writes.Rules;

/// <summary>Devices, as people change them: pre-registration, names, pins, moves between fleets, deactivation, public addresses.</summary>
/// <param name="hasPublicAddresses">Whether this server has a domain for them.</param>
internal sealed partial class DeviceRule(bool hasPublicAddresses) : ResourceRule
{
    private const string WrongPin = "It is necessary that each release that is pinned to a device, has a status that is equal to \"success\" and belongs to an application1 that the device belongs to.";

    /// <summary>Columns that the status or the target state reads.</summary>
    private static readonly string[] Inputs = ["name", "fleet_id", "device_type_id", "pinned_release_id", "operated_by_release_id", "managed_by_release_id", "is_active"];

    public override async Task CreatingAsync(Write write, RowValues row)
    {
        row.Default("uuid", Guid.NewGuid().ToString("N"));
        if (!Uuid().IsMatch(row.Text("uuid")!))
            throw RefusedException.Invalid("Device UUID must be a 32 or 62 character long lower case hex string.");
        row.Default("name", DeviceNames.New());
        CheckTexts(row);
        CheckPublicAddress(row);
        if (row.Flag("is_active") == true)
            row["activated_at"] = write.Now;
        row["actor_id"] = await People.AddActorAsync(write.Scope, "device");
    }

    public override async Task CreatedAsync(Write write, RowValues row, long id)
    {
        await CheckPinAsync(write, row, [id]);
        if (row.Flag("is_web_accessible") == true)
            write.After.Audited.Add(("device-url.on", id));
        write.After.Cause = "registered";
        write.After.Added.Add(id);
        await OrganizationsAsync(write, [id]);
    }

    public override async Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        CheckTexts(row);
        CheckPublicAddress(row);
        if (row.Number("device_type_id") is { } type && !row.Has("fleet_id"))
            await CheckTypeAsync(write, type, ids);
        if (row.Number("fleet_id") is { } fleet)
            await MoveAsync(write, row, fleet, ids);
        if (row.Flag("is_active") is { } active)
        {
            if (!active)
                await RefuseOnlineAsync(write, ids);
            // Those activated first keep their place in the allowance: whoever comes back queues anew.
            await write.DoForAsync(ids, active
                ? "UPDATE device SET activated_at = @p0 WHERE is_active = 0 AND id IN ({ids})"
                : "UPDATE device SET activated_at = NULL WHERE id IN ({ids})", active ? [write.Now] : []);
            write.After.Cause = active ? "activated" : "deactivated";
            await OrganizationsAsync(write, ids);
        }
    }

    public override async Task ChangedAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        await CheckPinAsync(write, row, ids);
        if (row.Has("fleet_id"))
        {
            write.After.Cause = "move";
            await OrganizationsAsync(write, ids);
        }
        else if (row.Has("pinned_release_id"))
        {
            write.After.Cause = "pin";
        }

        // Opens the device to everybody, or shuts it.
        if (row.Flag("is_web_accessible") is { } open)
            write.After.Audited.AddRange(ids.Select(id => (open ? "device-url.on" : "device-url.off", id)));
        (Inputs.Any(row.Has) ? write.After.Devices : write.After.Edited).UnionWith(ids);
    }

    public override async Task RemovingAsync(Write write, IReadOnlyList<long> ids)
    {
        write.After.Cause = "removed";
        await OrganizationsAsync(write, ids);
        write.After.Removed.AddRange(await write.RowsOfAsync(ids, "SELECT id, uuid FROM device WHERE id IN ({ids})", r => (r.GetInt64(0), r.GetString(1))));
    }

    /// <summary>A move takes what belongs to the old fleet away: the pin and the variables of its services.</summary>
    private static async Task MoveAsync(Write write, RowValues row, long fleet, IReadOnlyList<long> ids)
    {
        var architecture = await write.NumberAsync("SELECT t.cpu_architecture_id FROM fleet f JOIN device_type t ON t.id = f.device_type_id WHERE f.id = @p0", fleet)
            ?? throw ConstraintErrors.Referenced("belongs_to__application");
        var moving = await write.RowsOfAsync(ids,
            """
            SELECT d.id, t.cpu_architecture_id, ft.cpu_architecture_id FROM device d JOIN device_type t ON t.id = d.device_type_id
            JOIN fleet f ON f.id = d.fleet_id JOIN device_type ft ON ft.id = f.device_type_id WHERE d.id IN ({ids})
            """, r => (Id: r.GetInt64(0), Device: r.GetInt64(1), Fleet: r.GetInt64(2)));
        if (moving.Any(d => d.Device != architecture && d.Fleet != architecture))
            throw RefusedException.Invalid("A device can only be moved to a fleet of its own architecture.");
        var leaving = await write.RowsOfAsync(ids, $"SELECT id FROM device WHERE fleet_id <> {fleet} AND id IN ({{ids}})", r => r.GetInt64(0));
        await write.DoForAsync(leaving, "DELETE FROM device_service_environment_variable WHERE device_id IN ({ids})");
        await OrganizationsAsync(write, ids);
        if (leaving.Count == 0)
            return;
        row.Default("pinned_release_id", null);
        // It runs nothing of the new fleet yet, and downloads nothing more of the old one.
        await write.DoForAsync(leaving, "UPDATE device SET running_release_id = NULL WHERE running_release_id IS NOT NULL AND id IN ({ids})");
        await write.DoForAsync(leaving,
            """
            UPDATE image_install SET status = 'deleted', download_progress = NULL WHERE status = 'Downloading' AND device_id IN ({ids})
                AND release_id IN (SELECT r.id FROM release r JOIN device d ON d.fleet_id = r.fleet_id WHERE d.id IN ({ids}))
            """);
    }

    /// <summary>Whatever is online comes back by itself: to deactivate it would be undone by its next contact.</summary>
    private static async Task RefuseOnlineAsync(Write write, IReadOnlyList<long> ids)
    {
        var online = await write.RowsOfAsync(ids,
            "SELECT name FROM device WHERE is_active = 1 AND (cloudlink_connected = 1 OR heartbeat = 'online') AND id IN ({ids}) ORDER BY id", r => r.GetString(0));
        if (online is [var first, ..])
        {
            throw RefusedException.Invalid(
                $"\"is_active\" cannot be set to false: {(online.Count == 1 ? $"the device '{first}' is online" : $"{online.Count} of the devices are online, among them '{first}'")}, and only a device that is offline can be deactivated.");
        }
    }

    // Whoever switches it on would be shown an address that leads nowhere.
    private void CheckPublicAddress(RowValues row)
    {
        if (!hasPublicAddresses && row.Flag("is_web_accessible") == true)
            throw RefusedException.Invalid("\"is_web_accessible\" cannot be set to true: this server has no domain for public addresses of devices (Cloudlink:DeviceUrls:Domain).");
    }

    private static async Task CheckTypeAsync(Write write, long type, IReadOnlyList<long> ids)
    {
        var others = await write.RowsOfAsync(ids,
            $"SELECT d.id FROM device d JOIN fleet f ON f.id = d.fleet_id JOIN device_type t ON t.id = f.device_type_id WHERE d.id IN ({{ids}}) AND t.cpu_architecture_id <> (SELECT cpu_architecture_id FROM device_type WHERE id = {type})",
            r => r.GetInt64(0));
        if (others.Count > 0)
            throw RefusedException.Invalid("A device's type can only be changed to one of its fleet's architecture.");
    }

    // After the update, so that a pin is judged against the fleet that the device is in now.
    private static async Task CheckPinAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        if (row.Number("pinned_release_id") is null)
            return;
        var wrong = await write.RowsOfAsync(ids,
            "SELECT d.id FROM device d JOIN release r ON r.id = d.pinned_release_id WHERE d.id IN ({ids}) AND (r.fleet_id <> d.fleet_id OR r.status <> 'success')", r => r.GetInt64(0));
        if (wrong.Count > 0)
            throw RefusedException.Invalid(WrongPin);
    }

    private static async Task OrganizationsAsync(Write write, IReadOnlyList<long> ids) =>
        write.After.Organizations.UnionWith(await write.RowsOfAsync(ids, "SELECT DISTINCT f.organization_id FROM device d JOIN fleet f ON f.id = d.fleet_id WHERE d.id IN ({ids})", r => r.GetInt64(0)));

    private static void CheckTexts(RowValues row)
    {
        if (row.Text("name") is { } name && name.AsSpan().ContainsAny('\n', '\r'))
            throw RefusedException.Invalid("Device name cannot contain any newline characters.");
        if (row.Text("name") is { } seen && NameRule.Problem(seen) is { } problem)
            throw RefusedException.Invalid($"\"device_name\" {problem}.");
        CheckCoordinate(row.Text("custom_latitude"), 90, "custom_latitude");
        CheckCoordinate(row.Text("custom_longitude"), 180, "custom_longitude");
    }

    // An empty text unsets the place, as the SDK does it.
    private static void CheckCoordinate(string? text, double most, string field)
    {
        if (text is { Length: > 0 } && !(double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var degrees) && Math.Abs(degrees) <= most))
            throw RefusedException.Invalid($"\"{field}\" must be a number of degrees between -{most} and {most}.");
    }

    [GeneratedRegex(@"\A(?:[0-9a-f]{32}|[0-9a-f]{62})\z")]
    private static partial Regex Uuid();
}
