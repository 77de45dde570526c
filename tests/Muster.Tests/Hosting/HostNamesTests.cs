using System.Net;
using Muster.Server.Hosting;
using Muster.Server.Hosting.Https;

namespace Muster.Tests.Hosting;

public sealed class HostNamesTests
{
    [Fact]
    public void Hosts_of_https_addresses_and_further_names_are_served() =>
        Assert.Equal(["muster.example.com", "api.example.com", "127.0.0.1", "::1"], HostNames.Of("http://10.0.0.1:80;https://127.0.0.1:1;https://[::1]:2;https://127.0.0.1:3", "muster.example.com, api.example.com"));

    [Theory]
    [InlineData("https://*:443")]
    [InlineData("https://0.0.0.0:443")]
    [InlineData("https://[::]:443")]
    public void A_wildcard_stands_for_the_machines_names_and_addresses(string url)
    {
        var names = HostNames.Of(url, null);
        Assert.Contains("localhost", names);
        Assert.Contains(Dns.GetHostName(), names);
        Assert.Contains("127.0.0.1", names);
    }

    [Fact]
    public void What_is_no_address_is_refused() => Assert.Throws<SettingException>(() => HostNames.Of("somewhere", null));
}
