using Muster.Server.Cloudlink.Ssh;

namespace Muster.Tests.Cloudlink.Ssh;

public sealed class SshWishTests
{
    private const string Uuid = "0123456789abcdef0123456789abcdef";

    [Fact]
    public void The_host_OS_with_and_without_a_command()
    {
        Assert.Equal(new SshWish(Uuid, null, null), SshWish.Parse($"host {Uuid}"));
        Assert.Equal(new SshWish(Uuid, null, "ps --format \"{{.ID}}\"; uptime"), SshWish.Parse($" host {Uuid} ps --format \"{{{{.ID}}}}\"; uptime "));
        Assert.Null(SshWish.Parse($"host {Uuid}")!.ForDevice(isTerminal: true));
        Assert.Equal("uptime", SshWish.Parse($"host {Uuid} uptime")!.ForDevice(isTerminal: true));
    }

    [Fact]
    public void A_container_by_its_id_or_name()
    {
        var wish = SshWish.Parse($"enter {Uuid} main_1_2")!;

        Assert.Equal(new SshWish(Uuid, "main_1_2", null), wish);
        Assert.Contains("exec -it main_1_2 ", wish.ForDevice(isTerminal: true), StringComparison.Ordinal);
        Assert.Contains("exec -i main_1_2 ", wish.ForDevice(isTerminal: false), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("id")]
    [InlineData("host")]
    [InlineData("host nowhere")]
    [InlineData("host 0123456789ABCDEF0123456789ABCDEF")]
    [InlineData("host -oProxyCommand=id")]
    [InlineData("enter 0123456789abcdef0123456789abcdef")]
    [InlineData("enter 0123456789abcdef0123456789abcdef a;reboot")]
    [InlineData("enter 0123456789abcdef0123456789abcdef -a")]
    [InlineData("enter 0123456789abcdef0123456789abcdef a b")]
    public void Anything_else_is_no_wish(string? text) => Assert.Null(SshWish.Parse(text));

    [Theory]
    [InlineData("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHfgYFQy2qIE5vPZ1m6D ann@laptop", true)]
    [InlineData("  ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7  ", true)]
    [InlineData("command=\"id\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHfgYFQy2qIE5vPZ1m6D", false)]
    [InlineData("ssh-dss AAAAB3NzaC1kc3MAAACBAAAAAAAAAAAAAAAA", false)]
    [InlineData("ssh-ed25519 not!base64!not!base64!not!base64", false)]
    [InlineData("ssh-ed25519", false)]
    public void A_key_line_is_the_key_and_our_command_and_nothing_of_the_persons_own(string key, bool isKey)
    {
        var line = SshPeople.Line(new SshKeyOwner(7, 12, "ann", key), "'/m' ssh-enter '/s'");

        Assert.Equal(isKey, line is not null);
        if (line is not null)
        {
            Assert.StartsWith("restrict,pty,command=\"'/m' ssh-enter '/s' 7 12\" ssh-", line, StringComparison.Ordinal);
            Assert.DoesNotContain("ann@laptop", line, StringComparison.Ordinal);
        }
    }
}
