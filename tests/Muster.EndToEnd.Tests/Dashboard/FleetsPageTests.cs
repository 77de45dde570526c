using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

/// <summary>The Fleets page and what leads on from it.</summary>
public sealed class FleetsPageTests(Browser browser, FleetsPageTests.Running running) : IClassFixture<FleetsPageTests.Running>
{
    private const string Password = "observes horses 7";

    /// <summary>Cards, however many fleets the other tests of this class have left on the server: from the thirteenth on a table is shown.</summary>
    private const string Cards = "/?view=cards";

    private readonly ServerProcess server = running.Server;

    [Fact]
    public async Task A_fleet_shows_its_counts_as_the_API_has_them_and_they_follow_a_device_without_reload()
    {
        using var fleet = await TestFleet.CreateAsync(server, "pumps");
        var (first, _) = (await fleet.AddDeviceAsync("first"), await fleet.AddDeviceAsync("second"));
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync(Cards);
        await page.UntilLiveAsync();
        var card = page.Locator($"[data-fleet='{fleet.Slug}']");
        await Expect(Legend(card, "inactive")).ToHaveTextAsync("2 Inactive");
        await Expect(card.Locator(".progress-stacked > a")).ToHaveCountAsync(1);
        await page.EvaluateAsync("window.notReloaded = true");

        await first.PollAsync();
        await Expect(Legend(card, "reduced-functionality")).ToHaveTextAsync("1 Reduced Functionality");
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
        await Expect(card.Locator("[data-update=downloading]")).ToHaveTextAsync("1 Downloading");
        await Expect(card.GetByText("· c0ffee0")).ToBeVisibleAsync();
        await Expect(card.GetByText("0 of 2")).ToBeVisibleAsync();
        Assert.True(await page.EvaluateAsync<bool>("window.notReloaded"));

        await card.Locator(".progress-stacked > [data-status='reduced-functionality']").ClickAsync();
        await page.WaitForURLAsync(url => new Uri(url).PathAndQuery == $"/devices?fleet={Uri.EscapeDataString(fleet.Slug)}&f=status~is~reduced-functionality");
    }

    [Fact]
    public async Task Far_from_the_server_no_typed_character_is_lost()
    {
        using var fleet = await TestFleet.CreateAsync(server, "remote-pumps");
        var page = await browser.OpenFarAwayAsync(server.Address);
        await page.SignInAsync();
        await page.UntilLiveAsync();
        await page.GetByRole(AriaRole.Searchbox).PressSequentiallyAsync("remote-pumps", new() { Delay = 100 });
        await Expect(page).ToHaveURLAsync(new System.Text.RegularExpressions.Regex("q=remote-pumps$"));
        await Expect(page.Locator("[data-fleet]")).ToHaveCountAsync(1);
        await Expect(page.GetByRole(AriaRole.Searchbox)).ToHaveValueAsync("remote-pumps");

        await page.OpenAsync($"/fleets/new?organization={fleet.Slug.Split('/')[0]}");
        await page.UntilLiveAsync();
        await page.GetByRole(AriaRole.Searchbox).PressSequentiallyAsync("raspberrypi4-64", new() { Delay = 60 });
        await Expect(page.GetByRole(AriaRole.Listbox).GetByRole(AriaRole.Option)).ToHaveCountAsync(1);
        await Expect(page.GetByRole(AriaRole.Searchbox)).ToHaveValueAsync("raspberrypi4-64");
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
    public async Task A_fleet_is_created_and_what_is_wrong_stands_at_its_field()
    {
        using var fleet = await TestFleet.CreateAsync(server, "taken");
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/fleets/new?organization={fleet.Slug.Split('/')[0]}");
        var create = page.GetByRole(AriaRole.Button, new() { Name = "Create fleet" });
        await page.GetByLabel("Name", new() { Exact = true }).FillAsync("a b");
        await create.ClickAsync();
        await Expect(page.Locator("#fleet-name-error")).ToHaveTextAsync("The name has 4 to 100 characters.");
        await Expect(page.Locator("#device-type-error")).ToHaveTextAsync("Choose a device type.");

        await page.GetByLabel("Name", new() { Exact = true }).FillAsync("taken");
        await page.GetByLabel("Device type", new() { Exact = true }).FillAsync("pi 5");
        await Expect(page.Locator("#device-type option")).ToHaveCountAsync(1);
        await page.Locator("#device-type").SelectOptionAsync("raspberrypi5");
        await create.ClickAsync();
        await Expect(page.Locator("#fleet-name-error")).ToHaveTextAsync("The organization has a fleet of this name already.");

        await page.GetByLabel("Name", new() { Exact = true }).FillAsync("Fresh-Fleet");
        await create.ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("Fresh-Fleet");
        var made = Assert.Single(await fleet.RowsAsync("application?$filter=app_name eq 'Fresh-Fleet'&$expand=is_for__device_type($select=slug)"));
        Assert.Equal("raspberrypi5", (string)made!["is_for__device_type"]![0]!["slug"]!);
    }

    [Fact]
    public async Task A_device_registers_with_the_config_json_that_the_guide_makes_and_appears_there()
    {
        using var fleet = await TestFleet.CreateAsync(server, "guided");
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/fleets/{fleet.Slug}");
        await page.GetByRole(AriaRole.Link, new() { Name = "Add a device" }).ClickAsync();
        await page.GetByLabel("Wi-Fi").CheckAsync();
        await page.GetByLabel("Network name (SSID)").FillAsync("shop floor");
        await page.GetByLabel("Password").FillAsync("secret of the shop");
        await page.GetByLabel("Poll interval, minutes").FillAsync("15");
        await page.GetByRole(AriaRole.Button, new() { Name = "Make key and config.json" }).ClickAsync();
        var download = await page.RunAndWaitForDownloadAsync(() => page.GetByRole(AriaRole.Button, new() { Name = "Download config.json" }).ClickAsync());
        Assert.Equal("config.json", download.SuggestedFilename);
        var config = JsonNode.Parse(await File.ReadAllTextAsync(await download.PathAsync()))!;
        Assert.Equal(("shop floor", "secret of the shop", 900_000), ((string)config["wifiSsid"]!, (string)config["wifiKey"]!, (int)config["appUpdatePollInterval"]!));
        await Expect(page.GetByText("Shown once.")).ToBeVisibleAsync();
        await Expect(page.GetByText("Waiting for the first contact…")).ToBeVisibleAsync();
        await page.AssertAccessibleAsync();

        using var http = new HttpClient { BaseAddress = new Uri((string)config["apiEndpoint"]!), DefaultRequestHeaders = { Authorization = new("Bearer", (string)config["apiKey"]!) } };
        var uuid = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        using var answer = await http.PostAsJsonAsync("/device/register", new { application = (long)config["applicationId"]!, uuid, device_type = (string)config["deviceType"]! });
        var registered = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        await Expect(page.GetByText("A new device has joined:")).ToBeVisibleAsync();
        var joined = page.Locator(".joined");
        await Expect(joined.GetByRole(AriaRole.Link)).ToHaveAttributeAsync("href", $"/devices/{uuid}");
        await Expect(joined.GetByText("registered; not yet heard of")).ToBeVisibleAsync();
        await new TestDevice(server.Address, uuid, (long)registered["id"]!, (string)registered["api_key"]!).PollAsync();
        await Expect(joined.GetByText("Reduced Functionality")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task An_administrator_creates_an_organization_and_cares_for_its_members()
    {
        using var fleet = await TestFleet.CreateAsync(server, "members");
        await AddPersonAsync("otto@muster.test", fleet, "observer");
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync("/organizations");
        await Expect(page.GetByRole(AriaRole.Row).Filter(new() { HasText = "administrator" }).First).ToBeVisibleAsync();
        await page.AssertAccessibleAsync();
        await page.GetByLabel("Name", new() { Exact = true }).FillAsync("Water Works");
        await page.GetByLabel("Handle").FillAsync("admin");
        await page.GetByRole(AriaRole.Button, new() { Name = "Create organization" }).ClickAsync();
        await Expect(page.Locator("#organization-handle-error")).ToHaveTextAsync("This handle is taken.");
        await page.GetByLabel("Handle").FillAsync("water");
        await page.GetByRole(AriaRole.Button, new() { Name = "Create organization" }).ClickAsync();
        await page.WaitForURLAsync("**/organizations/water");

        await page.GetByLabel("Email or name").FillAsync("nobody");
        await page.GetByRole(AriaRole.Button, new() { Name = "Add member" }).ClickAsync();
        await Expect(page.GetByText("There is no account nobody.")).ToBeVisibleAsync();
        await page.GetByLabel("Email or name").FillAsync("otto");
        await page.GetByRole(AriaRole.Button, new() { Name = "Add member" }).ClickAsync();
        var role = page.GetByLabel("Role of otto");
        await Expect(role).ToHaveValueAsync("observer");
        await role.SelectOptionAsync("developer");
        await page.GetByLabel("Role of admin").SelectOptionAsync("observer");
        await Expect(page.GetByText("keeps at least one administrator")).ToBeVisibleAsync();
        await Expect(page.GetByLabel("Role of admin")).ToHaveValueAsync("administrator");
        await page.AssertAccessibleAsync();

        var others = await browser.OpenAsync(server.Address);
        await others.SignInAsync("otto@muster.test", Password);
        await others.OpenAsync("/organizations/water");
        await Expect(others.GetByRole(AriaRole.Link, new() { Name = "New fleet" })).ToBeVisibleAsync();
        await Expect(others.GetByLabel("Email or name")).ToHaveCountAsync(0);
        await Expect(others.GetByRole(AriaRole.Combobox)).ToHaveCountAsync(0);

        await page.GetByLabel("Remove otto").ClickAsync();
        await page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Remove", Exact = true }).ClickAsync();
        await Expect(role).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task The_thirteenth_fleet_makes_a_table_of_the_cards_unless_the_address_says_otherwise()
    {
        await server.RunAsync("user", "add", "tess@muster.test", "--password", Password, "--organization", "many", "--role", "developer");
        using var fleet = await TestFleet.CreateAsync(server, "many-07", "many");
        try
        {
            await (await fleet.AddDeviceAsync("first")).PollAsync();
            var model = (await fleet.RowsAsync($"application({fleet.Id})?$select=is_for__device_type,application_type"))[0]!;
            Task AddFleetAsync(int number) => fleet.CreateAsync("application", new JsonObject
            {
                ["app_name"] = $"many-{number:00}",
                ["organization"] = fleet.Organization,
                ["is_for__device_type"] = (long)model["is_for__device_type"]!["__id"]!,
                ["application_type"] = (long)model["application_type"]!["__id"]!,
            });
            foreach (var number in Enumerable.Range(1, 12).Where(n => n != 7))
                await AddFleetAsync(number);

            var page = await browser.OpenAsync(server.Address);
            await page.SignInAsync("tess@muster.test", Password);
            await page.UntilLiveAsync();
            var (cards, rows) = (page.Locator("article[data-fleet]"), page.Locator("tr[data-fleet]"));
            await Expect(cards).ToHaveCountAsync(12);
            await Expect(rows).ToHaveCountAsync(0);
            await AddFleetAsync(13);
            await page.OpenAsync("/");
            await Expect(rows.Locator("th")).ToHaveTextAsync([.. Enumerable.Range(1, 13).Select(n => $"many-{n:00}")]);
            await Expect(cards).ToHaveCountAsync(0);
            await Expect(page.GetByLabel("Show as")).ToHaveValueAsync("table");
            await page.AssertAccessibleAsync();

            await page.GetByLabel("Sort").SelectOptionAsync("devices");
            await Expect(rows.First).ToHaveAttributeAsync("data-fleet", fleet.Slug);
            await Expect(rows.First.GetByRole(AriaRole.Link, new() { Name = "1 Reduced Functionality" })).ToBeVisibleAsync();
            await page.SetViewportSizeAsync(360, 740);
            Assert.Equal(360, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
            await page.SetViewportSizeAsync(1400, 900);
            await page.GetByLabel("Show as").SelectOptionAsync("cards");
            await Expect(cards).ToHaveCountAsync(13);
            await Expect(cards.First).ToHaveAttributeAsync("data-fleet", fleet.Slug);
            await page.WaitForURLAsync(url => new Uri(url).Query is var query && query.Contains("view=cards") && query.Contains("sort=devices"));

            await page.OpenAsync("/?q=many-1&view=table");
            await Expect(rows.Locator("th")).ToHaveTextAsync(["many-10", "many-11", "many-12", "many-13"]);
            await page.OpenAsync("/?q=many-1&view=cards");
            await Expect(cards).ToHaveCountAsync(4);
        }
        finally
        {
            // The other tests' administrator sees all fleets, and expects cards.
            await fleet.DeleteAsync($"application?$filter=organization eq {fleet.Organization}");
        }
    }

    [Fact]
    public async Task An_observer_sees_the_counts_and_no_action()
    {
        using var fleet = await TestFleet.CreateAsync(server, "watched");
        await fleet.AddDeviceAsync("first");
        await AddPersonAsync("olga@muster.test", fleet, "observer");
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync("olga@muster.test", Password);
        await page.OpenAsync(Cards);
        await page.UntilLiveAsync();
        await Expect(Legend(page.Locator($"[data-fleet='{fleet.Slug}']"), "inactive")).ToHaveTextAsync("1 Inactive");
        await AssertNoActionAsync(page);
        await page.OpenAsync($"/fleets/{fleet.Slug}");
        await Expect(page.GetByText("1 device", new() { Exact = true })).ToBeVisibleAsync();
        await AssertNoActionAsync(page);
        foreach (var path in (string[])["/fleets/new", $"/fleets/{fleet.Slug}/add-device"])
        {
            await page.OpenAsync(path);
            await Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToBeVisibleAsync();
            await AssertNoActionAsync(page);
        }
    }

    [Theory, InlineData(ColorScheme.Light), InlineData(ColorScheme.Dark)]
    public async Task The_pages_are_accessible_and_readable_at_360_px(ColorScheme theme)
    {
        using var fleet = await TestFleet.CreateAsync(server, $"small-{theme}");
        await (await fleet.AddDeviceAsync("first")).PollAsync();
        using var empty = await TestFleet.CreateAsync(server, $"a-fleet-with-a-name-that-is-longer-than-anything-that-fits-on-a-telephone-{theme}");
        var page = await browser.OpenAsync(server.Address, theme, width: 360, height: 740);
        await page.SignInAsync();
        foreach (var path in (string[])["/", $"/fleets/{fleet.Slug}", $"/fleets/{empty.Slug}", "/fleets/no/such", "/fleets/new", $"/fleets/{empty.Slug}/add-device", "/organizations", $"/organizations/{fleet.Slug.Split('/')[0]}"])
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
