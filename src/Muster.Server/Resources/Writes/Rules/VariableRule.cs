namespace Muster.Server.Resources.Writes.Rules;

/// <summary>Environment and configuration variables, and labels: what owns them is told to read its target state anew.</summary>
/// <param name="cause">The word for the history.</param>
/// <param name="checkName">Refuses a name.</param>
/// <param name="nameColumn">The column that holds the name.</param>
/// <param name="reach">Whose target state reads it: SQL giving device ids or fleet ids of the rows <c>{ids}</c>.</param>
/// <param name="reachesFleets">Whether <paramref name="reach"/> gives fleets; else devices.</param>
internal class VariableRule(string cause, Action<string> checkName, string nameColumn, string reach, bool reachesFleets) : ResourceRule
{
    public override Task CreatingAsync(Write write, RowValues row)
    {
        checkName(row.Text(nameColumn)!);
        return Task.CompletedTask;
    }

    public override async Task CreatedAsync(Write write, RowValues row, long id)
    {
        await BoundAsync(write, [id]);
        await ReachAsync(write, [id]);
    }

    public override async Task ChangedAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        await BoundAsync(write, ids);
        await ReachAsync(write, ids);
    }

    public override Task RemovingAsync(Write write, IReadOnlyList<long> ids) => ReachAsync(write, ids);

    private async Task ReachAsync(Write write, IReadOnlyList<long> ids)
    {
        write.After.Cause = cause;
        (reachesFleets ? write.After.Fleets : write.After.Devices).UnionWith(await write.RowsOfAsync(ids, reach, r => r.GetInt64(0)));
    }
}

/// <summary>Variables of one service on one device; the wire names the pair by the id of its service_install.</summary>
internal sealed class DeviceServiceVariableRule() : VariableRule("environment-variable", VariableNames.CheckEnvironment, "name",
    "SELECT DISTINCT device_id FROM device_service_environment_variable WHERE id IN ({ids})", reachesFleets: false)
{
    public override async Task CreatingAsync(Write write, RowValues row)
    {
        await base.CreatingAsync(write, row);
        await References.CheckAsync(write, "service_install", "device", row.Number("service_install")!.Value >> 20);
        var pairs = await write.RowsAsync(
            "SELECT d.id, s.id FROM device d JOIN service s ON s.fleet_id = d.fleet_id WHERE d.id = @p0 AND s.id = @p1", r => (Device: r.GetInt64(0), Service: r.GetInt64(1)),
            row.Number("service_install") >> 20, row.Number("service_install") & 0xFFFFF);
        if (pairs is not [var pair])
            throw References.Missing(write, "service_install");
        row.Take("service_install");
        (row["device_id"], row["service_id"]) = (pair.Device, pair.Service);
    }
}
