using System.Net;
using System.Text.RegularExpressions;
using CsCheck;
using Muster.Server.Dashboard.SignIn;
using Muster.Tests.Resources;

namespace Muster.Tests.Dashboard;

/// <summary><c>balena login --web</c>: the page hands a token to the CLI on the same computer, and to nobody else.</summary>
public sealed partial class CliSignInTests
{
    private const string Callback = "http://127.0.0.1:8989/auth";

    /// <summary>As the CLI escapes its address.</summary>
    private static string Address(string callback) => "/login/cli/" + Uri.EscapeDataString(callback).Replace("%", "%25", StringComparison.Ordinal);

    [Fact]
    public async Task The_page_gives_a_session_of_its_own_to_the_CLI_when_the_person_allows_it()
    {
        await using var server = await StartedServer.StartAsync();
        using var browser = await SignedInBrowser.OpenAsync(server.Address);
        var asks = await browser.GetAsync(Address(Callback));
        Assert.Equal(HttpStatusCode.OK, asks.Status);
        Assert.Contains("127.0.0.1:8989", asks.Text, StringComparison.Ordinal);
        Assert.DoesNotMatch(Token(), asks.Text);

        var allowed = await browser.SubmitAsync(Address(Callback), ("_handler", "cli-sign-in"));
        Assert.Equal(HttpStatusCode.OK, allowed.Status);
        Assert.Contains($"action=\"{Callback}\"", allowed.Text, StringComparison.Ordinal);
        Assert.Contains("form-action 'self' http://127.0.0.1:8989;", allowed.Policy, StringComparison.Ordinal);
        var token = Token().Match(allowed.Text).Groups[1].Value;
        Assert.Equal(200, (await server.SendAsync("GET", "/user/v1/whoami", token)).Status);
    }

    [Fact]
    public async Task It_takes_a_sign_in_and_a_click_on_this_very_page()
    {
        await using var server = await StartedServer.StartAsync();
        using var stranger = SignedInBrowser.Anonymous(server.Address);
        var sent = await stranger.GetAsync(Address(Callback));
        Assert.Equal(HttpStatusCode.Redirect, sent.Status);
        Assert.Contains("/login?returnTo=", sent.Location!.ToString(), StringComparison.Ordinal);

        using var browser = await SignedInBrowser.OpenAsync(server.Address);
        // Signed in, the person is back at the same question.
        var back = Uri.UnescapeDataString(sent.Location.ToString().Split("returnTo=")[1]);
        Assert.Contains("127.0.0.1:8989", (await browser.GetAsync(back)).Text, StringComparison.Ordinal);
        // A form of another site lacks the page's token.
        var forged = await browser.PostAsync(Address(Callback), ("_handler", "cli-sign-in"));
        Assert.Equal(HttpStatusCode.BadRequest, forged.Status);
        Assert.DoesNotMatch(Token(), forged.Text);
    }

    [Theory]
    [InlineData("http://evil.example/auth")]
    [InlineData("https://127.0.0.1:8989/auth")]
    [InlineData("http://127.0.0.1.evil.example/auth")]
    [InlineData("http://127.0.0.1:8989@evil.example/auth")]
    [InlineData("http://me@127.0.0.1:8989/auth")]
    [InlineData("http://localhost.evil.example:8989/auth")]
    [InlineData("http://127.0.0.1:8989/other")]
    [InlineData("http://127.0.0.1:8989/auth?to=http://evil.example")]
    [InlineData("http://127.0.0.1:8989/auth#x")]
    [InlineData("http://10.0.0.1:8989/auth")]
    [InlineData("javascript:alert(1)")]
    [InlineData("//127.0.0.1:8989/auth")]
    [InlineData("nothing")]
    public async Task No_other_address_is_offered_a_token(string callback)
    {
        Assert.Null(CliCallback.Of(callback));
        await using var server = await StartedServer.StartAsync();
        using var browser = await SignedInBrowser.OpenAsync(server.Address);
        var page = await browser.GetAsync(Address(callback));
        Assert.True(page.Status is HttpStatusCode.BadRequest or HttpStatusCode.NotFound, page.Status.ToString());
        Assert.DoesNotContain("cli-sign-in\"", page.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_the_address_says_a_callback_is_a_port_of_this_computer() => Gen.String.Array[0, 4].Sample(parts =>
    {
        foreach (var text in (string[])[string.Concat(parts), $"http://{string.Concat(parts)}/auth", $"http://127.0.0.1{string.Concat(parts)}"])
        {
            if (CliCallback.Of(text) is { } address)
                Assert.True(address is { Scheme: "http", IsLoopback: true, AbsolutePath: "/auth", UserInfo: "" }, text);
        }
    });

    [GeneratedRegex("name=\"token\" value=\"([^\"]+)\"")]
    private static partial Regex Token();
}
