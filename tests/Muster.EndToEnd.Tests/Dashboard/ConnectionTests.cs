using Microsoft.Playwright;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

public sealed class ConnectionTests(Browser browser)
{
    [Fact]
    public async Task A_page_tells_that_it_is_not_live_and_comes_back_with_the_interval_when_Muster_does()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite);
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync("/devices");

        await server.KillAsync();
        await Expect(page.GetByText("Not live since")).ToBeVisibleAsync();

        await server.StartAgainAsync();
        await Expect(page.GetByText("This page was not live from")).ToBeVisibleAsync(new() { Timeout = 60_000 });
        await page.UntilLiveAsync();
        Assert.Equal("/devices", new Uri(page.Url).AbsolutePath);
        // And why: it was no trouble of the person's network.
        await Expect(page.GetByText("Muster itself was away from")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Dismiss" }).First.ClickAsync();
        await Expect(page.GetByText("This page was not live from")).ToBeHiddenAsync();
        await page.AssertAccessibleAsync();
    }

    [Fact]
    public async Task The_theme_follows_the_system_until_the_person_chooses()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite);
        var page = await browser.OpenAsync(server.Address, ColorScheme.Dark);
        await page.SignInAsync();
        await page.UntilLiveAsync();
        await Expect(page.Locator("html")).ToHaveAttributeAsync("data-bs-theme", "dark");
        await page.AssertAccessibleAsync();

        await page.GetByRole(AriaRole.Button, new() { Name = "Switch to light" }).ClickAsync();
        await Expect(page.Locator("html")).ToHaveAttributeAsync("data-bs-theme", "light");
        await page.ReloadAsync();
        await Expect(page.Locator("html")).ToHaveAttributeAsync("data-bs-theme", "light");
    }
}
