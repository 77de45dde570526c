using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Insight;

public sealed class DeviceHealthTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Health_is_told_from_what_is_on_record(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddConnectedDeviceAsync();
        await server.PollAsync(device);
        await server.Fixture.DoAsync(
            "UPDATE device SET storage_usage = 95, storage_total = 100, cpu_temp = 50, supervisor_version = '15.0.0', is_undervolted = 1 WHERE id = @p0", device.Id);
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        await server.Fixture.DoAsync(
            "INSERT INTO device_log (device_id, at, received_at, is_system, is_stderr, message) VALUES (@p0, @p1, @p2, 0, 0, 'hello')", device.Id, now + 120_000, now);

        var answer = await server.GetAsync($"/muster/v1/devices/{device.Uuid}/health", await server.LogInAsAsync(Role.Observer));
        Assert.Equal(200, answer.Status);
        Assert.Equal("fail", (string)answer.Json["level"]!);
        var checks = answer.Json["checks"]!.AsArray().ToDictionary(check => (string)check!["name"]!, check => check!);
        Assert.Equal(
            [("heartbeat", "ok"), ("cloudlink", "ok"), ("stability", "ok"), ("update", "unknown"), ("logs", "ok"), ("clock", "warn"), ("memory", "unknown"), ("storage", "warn"), ("temperature", "ok"), ("voltage", "fail"), ("supervisor", "warn"), ("os", "unknown")],
            checks.Select(check => (check.Key, (string)check.Value["level"]!)));
        Assert.Equal("The device's clock is 2 min ahead.", (string)checks["clock"]["sentence"]!);
        Assert.NotNull((string?)checks["storage"]["advice"]);
    }

    [Fact]
    public async Task It_is_shown_to_those_who_may_see_the_device()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var (device, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        async Task<int> See(string? token) => (await server.GetAsync($"/muster/v1/devices/{device.Uuid}/health", token)).Status;
        Assert.Equal(401, await See(null));
        Assert.Equal(404, await See(await server.LogInAsAsync(Role.Administrator, await server.Fixture.AddFleetAsync())));
        Assert.Equal(404, await See(other.Key));
        Assert.Equal(200, await See(device.Key));
    }
}
