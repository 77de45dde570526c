using Muster.Core.Status;

namespace Muster.Tests.Status;

public sealed class ConfigValuesTests
{
    private static readonly Dictionary<string, string> None = [];

    [Theory]
    [InlineData(null, 900_000)]
    [InlineData("1200000", 1_200_000)]
    [InlineData(" 1200000 ", 1_200_000)]
    [InlineData("1200000.7", 1_200_000)]
    [InlineData("10", 600_000)]
    [InlineData("-5", 600_000)]
    [InlineData("", 900_000)]
    [InlineData("often", 900_000)]
    [InlineData("20min", 900_000)]
    [InlineData("NaN", 900_000)]
    [InlineData("99999999999999999999999999999999", PollIntervalBounds.Ceiling)]
    public void The_poll_interval_is_a_number_within_bounds(string? value, long expected)
    {
        var device = value is null ? None : new() { ["BALENA_SUPERVISOR_POLL_INTERVAL"] = value };
        Assert.Equal(expected, ConfigValues.EffectivePollInterval(None, device, PollIntervalBounds.Standard));
    }

    [Theory]
    [InlineData("RESIN_", "BALENA_", "2")]
    [InlineData("BALENA_", "RESIN_", "2")]
    [InlineData("BALENA_", null, "1")]
    [InlineData("RESIN_", null, "1")]
    [InlineData(null, "RESIN_", "2")]
    [InlineData(null, null, null)]
    public void A_device_overrides_its_fleet_by_either_name(string? fleet, string? device, string? expected)
    {
        var ofFleet = fleet is null ? None : new() { [fleet + "X"] = "1" };
        var ofDevice = device is null ? None : new() { [device + "X"] = "2" };
        Assert.Equal(expected, ConfigValues.Effective("X", ofFleet, ofDevice));
    }

    [Fact]
    public void The_newer_name_wins_over_the_older_on_the_same_owner() =>
        Assert.Equal("new", ConfigValues.Effective("X", None, new Dictionary<string, string> { ["RESIN_X"] = "old", ["BALENA_X"] = "new" }));

    [Theory]
    [InlineData("false", false)]
    [InlineData("False", true)]
    [InlineData("0", true)]
    [InlineData("", true)]
    [InlineData("true", true)]
    public void Only_the_exact_word_switches_the_cloudlink_off(string value, bool expected) =>
        Assert.Equal(expected, ConfigValues.CloudlinkExpected(None, new Dictionary<string, string> { ["RESIN_SUPERVISOR_VPN_CONTROL"] = value }));
}
