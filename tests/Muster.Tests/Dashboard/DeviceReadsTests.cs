using Microsoft.Extensions.DependencyInjection;
using Muster.Core.Access;
using Muster.Core.Status;
using Muster.Server.Dashboard.Devices;
using Muster.Server.Resources;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Dashboard;

public sealed class DeviceReadsTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Every_column_can_be_shown_sorted_and_filtered_by_each_of_its_operators(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        await server.AddDeviceAsync();
        await server.Fixture.DoAsync("INSERT INTO device_tag (device_id, tag_key, value, created_at, modified_at) VALUES (@p0, 'site', 'Oslo', 0, 0)", device.Id);
        var (reads, caller, fleets) = await ReadsAsync(server);
        DeviceColumn[] columns = [.. DeviceColumn.All.Where(c => !c.IsFilterOnly), DeviceColumn.OfTag("site")];

        foreach (var column in columns)
        {
            foreach (var descending in (bool[])[false, true])
            {
                var sorted = DeviceView.Everything with { Sort = column, Descending = descending };
                var ids = await reads.IdsAsync(caller, sorted, fleets, 0, 10);
                Assert.Equal(2, ids.Distinct().Count());
                Assert.Equal(ids, [.. await reads.IdsAsync(caller, sorted, fleets, 0, 1), .. await reads.IdsAsync(caller, sorted, fleets, 1, 1)]);
            }
        }

        foreach (var column in columns.Concat(DeviceColumn.All.Where(c => c.IsFilterOnly)))
        {
            foreach (var comparison in DeviceFilter.Operators(column))
            {
                var value = column switch
                {
                    { Kind: ColumnKind.Word } => column.Words[0].Word,
                    { Kind: ColumnKind.Number } => "5",
                    { Kind: ColumnKind.Instant } => comparison is FilterOperator.Older or FilterOperator.Newer ? "5d" : "2026-11-22",
                    _ => "Oslo",
                };
                var filter = new DeviceFilter(column, comparison, DeviceFilter.TakesNothing(comparison) ? [] : [value]);
                Assert.Null(filter.Problem());
                var view = DeviceView.Everything with { Filters = [filter], Search = "o" };
                var ids = await reads.IdsAsync(caller, view, fleets, 0, 10);
                Assert.Equal(ids.Count, await reads.CountAsync(caller, view.ToFilter(fleets)));
                // Sorted by a tag, the same filter is asked inside a lambda.
                Assert.Equal(ids.Order(), (await reads.IdsAsync(caller, view with { Sort = DeviceColumn.OfTag("site") }, fleets, 0, 10)).Order());
            }
        }

        var rows = await reads.RowsAsync(caller, [device.Id], columns);
        Assert.Equal(("Oslo", device.Uuid, server.Fleet.Id), (rows[0].TextOf(DeviceColumn.OfTag("site")), rows[0].TextOf(DeviceColumn.Find("uuid")!), rows[0].FleetId));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Whether_a_cloudlink_is_expected_follows_from_the_variables_as_the_rule_reads_them(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var (reads, caller, _) = await ReadsAsync(server);
        string?[] values = [null, "false", "true", "False"];
        foreach (var (fleetOld, fleetNew, deviceOld, deviceNew) in from a in values from b in values[..3] from c in values[..3] from d in values[..3] select (a, b, c, d))
        {
            var device = await server.Fixture.AddDeviceAsync(server.Fleet);
            var (fleetConfig, deviceConfig) = (new Dictionary<string, string>(), new Dictionary<string, string>());
            await server.Fixture.DoAsync("DELETE FROM fleet_config_variable WHERE fleet_id = @p0", server.Fleet.Id);
            foreach (var (table, id, prefix, value, config) in new[]
            {
                ("fleet", server.Fleet.Id, "RESIN_", fleetOld, fleetConfig), ("fleet", server.Fleet.Id, "BALENA_", fleetNew, fleetConfig),
                ("device", device.Id, "RESIN_", deviceOld, deviceConfig), ("device", device.Id, "BALENA_", deviceNew, deviceConfig),
            })
            {
                if (value is null)
                    continue;
                config[prefix + ConfigValues.CloudlinkControl] = value;
                await server.Fixture.DoAsync($"INSERT INTO {table}_config_variable ({table}_id, name, value, created_at, modified_at) VALUES (@p0, @p1, @p2, 0, 0)", id, prefix + ConfigValues.CloudlinkControl, value);
            }

            Assert.Equal(ConfigValues.CloudlinkExpected(fleetConfig, deviceConfig), (await reads.RowsAsync(caller, [device.Id], []))[0].IsCloudlinkExpected);
        }
    }

    private static async Task<(DeviceReads Reads, Caller Caller, Dictionary<string, long> Fleets)> ReadsAsync(ServerWithFleet server)
    {
        var reads = new DeviceReads(server.Server.Services.GetRequiredService<ResourceAccess>());
        var caller = await server.Server.Services.GetRequiredService<Callers>().OfTokenAsync(server.Admin, CancellationToken.None);
        return (reads, caller, (await reads.FleetsAsync(caller)).ToDictionary(f => f.Slug, f => f.Id));
    }
}
