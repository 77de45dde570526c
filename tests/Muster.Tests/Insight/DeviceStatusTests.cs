using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Insight;

public sealed class DeviceStatusTests
{
    [Fact]
    public async Task A_status_comes_with_all_that_it_rests_on()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        var before = await StatusAsync(server, device);
        Assert.Equal(("inactive", "never-seen", "unknown"), Words(before));
        Assert.Null(before["changes_at"]);

        await server.PollAsync(device);
        var after = await StatusAsync(server, device);
        Assert.Equal(("reduced-functionality", "cloudlink-missing", "online"), Words(after));
        Assert.Equal("The heartbeat works, but the cloudlink is down. The device takes updates; SSH and immediate actions are not possible.", (string)after["sentence"]!);
        Assert.Equal("disconnected", (string)after["changes_to"]!);
        var heartbeat = after["heartbeat"]!;
        Assert.Equal(("poll", "timeout", 900_000, 990_000, 15_000), ((string)heartbeat["last_contact_kind"]!, (string)heartbeat["changes_to"]!, (int)heartbeat["poll_interval_ms"]!, (int)heartbeat["timeout_after_ms"]!, (int)heartbeat["offline_after_ms"]!));
        Assert.Equal(("disconnected", true), ((string)after["cloudlink"]!["state"]!, (bool)after["cloudlink"]!["expected"]!));
        // Silence changes the heartbeat a window after the poll, and the status 15 s later.
        var polled = At(heartbeat["last_poll_at"]);
        Assert.InRange((At(heartbeat["changes_at"]) - polled).TotalSeconds, 988, 992);
        Assert.InRange((At(after["changes_at"]) - polled).TotalSeconds, 1003, 1007);
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", (string)after["since"]!);
    }

    [Fact]
    public async Task It_is_shown_to_those_who_may_see_the_device_and_does_not_exist_for_others()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var (device, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        var elsewhere = await server.LogInAsAsync(Role.Administrator, await server.Fixture.AddFleetAsync());
        foreach (var what in new[] { "status", "history" })
        {
            async Task<int> See(string? token) => (await server.GetAsync($"/muster/v1/devices/{device.Uuid}/{what}", token)).Status;
            Assert.Equal(401, await See(null));
            Assert.Equal(404, await See(elsewhere));
            Assert.Equal(404, await See(other.Key));
            Assert.Equal(200, await See(device.Key));
            Assert.Equal(200, await See(await server.LogInAsAsync(Role.Observer)));
            Assert.Equal(404, (await server.GetAsync($"/muster/v1/devices/nobody/{what}", server.Admin)).Status);
        }
    }

    private static async Task<JsonNode> StatusAsync(ServerWithFleet server, FixtureDevice device)
    {
        var answer = await server.GetAsync($"/muster/v1/devices/{device.Uuid}/status", server.Admin);
        Assert.Equal(200, answer.Status);
        return answer.Json;
    }

    private static (string Status, string Reason, string Heartbeat) Words(JsonNode status) =>
        ((string)status["overall_status"]!, (string)status["reason"]!, (string)status["heartbeat"]!["state"]!);

    private static DateTimeOffset At(JsonNode? instant) => DateTimeOffset.Parse((string)instant!, System.Globalization.CultureInfo.InvariantCulture);
}
