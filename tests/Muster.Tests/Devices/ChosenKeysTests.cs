using System.Text.Json.Nodes;
using Muster.Tests.Resources;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Devices;

/// <summary>Keys that devices choose for themselves.</summary>
public sealed class ChosenKeysTests
{
    [Fact]
    public async Task A_short_key_is_refused_and_nothing_is_made()
    {
        await using var world = await World.StartAsync();
        var fleet = await world.FleetAsync("chosen");
        var provisioning = await world.KeyAsync("application", fleet, "provisioning-api-key");
        foreach (var (length, status) in ((int, int)[])[(1, 400), (15, 400), (16, 201), (513, 400)])
        {
            var answer = await world.PostAsync("/device/register", new JsonObject
            {
                ["application"] = Id(fleet),
                ["uuid"] = Guid.NewGuid().ToString("N"),
                ["device_type"] = "raspberrypi4-64",
                ["api_key"] = new string('k', length),
            }, provisioning);
            Assert.Equal(status, answer.Status);
            if (status == 400)
                Assert.Contains("API key", answer.Sentence, StringComparison.Ordinal);
        }

        var device = Assert.Single(await world.RowsAsync("/v7/device?$select=id"))!;
        var keys = await world.Server.ScalarAsync<long>("SELECT count(*) FROM api_key");
        var exchange = await world.PostAsync($"/api-key/device/{Id(device)}/device-key", new JsonObject { ["apiKey"] = "short" }, world.Admin);
        Assert.Equal((400, "The API key must have at least 16 characters."), (exchange.Status, exchange.Sentence));
        Assert.Equal(keys, await world.Server.ScalarAsync<long>("SELECT count(*) FROM api_key"));
        Assert.Equal(200, (await world.PostAsync($"/api-key/device/{Id(device)}/device-key", new JsonObject { ["apiKey"] = new string('x', 16) }, world.Admin)).Status);
    }
}
