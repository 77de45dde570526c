using System.CommandLine;
using Muster.Server.Hosting;

namespace Muster.Tests.Hosting;

public sealed class SettingOptionsTests
{
    [Fact]
    public void Named_options_and_any_section_become_configuration()
    {
        Assert.Equal(
            ["--urls=http://127.0.0.1:1", "--data=/d", "--Presence:OfflineAfter=00:00:30", "--Admin:Email=a@b.c"],
            Arguments("serve", "--Presence:OfflineAfter", "00:00:30", "--data", "/d", "--Admin__Email=a@b.c", "--urls", "http://127.0.0.1:1"));
    }

    [Fact]
    public void A_value_may_hold_any_character() =>
        Assert.Equal(["--database=Host=/run;Password=a=b --c", "--Admin:Password=--x=y"], Arguments("serve", "--database", "Host=/run;Password=a=b --c", "--Admin:Password", "--x=y"));

    [Theory]
    [InlineData("--dta", "/d")]
    [InlineData("stray")]
    [InlineData("--Presence:OfflineAfter")]
    public void A_slip_is_refused_by_name(params string[] tokens) =>
        Assert.Contains($"'{tokens[0]}'", Assert.Throws<SettingException>(() => Arguments(["serve", .. tokens])).Message, StringComparison.Ordinal);

    private static string[] Arguments(params string[] line)
    {
        var settings = new SettingOptions(SettingOptions.Serve);
        var root = new RootCommand { Subcommands = { settings.AddTo(new Command("serve")) } };
        return settings.Arguments(root.Parse(line));
    }
}
