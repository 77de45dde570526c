using System.Text.Json;
using AskedCall = Muster.Server.Cloudlink.Actions.SupervisorCall;

namespace Muster.Tests.Cloudlink;

public sealed class SupervisorCallTests
{
    [Theory]
    [InlineData("/v1/update", """{"force":true}""", """{"force":true,"cancel":true}""")]
    [InlineData("/v1/update", """{"force":"true"}""", """{"force":"true","cancel":true}""")]
    [InlineData("/v1/update", """{"force":false}""", """{"force":false}""")]
    [InlineData("/v1/update", """{"force":true,"cancel":false}""", """{"force":true,"cancel":false}""")]
    [InlineData("/v1/update", null, null)]
    [InlineData("/v1/reboot", """{"force":true}""", """{"force":true}""")]
    public void A_forced_update_is_sent_so_that_it_works(string path, string? data, string? sent) =>
        Assert.Equal(sent, new AskedCall(HttpMethod.Post, path, data is null ? null : JsonElement.Parse(data)).Effective().Data?.GetRawText());
}
