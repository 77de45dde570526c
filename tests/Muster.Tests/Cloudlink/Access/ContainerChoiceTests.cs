using Muster.Server.Cloudlink.Terminals;

namespace Muster.Tests.Cloudlink.Access;

public sealed class ContainerChoiceTests
{
    [Theory]
    [InlineData("0a1b2c3d4e5f|whatever|main", "0a1b2c3d4e5f")]
    [InlineData("0a1b2c3d4e5f|main_123_456_abcdef|", "0a1b2c3d4e5f")]
    [InlineData("0a1b2c3d4e5f|main_123_456|", "0a1b2c3d4e5f")]
    [InlineData("0a1b2c3d4e5f|main_123_456|other", null)]
    [InlineData("0a1b2c3d4e5f|main_two_123_456|", null)]
    [InlineData("0a1b2c3d4e5f|balena_supervisor|", null)]
    [InlineData("$(reboot)|x|main", null)]
    [InlineData("nonsense", null)]
    public void A_service_is_found_by_its_label_else_by_its_name(string line, string? container) =>
        Assert.Equal(container, DeviceShell.ContainerOf("main", [line]));
}
