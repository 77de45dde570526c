using System.Net;
using System.Net.WebSockets;
using System.Text.RegularExpressions;

namespace Muster.Tests.Resources.Connections;

/// <summary>A browser without eyes: signed in to the pages, with their cookie.</summary>
internal sealed partial class PageSession : IDisposable
{
    private const string CookieName = "muster-session";

    private readonly CookieContainer cookies = new();
    private readonly HttpClient http;
    private readonly Uri address;

    private PageSession(Uri address)
    {
        this.address = address;
        http = new(new HttpClientHandler { CookieContainer = cookies, AllowAutoRedirect = false }) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
    }

    public string Cookie => cookies.GetCookies(address)[CookieName]!.Value;

    public static async Task<PageSession> SignInAsync(StartedServer server, string username, string password, string client = "browser")
    {
        var session = new PageSession(server.Address);
        session.http.DefaultRequestHeaders.TryAddWithoutValidation("User-Agent", client);
        var page = await session.http.GetStringAsync("/login");
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["_handler"] = "sign-in",
            ["__RequestVerificationToken"] = Antiforgery().Match(page).Groups["token"].Value,
            ["Input.Username"] = username,
            ["Input.Password"] = password,
        });
        using var answer = await session.http.PostAsync("/login", form);
        Assert.Equal(302, (int)answer.StatusCode);
        return session;
    }

    /// <summary>A copy of a cookie, in another browser.</summary>
    public static PageSession With(StartedServer server, string cookie)
    {
        var session = new PageSession(server.Address);
        session.cookies.Add(server.Address, new Cookie(CookieName, cookie));
        return session;
    }

    public async Task<int> StatusAsync(string path)
    {
        using var answer = await http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead);
        return (int)answer.StatusCode;
    }

    public async Task<Stream> StreamAsync(string path)
    {
        var answer = await http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(200, (int)answer.StatusCode);
        return await answer.Content.ReadAsStreamAsync();
    }

    /// <summary>The connection of a live page.</summary>
    public async Task<ClientWebSocket> CircuitAsync()
    {
        var socket = new ClientWebSocket();
        socket.Options.Cookies = cookies;
        await socket.ConnectAsync(new Uri($"ws://{address.Authority}/_blazor"), CancellationToken.None);
        // As the browser's script begins; the server then keeps it open.
        await socket.SendAsync("{\"protocol\":\"blazorpack\",\"version\":1}\u001e"u8.ToArray(), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
        return socket;
    }

    public void Dispose() => http.Dispose();

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"(?<token>[^\"]+)\"")]
    private static partial Regex Antiforgery();
}
