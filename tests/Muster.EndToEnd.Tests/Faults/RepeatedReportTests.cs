using System.Net;
using Muster.Tests.Storage;

namespace Muster.EndToEnd.Tests.Faults;

/// <summary>A device sends a report again when it did not hear the answer; on a bad line it comes late, or after a newer one.</summary>
public sealed class RepeatedReportTests
{
    private const string Row = "overall_status,api_heartbeat_state,os_version,ip_address,status,modified_at";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task The_same_report_twice_changes_nothing_the_second_time(string kind)
    {
        await using var server = await ServerProcess.StartAsync(kind);
        using var fleet = await DrivenFleet.CreateAsync(server.Address, ServerProcess.Email, ServerProcess.Password, 1);
        var device = fleet.Devices[0];
        await device.PollAsync();
        var report = new { status = "Idle", os_version = "balenaOS 6.5.39", ip_address = "10.0.0.7" };
        Assert.Equal(HttpStatusCode.OK, await device.ReportAsync(report));
        var once = (await fleet.RowAsync(device, Row)).ToJsonString();
        await using var database = server.OpenDatabase();
        var history = await Evidence.HistoryAsync(database, device.Id, "overall_status");

        Assert.Equal(HttpStatusCode.OK, await device.ReportAsync(report));
        Assert.Equal(once, (await fleet.RowAsync(device, Row)).ToJsonString());
        Assert.Equal(history, await Evidence.HistoryAsync(database, device.Id, "overall_status"));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Reports_out_of_order_end_where_the_last_one_says(string kind)
    {
        await using var server = await ServerProcess.StartAsync(kind);
        using var fleet = await DrivenFleet.CreateAsync(server.Address, ServerProcess.Email, ServerProcess.Password, 1);
        var device = fleet.Devices[0];
        await device.PollAsync();
        var (older, newer) = (new { os_version = "balenaOS 6.5.38", ip_address = "10.0.0.6" }, new { os_version = "balenaOS 6.5.39", ip_address = "10.0.0.7" });
        foreach (var report in new[] { newer, older, newer, older, newer })
            Assert.Equal(HttpStatusCode.OK, await device.ReportAsync(report));
        var row = await fleet.RowAsync(device, Row);
        Assert.Equal(("balenaOS 6.5.39", "10.0.0.7"), (row["os_version"]!.GetValue<string>(), row["ip_address"]!.GetValue<string>()));
        await using var database = server.OpenDatabase();
        await Evidence.CountsEqualRowsAsync(database);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_late_report_of_a_silent_device_does_not_make_its_heartbeat_online(string kind)
    {
        await using var server = await ServerProcess.StartAsync(kind, FaultSettings.ShortWindows);
        using var fleet = await DrivenFleet.CreateAsync(server.Address, ServerProcess.Email, ServerProcess.Password, 1);
        var device = fleet.Devices[0];
        await device.PollAsync();
        using var patience = new CancellationTokenSource(FaultSettings.Patience);
        while ((await fleet.RowAsync(device))["api_heartbeat_state"]!.GetValue<string>() != "offline")
            await Task.Delay(200, patience.Token);
        Assert.Equal(HttpStatusCode.OK, await device.ReportAsync(new { os_version = "balenaOS 6.5.39" }));

        Assert.NotEqual("online", (await fleet.RowAsync(device))["api_heartbeat_state"]!.GetValue<string>());
        await using var database = server.OpenDatabase();
        var heartbeats = await Evidence.HistoryAsync(database, device.Id, "heartbeat");
        Assert.Equal(["online", "timeout", "offline"], heartbeats.Take(3));
        Assert.DoesNotContain("online", heartbeats.Skip(1));
    }
}
