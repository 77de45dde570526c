using System.Net;
using System.Text.RegularExpressions;
using Muster.Tests.Resources;

namespace Muster.Tests.Dashboard;

/// <summary>What a browser without scripts would do with the pages: cookies, forms, and no redirect followed by itself.</summary>
internal sealed partial class SignedInBrowser : IDisposable
{
    private readonly HttpClient http;

    private SignedInBrowser(Uri server) => http = new(new SocketsHttpHandler { AllowAutoRedirect = false, CookieContainer = new CookieContainer() })
    {
        BaseAddress = server,
        DefaultRequestHeaders = { { "Accept", "text/html,application/xhtml+xml,*/*;q=0.8" } },
    };

    /// <summary>Nobody is signed in.</summary>
    public static SignedInBrowser Anonymous(Uri server) => new(server);

    public static async Task<SignedInBrowser> OpenAsync(Uri server, string name = StartedServer.Email, string password = StartedServer.Password)
    {
        var browser = new SignedInBrowser(server);
        var signedIn = await browser.SubmitAsync("/login", ("_handler", "sign-in"), ("Input.Username", name), ("Input.Password", password));
        Assert.Equal(HttpStatusCode.Redirect, signedIn.Status);
        return browser;
    }

    public async Task<Page> GetAsync(string address)
    {
        using var response = await http.GetAsync(address);
        return await Page.OfAsync(response);
    }

    /// <summary>Opens the page and submits its form with these fields.</summary>
    public async Task<Page> SubmitAsync(string address, params (string Name, string Value)[] fields)
    {
        var page = await GetAsync(address);
        var forgery = Forgery().Match(page.Text);
        Assert.True(forgery.Success, page.Text);
        return await PostAsync(address, [.. fields, ("__RequestVerificationToken", WebUtility.HtmlDecode(forgery.Groups[1].Value))]);
    }

    public async Task<Page> PostAsync(string address, params (string Name, string Value)[] fields)
    {
        using var form = new FormUrlEncodedContent(fields.Select(f => KeyValuePair.Create(f.Name, f.Value)));
        using var response = await http.PostAsync(address, form);
        return await Page.OfAsync(response);
    }

    public void Dispose() => http.Dispose();

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"([^\"]+)\"")]
    private static partial Regex Forgery();

    /// <summary>An answer to a browser.</summary>
    internal sealed record Page(HttpStatusCode Status, string Text, Uri? Location, string Policy)
    {
        public static async Task<Page> OfAsync(HttpResponseMessage response) => new(
            response.StatusCode, await response.Content.ReadAsStringAsync(), response.Headers.Location,
            response.Headers.TryGetValues("Content-Security-Policy", out var policy) ? string.Join(' ', policy) : "");
    }
}
