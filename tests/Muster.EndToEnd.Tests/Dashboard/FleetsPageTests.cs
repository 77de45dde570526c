using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

/// <summary>The Fleets page and what leads on from it (issue 3, point 1).</summary>
public sealed class FleetsPageTests(Browser browser, FleetsPageTests.Running running) : IClassFixture<FleetsPageTests.Running>
{
    private const string Password = "observes horses 7";

    private readonly ServerProcess server = running.Server;

    [Fact]
    public async Task A_fleet_shows_its_counts_as_the_API_has_them_and_they_follow_a_device_without_reload()
    {
        using var fleet = await TestFleet.CreateAsync(server, "pumps");
        var (first, _) = (await fleet.AddDeviceAsync("first"), await fleet.AddDeviceAsync("second"));
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.UntilLiveAsync();
        var card = page.Locator($"[data-fleet='{fleet.Slug}']");
        await Expect(Legend(card, "inactive")).ToHaveTextAsync("2 Inactive");
        await Expect(card.Locator(".progress-stacked > a")).ToHaveCountAsync(1);
        await page.EvaluateAsync("window.notReloaded = true");

        await first.PollAsync();
        await Expect(Legend(card, "reduced-functionality")).ToHaveTextAsync("1 Reduced functionality");
        await Expect(Legend(card, "inactive")).ToHaveTextAsync("1 Inactive");
        await Expect(card.Locator(".progress-stacked > a")).ToHaveCountAsync(2);
        var statuses = (await fleet.RowsAsync($"device?$select=overall_status&$filter=belongs_to__application eq {fleet.Id}")).Select(d => (string)d!["overall_status"]!).Order();
        Assert.Equal(["inactive", "reduced-functionality"], statuses);
        await Expect(card.GetByTitle("1 times a device became reduced functionality")).ToBeVisibleAsync();

        var uuid = (string)(await fleet.RowsAsync($"application({fleet.Id})?$select=uuid"))[0]!["uuid"]!;
        await fleet.CreateAsync("release", new JsonObject
        {
            ["belongs_to__application"] = fleet.Id,
            ["commit"] = "c0ffee00c0ffee00c0ffee00c0ffee00",
            ["status"] = "success",
            ["source"] = "cloud",
            ["start_timestamp"] = "2026-01-01T00:00:00Z",
        });
        await first.ReportAsync(new JsonObject
        {
            ["apps"] = new JsonObject { [uuid] = new JsonObject { ["releases"] = new JsonObject { ["c0ffee00c0ffee00c0ffee00c0ffee00"] = new JsonObject { ["update_status"] = "downloading" } } } },
        });
        await Expect(card.Locator("[data-update=downloading]")).ToHaveTextAsync("1 downloading");
        await Expect(card.GetByText("· c0ffee0")).ToBeVisibleAsync();
        await Expect(card.GetByText("0 of 2")).ToBeVisibleAsync();
        Assert.True(await page.EvaluateAsync<bool>("window.notReloaded"));

        await card.Locator(".progress-stacked > [data-status='reduced-functionality']").ClickAsync();
        await page.WaitForURLAsync(url => new Uri(url).PathAndQuery == $"/devices?fleet={Uri.EscapeDataString(fleet.Slug)}&f=status~is~reduced-functionality");
    }

    [Fact]
    public async Task Fleets_are_found_by_an_address_that_can_be_shared()
    {
        using var pumps = await TestFleet.CreateAsync(server, "site-pumps");
        using var lifts = await TestFleet.CreateAsync(server, "site-zlifts");
        await lifts.AddDeviceAsync("lift");
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync("/?q=site-");
        var cards = page.Locator("[data-fleet]");
        await Expect(cards).ToHaveCountAsync(2);
        await page.GetByLabel("Sort").SelectOptionAsync("devices");
        await Expect(cards.First).ToHaveAttributeAsync("data-fleet", lifts.Slug);
        await page.GetByLabel("Search").FillAsync("SITE-P");
        await Expect(cards).ToHaveCountAsync(1);
        await page.WaitForURLAsync(url => new Uri(url).Query is var query && query.Contains("q=SITE-P") && query.Contains("sort=devices"));

        await page.OpenAsync("/?q=zlift");
        await Expect(cards).ToHaveCountAsync(1);
        await cards.GetByRole(AriaRole.Link, new() { Name = "site-zlifts", Exact = true }).ClickAsync();
        await Expect(page).ToHaveTitleAsync("site-zlifts · Muster");
        await Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("site-zlifts");
    }

    [Fact]
    public async Task An_observer_sees_the_counts_and_no_action()
    {
        using var fleet = await TestFleet.CreateAsync(server, "watched");
        await fleet.AddDeviceAsync("first");
        await AddPersonAsync("olga@muster.test", fleet, "observer");
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync("olga@muster.test", Password);
        await page.UntilLiveAsync();
        await Expect(Legend(page.Locator($"[data-fleet='{fleet.Slug}']"), "inactive")).ToHaveTextAsync("1 Inactive");
        await AssertNoActionAsync(page);
        await page.OpenAsync($"/fleets/{fleet.Slug}");
        await Expect(page.GetByText("1 device", new() { Exact = true })).ToBeVisibleAsync();
        await AssertNoActionAsync(page);
    }

    [Theory, InlineData(ColorScheme.Light), InlineData(ColorScheme.Dark)]
    public async Task The_pages_are_accessible_and_readable_at_360_px(ColorScheme theme)
    {
        using var fleet = await TestFleet.CreateAsync(server, $"small-{theme}");
        await (await fleet.AddDeviceAsync("first")).PollAsync();
        using var empty = await TestFleet.CreateAsync(server, $"a-fleet-with-a-name-that-is-longer-than-anything-that-fits-on-a-telephone-{theme}");
        var page = await browser.OpenAsync(server.Address, theme, width: 360, height: 740);
        await page.SignInAsync();
        foreach (var path in (string[])["/", $"/fleets/{fleet.Slug}", $"/fleets/{empty.Slug}", "/fleets/no/such"])
        {
            await page.OpenAsync(path);
            await Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveCountAsync(1);
            await page.AssertAccessibleAsync();
            Assert.True(await page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth"), $"{path} scrolls sideways");
        }
    }

    private static ILocator Legend(ILocator card, string status) => card.Locator($".legend [data-status='{status}']");

    private static async Task AssertNoActionAsync(IPage page)
    {
        await Expect(page.GetByRole(AriaRole.Link, new() { NameRegex = new("add|new|create", System.Text.RegularExpressions.RegexOptions.IgnoreCase) })).ToHaveCountAsync(0);
        await Expect(page.Locator("main").GetByRole(AriaRole.Button, new() { NameRegex = new("add|new|create|remove|change", System.Text.RegularExpressions.RegexOptions.IgnoreCase) })).ToHaveCountAsync(0);
    }

    private async Task AddPersonAsync(string email, TestFleet fleet, string role) =>
        await server.RunAsync("user", "add", email, "--password", Password, "--organization", fleet.Slug.Split('/')[0], "--role", role);

    /// <summary>One server for all tests of the class; each works on fleets of its own.</summary>
    public sealed class Running : IAsyncLifetime
    {
        internal ServerProcess Server { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Server = await ServerProcess.StartAsync(TestDatabases.Sqlite);

        public ValueTask DisposeAsync() => Server.DisposeAsync();
    }
}
