using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Resources;

public sealed class DownloadConfigTests
{
    [Fact]
    public async Task Every_option_of_the_CLI_is_honoured()
    {
        await using var world = await World.StartAsync();
        var fleet = await world.FleetAsync("configured");
        var expiry = DateTimeOffset.UtcNow.AddHours(1).ToString("yyyy-MM-ddTHH:mm:ss.000Z", System.Globalization.CultureInfo.InvariantCulture);
        var config = (await world.PostAsync("/download-config", new JsonObject
        {
            ["appId"] = Id(fleet),
            ["version"] = "6.0.0",
            ["developmentMode"] = true,
            ["secureboot"] = "true",
            ["network"] = "wifi",
            ["wifiSsid"] = "depot",
            ["wifiKey"] = "secret",
            ["appUpdatePollInterval"] = 15,
            ["provisioningKeyName"] = "line 1",
            ["provisioningKeyDescription"] = "for the first hundred",
            ["provisioningKeyExpiryDate"] = expiry,
        })).Json;
        Assert.True((bool)config["developmentMode"]!);
        Assert.True((bool)config["installer"]!["secureboot"]!);
        Assert.Equal(("depot", "secret", 900_000), ((string?)config["wifiSsid"], (string?)config["wifiKey"], (int)config["appUpdatePollInterval"]!));
        var key = await world.RowAsync($"/v7/api_key?$select=name,description,expiry_date&$filter=is_of__actor eq {fleet["actor"]!["__id"]} and name eq 'line 1'");
        Assert.Equal(("for the first hundred", expiry), ((string?)key["description"], (string?)key["expiry_date"]));
    }

    [Fact]
    public async Task The_key_in_the_file_registers_devices_until_it_expires_and_none_after()
    {
        var clock = new SteppedTime();
        await using var world = await World.StartAsync(configure: builder => builder.Services.AddSingleton<TimeProvider>(clock));
        var fleet = await world.FleetAsync("configured");
        var expiry = DateTimeOffset.UtcNow.AddDays(2).ToString("yyyy-MM-ddTHH:mm:ss.000Z", System.Globalization.CultureInfo.InvariantCulture);
        async Task<string> KeyAsync(string? until) => (string)(await world.PostAsync("/download-config", new JsonObject
        {
            ["appId"] = Id(fleet),
            ["version"] = "6.0.0",
            ["provisioningKeyExpiryDate"] = until,
        })).Json["apiKey"]!;
        var (limited, unlimited) = (await KeyAsync(expiry), await KeyAsync(null));
        async Task<int> RegisterAsync(string key) => (await world.PostAsync("/device/register", new JsonObject
        {
            ["application"] = Id(fleet),
            ["uuid"] = Guid.NewGuid().ToString("N"),
            ["device_type"] = "raspberrypi4-64",
        }, key)).Status;

        Assert.Equal((201, 201), (await RegisterAsync(limited), await RegisterAsync(unlimited)));
        clock.Step = TimeSpan.FromDays(2) - TimeSpan.FromHours(1);
        Assert.Equal(201, await RegisterAsync(limited));
        clock.Step = TimeSpan.FromDays(2) + TimeSpan.FromSeconds(1);
        Assert.Equal((401, 201), (await RegisterAsync(limited), await RegisterAsync(unlimited)));
        Assert.Equal(4, await world.Server.ScalarAsync<int>("SELECT count(*) FROM device"));
    }

    [Fact]
    public async Task What_is_not_asked_for_is_not_in_the_configuration()
    {
        await using var world = await World.StartAsync();
        var fleet = await world.FleetAsync("configured");
        var config = (await world.GetAsync($"/download-config?appId={Id(fleet)}&version=6.0.0&network=ethernet&developmentMode=false")).Json.AsObject();
        Assert.False(config.ContainsKey("developmentMode") || config.ContainsKey("installer") || config.ContainsKey("wifiSsid"));
        Assert.True((bool)(await world.GetAsync($"/download-config?appId={Id(fleet)}&version=2.58.3.dev")).Json["developmentMode"]!);
    }

    [Theory]
    [InlineData("provisioningKeyExpiryDate=soon")]
    [InlineData("provisioningKeyExpiryDate=2001-01-01T00:00:00Z")]
    [InlineData("network=token-ring")]
    [InlineData("network=wifi")]
    [InlineData("developmentMode=perhaps")]
    [InlineData("secureboot=perhaps")]
    public async Task An_option_that_makes_no_sense_is_refused_and_no_key_is_made(string option)
    {
        await using var world = await World.StartAsync();
        var fleet = await world.FleetAsync("configured");
        var keys = await world.Server.ScalarAsync<long>("SELECT count(*) FROM api_key");
        var refused = await world.GetAsync($"/download-config?appId={Id(fleet)}&version=6.0.0&{option}");
        Assert.Equal(400, refused.Status);
        Assert.NotEmpty(refused.Sentence!);
        Assert.Equal(keys, await world.Server.ScalarAsync<long>("SELECT count(*) FROM api_key"));
    }
}
