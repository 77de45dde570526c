using Muster.Storage;

namespace Muster.EndToEnd.Tests.Faults;

/// <summary>What the database says, past the server.</summary>
internal static class Evidence
{
    private static readonly (string Fact, string Value)[] Counted =
    [
        ("overall_status", "overall_status"),
        ("heartbeat", "heartbeat"),
        ("update_status", "coalesce(update_status, 'none')"),
        ("cloudlink", "CASE WHEN cloudlink_connected <> 0 THEN 'connected' ELSE 'disconnected' END"),
        ("running_release", "coalesce(CAST(running_release_id AS TEXT), 'none')"),
    ];

    /// <summary>Every count equals the rows it counts.</summary>
    public static async Task CountsEqualRowsAsync(Database database)
    {
        foreach (var (fact, value) in Counted)
        {
            var counts = await RowsAsync(database, $"SELECT fleet_id, value, devices FROM fleet_count WHERE fact = '{fact}' AND devices <> 0 ORDER BY fleet_id, value");
            var rows = await RowsAsync(database, $"SELECT fleet_id, {value} AS value, count(*) FROM device GROUP BY fleet_id, {value} ORDER BY fleet_id, value");
            Assert.Equal(rows.Order(), counts.Order());
        }
    }

    /// <summary>Every device stands at what it was last told was taken, or at something newer that it sent.</summary>
    public static async Task NothingAcknowledgedIsLostAsync(Database database, DrivenFleet fleet)
    {
        var rows = (await RowsAsync(database, "SELECT id, os_version FROM device")).Select(row => row.Split('|')).ToDictionary(row => row[0], row => row[1]);
        var lost = fleet.Devices
            .Select(device => (device, OnRecord: rows[$"{device.Id}"] is { Length: > 0 } version ? version : null))
            .Where(d => !d.device.MayStandAt(d.OnRecord))
            .Select(d => $"device {d.device.Id} stands at '{d.OnRecord}', acknowledged {d.device.Acknowledged}, sent {d.device.Sent}");
        Assert.Empty(lost);
    }

    /// <summary>The transitions of a device's fact on record, oldest first.</summary>
    public static async Task<IReadOnlyList<string>> HistoryAsync(Database database, long device, string fact) =>
        await RowsAsync(database, $"SELECT to_value FROM transition WHERE device_id = {device} AND fact = '{fact}' ORDER BY id");

    /// <summary>None of these devices ever passed through timeout, offline or disconnected.</summary>
    public static async Task NoneWasFalselyDisconnectedAsync(Database database, IEnumerable<DrivenDevice> devices)
    {
        var alive = string.Join(',', devices.Select(device => device.Id));
        Assert.Empty(await RowsAsync(database,
            $"SELECT device_id, fact, to_value, at, cause FROM transition WHERE device_id IN ({alive}) AND to_value IN ('timeout', 'offline', 'disconnected') ORDER BY id"));
    }

    private static async Task<IReadOnlyList<string>> RowsAsync(Database database, string sql)
    {
        await using var connection = await database.OpenReadAsync();
        await using var command = connection.Statement(sql);
        await using var reader = await command.ExecuteReaderAsync();
        List<string> rows = [];
        while (await reader.ReadAsync())
            rows.Add(string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? "" : reader.GetValue(i))));
        return rows;
    }
}
