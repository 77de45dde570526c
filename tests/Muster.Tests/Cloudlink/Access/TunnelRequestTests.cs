using System.Text;
using Muster.Server.Cloudlink.Access;

namespace Muster.Tests.Cloudlink.Access;

public sealed class TunnelRequestTests
{
    private const string Uuid = "b0055ea600a49135200a91074580da71";

    [Theory]
    [InlineData($"{Uuid}.balena:22222", 22222)]
    [InlineData($"{Uuid}.vpn:48484", 48484)]
    [InlineData($"{Uuid}.resin:1", 1)]
    [InlineData($"{Uuid}.balena", 80)]
    public void The_target_is_a_device_and_a_port(string target, int port)
    {
        var request = TunnelRequest.Parse(Head($"CONNECT {target} HTTP/1.0"), out var status);
        Assert.Equal((200, new TunnelRequest(Uuid, port, null)), (status, request));
    }

    [Theory]
    [InlineData($"{Uuid}.balena:0")]
    [InlineData($"{Uuid}.balena:65536")]
    [InlineData($"{Uuid}.balena:999999")]
    [InlineData($"{Uuid}.example:80")]
    [InlineData($"{Uuid}:80")]
    [InlineData("b0055ea.balena:80")]
    [InlineData("example.com:443")]
    [InlineData("127.0.0.1:8080")]
    public void Whatever_is_no_device_is_forbidden(string target)
    {
        Assert.Null(TunnelRequest.Parse(Head($"CONNECT {target} HTTP/1.1"), out var status));
        Assert.Equal(403, status);
    }

    [Theory]
    [InlineData("CONNECT")]
    [InlineData($"CONNECT {Uuid}.balena:80")]
    [InlineData($"CONNECT  {Uuid}.balena:80 HTTP/1.0")]
    [InlineData($"CONNECT {Uuid}.balena:80 HTTP/2")]
    public void Whatever_is_no_request_is_malformed(string line)
    {
        Assert.Null(TunnelRequest.Parse(Head(line), out var status));
        Assert.Equal(400, status);
    }

    [Theory]
    [InlineData("Proxy-Authorization", "Basic", "admin:s3cret", "s3cret")]
    [InlineData("proxy-authorization", "basic", ":s:t", "s:t")]
    [InlineData("Proxy-Authorization", "Basic", "admin:", null)]
    [InlineData("Proxy-Authorization", "Basic", "s3cret", null)]
    [InlineData("Proxy-Authorization", "Bearer", "admin:s3cret", null)]
    [InlineData("Authorization", "Basic", "admin:s3cret", null)]
    public void The_secret_is_the_password_of_Basic(string header, string scheme, string credentials, string? secret)
    {
        var request = TunnelRequest.Parse(Head($"CONNECT {Uuid}.balena:80 HTTP/1.0", $"{header}: {scheme} {Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials))}"), out _);
        Assert.Equal(secret, request!.Secret);
    }

    [Fact]
    public void Credentials_that_are_no_Base64_are_none() =>
        Assert.Null(TunnelRequest.Parse(Head($"CONNECT {Uuid}.balena:80 HTTP/1.0", "Proxy-Authorization: Basic &&&"), out _)!.Secret);

    private static byte[] Head(params string[] lines) => Encoding.ASCII.GetBytes(string.Join("\r\n", lines));
}
