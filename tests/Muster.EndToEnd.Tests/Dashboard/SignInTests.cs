using Microsoft.Playwright;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

public sealed class SignInTests(Browser browser)
{
    [Fact]
    public async Task A_person_signs_in_returns_to_the_page_that_was_asked_for_and_signs_out()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite);
        var page = await browser.OpenAsync(server.Address);

        await page.GotoAsync("/devices?q=kiosk");
        await Expect(page).ToHaveTitleAsync("Sign in · Muster");
        await page.AssertAccessibleAsync();

        await page.GetByLabel("Email or name").FillAsync(ServerProcess.Email);
        await page.GetByLabel("Password").FillAsync("wrong horse 7");
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert).Filter(new() { HasText = "Name or password are wrong." })).ToBeVisibleAsync();

        await page.GetByLabel("Password").FillAsync(ServerProcess.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.WaitForURLAsync("**/devices?q=kiosk");
        await page.UntilLiveAsync();

        await page.GotoAsync("/logout");
        await page.GotoAsync("/");
        await Expect(page).ToHaveTitleAsync("Sign in · Muster");
    }

    [Fact]
    public async Task The_sign_in_leads_to_no_other_site()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite);
        var page = await browser.OpenAsync(server.Address);
        await page.GotoAsync("/login?returnTo=//elsewhere.invalid/");
        await page.GetByLabel("Email or name").FillAsync(ServerProcess.Email);
        await page.GetByLabel("Password").FillAsync(ServerProcess.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.WaitForURLAsync(server.Address.ToString());
    }

    [Fact]
    public async Task The_pages_load_nothing_from_another_host()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite);
        var page = await browser.OpenAsync(server.Address);
        List<string> elsewhere = [];
        page.Request += (_, request) =>
        {
            if (new Uri(request.Url) is { Scheme: "http" or "https" } url && url.Authority != server.Address.Authority)
                elsewhere.Add(request.Url);
        };
        await page.SignInAsync();
        foreach (var path in (string[])["/", "/devices"])
            await page.OpenAsync(path);
        Assert.Empty(elsewhere);
    }
}
