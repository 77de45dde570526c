using Muster.Tests.Storage;

namespace Muster.EndToEnd.Tests.Faults;

public sealed class KillTests
{
    private const int Kills = 10;
    private const int Devices = 40;

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Killed_under_load_ten_times_nothing_acknowledged_is_lost_and_counts_equal_rows(string kind)
    {
        await using var server = await ServerProcess.StartAsync(kind);
        using var fleet = await DrivenFleet.CreateAsync(server.Address, ServerProcess.Email, ServerProcess.Password, Devices);
        await using var database = server.OpenDatabase();
        for (var kill = 1; kill <= Kills; kill++)
        {
            var before = fleet.Devices.Sum(device => device.Acknowledged);
            using var off = new CancellationTokenSource();
            var load = fleet.Devices.Select(device => device.ReportOnAsync(_ => { }, off.Token)).ToList();
            // Killed in the middle of it, at another moment each time.
            while (fleet.Devices.Sum(device => device.Acknowledged) < before + (100 * kill))
                await Task.Delay(10);
            await server.KillAsync();
            await off.CancelAsync();
            await Task.WhenAll(load);

            await Evidence.NothingAcknowledgedIsLostAsync(database, fleet);
            await Evidence.CountsEqualRowsAsync(database);
            await server.StartAgainAsync();
        }

        // The server that came back says over its API what the database says.
        foreach (var device in fleet.Devices)
            Assert.True(device.MayStandAt((await fleet.RowAsync(device))["os_version"]?.GetValue<string>()));
    }
}
