using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

public sealed class DevicesPageTests(Browser browser, DevicesPageTests.Server started) : IClassFixture<DevicesPageTests.Server>, IAsyncLifetime
{
    private static int fleets;

    private readonly ServerProcess server = started.Process;
    private TestFleet fleet = null!;

    public async ValueTask InitializeAsync() => fleet = await TestFleet.CreateAsync(server, $"kiosks-{Interlocked.Increment(ref fleets)}");

    public ValueTask DisposeAsync()
    {
        fleet.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task An_address_says_which_devices_are_shown_and_in_which_order()
    {
        var (oslo, bergen, _) = (await fleet.AddDeviceAsync("kiosk-oslo"), await fleet.AddDeviceAsync("kiosk-bergen"), await fleet.AddDeviceAsync("sign-oslo"));
        await oslo.PollAsync();
        await fleet.CreateAsync("device_tag", new JsonObject { ["device"] = bergen.Id, ["tag_key"] = "site", ["value"] = "Bryggen" });

        var page = await OpenAsync("&q=kiosk&sort=-name");
        await ShowsAsync(page, "kiosk-oslo", "kiosk-bergen");
        await page.OpenAsync($"/devices?fleet={fleet.Slug}&f=status~is~reduced-functionality");
        await ShowsAsync(page, "kiosk-oslo");
        await Expect(page.Locator(".counts")).ToContainTextAsync("2 Inactive");
        await page.OpenAsync($"/devices?fleet={fleet.Slug}&f=tag:site~contains~brygg&f=nonsense~is~x&cols=name~tag:site");
        await ShowsAsync(page, "kiosk-bergen");
        await Expect(page.Locator("td.c-tag")).ToHaveTextAsync("Bryggen");
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("nonsense");
        await page.OpenAsync($"/devices?fleet={fleet.Slug}&q={oslo.Uuid[..9]}");
        await ShowsAsync(page, "kiosk-oslo");

        await page.GetByLabel("Search by name").FillAsync("nowhere");
        await Expect(page.GetByText("No device matches.")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Clear the filters" }).ClickAsync();
        await Expect(page).ToHaveURLAsync(new Regex("/devices$"));
        await Expect(page.Locator(Names).First).ToBeVisibleAsync();
    }

    [Fact]
    public async Task A_filter_is_added_by_keyboard_and_shared_by_its_address_with_another_person()
    {
        var (polls, _) = (await fleet.AddDeviceAsync("a-polls"), await fleet.AddDeviceAsync("b-silent"));
        await polls.PollAsync();
        var page = await OpenAsync();
        await ShowsAsync(page, "a-polls", "b-silent");

        await page.GetByRole(AriaRole.Button, new() { Name = "Add filter" }).FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("#filter-new-column")).ToBeFocusedAsync();
        await page.Keyboard.TypeAsync("Heartbeat");
        await Expect(page.Locator("#filter-new").GetByLabel("Timeout")).ToBeVisibleAsync();
        await page.Keyboard.PressAsync("Tab");
        await page.Keyboard.PressAsync("Tab");
        await page.Keyboard.PressAsync("Tab");
        await page.Keyboard.PressAsync("Space");
        await page.Keyboard.PressAsync("Enter");
        await ShowsAsync(page, "a-polls");
        await Expect(page).ToHaveURLAsync(new Regex("f=heartbeat~is~online"));

        await server.RunAsync("user", "add", "olga@muster.test", "--password", "observant horse 7", "--organization", fleet.Slug.Split('/')[0], "--role", "observer");
        var other = await browser.OpenAsync(server.Address, ColorScheme.Dark);
        await other.SignInAsync("olga@muster.test", "observant horse 7");
        await other.OpenAsync(new Uri(page.Url).PathAndQuery);
        await ShowsAsync(other, "a-polls");
        // An observer can do nothing to a device, so nothing can be selected.
        await Expect(other.Locator("input[aria-label^=Select]")).ToHaveCountAsync(0);
        await other.AssertAccessibleAsync();

        await page.GetByRole(AriaRole.Button, new() { Name = "Heartbeat is Online", Exact = true }).ClickAsync();
        await page.Locator("#filter-0").GetByLabel("Online").UncheckAsync();
        await page.Locator("#filter-0").GetByLabel("Unknown").CheckAsync();
        await page.Locator("#filter-0").GetByRole(AriaRole.Button, new() { Name = "Apply" }).ClickAsync();
        await ShowsAsync(page, "b-silent");
    }

    [Fact]
    public async Task Columns_sort_can_be_chosen_and_are_kept_and_a_view_is_saved_under_a_name()
    {
        var (_, tagged) = (await fleet.AddDeviceAsync("a"), await fleet.AddDeviceAsync("b"));
        await fleet.CreateAsync("device_tag", new JsonObject { ["device"] = tagged.Id, ["tag_key"] = "site", ["value"] = "Oslo" });
        var page = await OpenAsync();
        await page.GetByRole(AriaRole.Columnheader, new() { Name = "Name" }).GetByRole(AriaRole.Button).ClickAsync();
        await ShowsAsync(page, "b", "a");
        await Expect(page).ToHaveURLAsync(new Regex("sort=-name"));

        await page.GetByRole(AriaRole.Button, new() { Name = "Columns" }).ClickAsync();
        await page.Locator("#column-chooser").GetByLabel("UUID", new() { Exact = true }).UncheckAsync();
        await page.Locator("#column-chooser").GetByLabel("Tag to show as a column").FillAsync("site");
        await page.Locator("#column-chooser").GetByRole(AriaRole.Button, new() { Name = "Add tag column" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Columnheader, new() { Name = "site" })).ToBeVisibleAsync();
        await Expect(page.GetByRole(AriaRole.Columnheader, new() { Name = "UUID" })).ToHaveCountAsync(0);
        await page.Keyboard.PressAsync("Escape");
        // Ascending by a tag: those that have it first.
        await page.GetByRole(AriaRole.Columnheader, new() { Name = "site" }).GetByRole(AriaRole.Button).ClickAsync();
        await ShowsAsync(page, "b", "a");
        await Expect(page).ToHaveURLAsync(new Regex("sort=tag:site"));

        await page.GetByRole(AriaRole.Button, new() { Name = "Views" }).ClickAsync();
        await page.GetByLabel("Name of this view").FillAsync("By site");
        await page.Locator("#view-menu").GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();
        await Expect(page.Locator("#view-menu").GetByRole(AriaRole.Link, new() { Name = "By site" })).ToBeVisibleAsync();

        await page.OpenAsync("/devices");
        await Expect(page.GetByRole(AriaRole.Columnheader, new() { Name = "site" })).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Views" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "By site" }).ClickAsync();
        await ShowsAsync(page, "b", "a");
        await Expect(page.Locator(".chips")).ToContainTextAsync(fleet.Slug);
    }

    [Fact]
    public async Task A_change_shows_within_a_second_in_its_row_and_moves_no_row_under_the_pointer()
    {
        var (first, second) = (await fleet.AddDeviceAsync("a-first"), await fleet.AddDeviceAsync("b-second"));
        var page = await OpenAsync("&f=status~is~inactive");
        await ShowsAsync(page, "a-first", "b-second");
        await page.EvaluateAsync("window.stays = true");

        await page.Locator(Row("b-second")).HoverAsync();
        await first.PollAsync();
        await Expect(page.Locator(Row("a-first"))).ToContainTextAsync("Reduced Functionality", new() { Timeout = (float)Machine.Stretched(TimeSpan.FromSeconds(1.5)).TotalMilliseconds });
        await Expect(page.Locator(".note")).ToContainTextAsync("1 device changed the list");
        await ShowsAsync(page, "a-first", "b-second");

        await page.Mouse.MoveAsync(5, 5);
        await ShowsAsync(page, "b-second");
        await Expect(page.Locator(".note")).ToHaveCountAsync(0);
        await second.PollAsync();
        await Expect(page.GetByText("No device matches.")).ToBeVisibleAsync();
        Assert.True(await page.EvaluateAsync<bool>("window.stays"));
    }

    [Fact]
    public async Task The_file_has_what_the_API_answers_and_opens_as_no_formula()
    {
        await fleet.AddDeviceAsync("=cmd()");
        await fleet.AddDeviceAsync("kiosk, \"north\"");
        var page = await OpenAsync("&cols=name~uuid~os");
        await ShowsAsync(page, "=cmd()", "kiosk, \"north\"");
        var download = await page.RunAndWaitForDownloadAsync(() => page.GetByRole(AriaRole.Link, new() { Name = "CSV" }).ClickAsync());
        var text = await File.ReadAllTextAsync((await download.PathAsync())!);
        var rows = await fleet.RowsAsync($"device?$select=uuid,os_version&$filter=belongs_to__application eq {fleet.Id}&$orderby=device_name asc");
        Assert.Equal(
            $"Name,UUID,OS version\r\n'=cmd(),{rows[0]!["uuid"]},{rows[0]!["os_version"]}\r\n\"kiosk, \"\"north\"\"\",{rows[1]!["uuid"]},{rows[1]!["os_version"]}\r\n",
            text.TrimStart('\uFEFF'));
        Assert.Equal([0xEF, 0xBB, 0xBF], (await File.ReadAllBytesAsync((await download.PathAsync())!))[..3]);
    }

    [Fact]
    public async Task Back_and_forward_restore_filter_and_sort_and_a_typed_search_is_one_step()
    {
        var (polls, _) = (await fleet.AddDeviceAsync("a-polls"), await fleet.AddDeviceAsync("b-silent"));
        await polls.PollAsync();
        var page = await OpenAsync();
        await ShowsAsync(page, "a-polls", "b-silent");
        var before = await page.EvaluateAsync<int>("history.length");
        await page.GetByRole(AriaRole.Columnheader, new() { Name = "Name" }).GetByRole(AriaRole.Button).ClickAsync();
        await ShowsAsync(page, "b-silent", "a-polls");
        await page.Locator(".counts").GetByRole(AriaRole.Link, new() { Name = "Inactive" }).ClickAsync();
        await ShowsAsync(page, "b-silent");
        await page.GetByLabel("Search by name").PressSequentiallyAsync("silent");
        await Expect(page).ToHaveURLAsync(new Regex("q=silent"));
        Assert.Equal(before + 3, await page.EvaluateAsync<int>("history.length"));

        await page.GoBackAsync();
        await Expect(page.GetByLabel("Search by name")).ToHaveValueAsync("");
        await ShowsAsync(page, "b-silent");
        await page.GoBackAsync();
        await ShowsAsync(page, "b-silent", "a-polls");
        await page.GoBackAsync();
        await ShowsAsync(page, "a-polls", "b-silent");
        await page.GoForwardAsync();
        await ShowsAsync(page, "b-silent", "a-polls");
        await page.GoForwardAsync();
        await ShowsAsync(page, "b-silent");
    }

    [Fact]
    public async Task Far_from_the_server_typing_and_choosing_quickly_lose_nothing()
    {
        await fleet.AddDeviceAsync("a-polls");
        await fleet.AddDeviceAsync("b-silent");
        var page = await browser.OpenFarAwayAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/devices?fleet={fleet.Slug}");
        await ShowsAsync(page, "a-polls", "b-silent");

        await page.GetByLabel("Search by name").PressSequentiallyAsync("b-silent", new() { Delay = 60 });
        await Expect(page).ToHaveURLAsync(new Regex("q=b-silent"));
        await ShowsAsync(page, "b-silent");
        await Expect(page.GetByLabel("Search by name")).ToHaveValueAsync("b-silent");

        await page.GetByRole(AriaRole.Columnheader, new() { Name = "Name" }).GetByRole(AriaRole.Button).ClickAsync();
        await Expect(page).ToHaveURLAsync(new Regex("sort=-name"));
        await page.Locator(".counts").GetByRole(AriaRole.Link, new() { Name = "Inactive" }).ClickAsync();
        await page.GetByLabel("Search by name").FillAsync("");
        await Expect(page).ToHaveURLAsync(new Regex("f=status"));
        await ShowsAsync(page, "b-silent", "a-polls");
        await Expect(page).ToHaveURLAsync(new Regex("sort=-name"));
        await Expect(page.GetByLabel("Search by name")).ToHaveValueAsync("");
        await page.GoBackAsync();
        await Expect(page.GetByLabel("Search by name")).ToHaveValueAsync("b-silent");
    }

    [Fact]
    public async Task At_1280_pixels_no_usual_column_is_cut_and_menus_stay_inside_the_window()
    {
        var device = await fleet.AddDeviceAsync("robot-for-the-warehouse-in-bergen");
        await device.PollAsync();
        var page = await browser.OpenAsync(server.Address, width: 1280, height: 800);
        await page.SignInAsync();
        await page.OpenAsync($"/devices?fleet={fleet.Slug}");
        await ShowsAsync(page, "robot-for-the-warehouse-in-bergen");
        await Expect(page.Locator(".pill").First).ToContainTextAsync("Reduced Functionality");
        var cut = await page.EvaluateAsync<string[]>(
            """
            () => [...document.querySelectorAll(".device-table :is(th, td, td span[title], td .name, .pill)")]
              .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline" || e.scrollHeight > e.clientHeight + 1 && e.matches(".name, span[title]") && getComputedStyle(e).display !== "inline")
              .map(e => e.className + ": " + e.textContent)
            """);
        Assert.Empty(cut);
        Assert.True(await page.EvaluateAsync<bool>("(() => { const f = document.querySelector('.table-frame'); return f.scrollWidth <= f.clientWidth; })()"));

        foreach (var (width, height) in ((int, int)[])[(1280, 500), (360, 740)])
        {
            await page.SetViewportSizeAsync(width, height);
            foreach (var (opener, menu) in ((string, string)[])[("All fleets|kiosks", "fleet-picker"), ("Views", "view-menu"), ("Add filter", "filter-new"), ("Columns", "column-chooser"), ("account", "account")])
            {
                var button = page.Locator($"[popovertarget={menu}]").First;
                await button.ClickAsync();
                var box = (await page.Locator($"#{menu}").BoundingBoxAsync())!;
                Assert.True(box.X >= 0 && box.Y >= 0 && box.X + box.Width <= width && box.Y + box.Height <= height, $"{opener} at {width}: {box.X},{box.Y} {box.Width}x{box.Height}");
                await Expect(page.Locator($"#{menu} :focus")).ToHaveCountAsync(1);
                await page.Keyboard.PressAsync("Escape");
                await Expect(page.Locator($"#{menu}")).ToBeHiddenAsync();
                await Expect(button).ToBeFocusedAsync();
                await button.ClickAsync();
                await page.Mouse.ClickAsync(3, height - 3);
                await Expect(page.Locator($"#{menu}")).ToBeHiddenAsync();
            }
        }
    }

    [Fact]
    public async Task It_can_be_used_on_a_phone_and_by_keyboard()
    {
        await fleet.AddDeviceAsync("a");
        var device = await fleet.AddDeviceAsync("b");
        var page = await browser.OpenAsync(server.Address, width: 360, height: 740);
        await page.SignInAsync();
        await page.OpenAsync($"/devices?fleet={fleet.Slug}");
        await ShowsAsync(page, "a", "b");
        Assert.True(await page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth"));
        Assert.True(await page.EvaluateAsync<bool>("[...document.querySelectorAll('.pill')].every(p => p.scrollWidth <= p.clientWidth)"));
        await page.AssertAccessibleAsync();
        await page.Locator(Names).First.FocusAsync();
        await page.Keyboard.PressAsync("ArrowDown");
        await page.Keyboard.PressAsync("Enter");
        await page.WaitForURLAsync($"**/devices/{device.Uuid}");
    }

    private const string Names = ".device-table a[data-open]";

    private static string Row(string name) => $"tr:has(a[data-open][title='{name}'])";

    private static Task ShowsAsync(IPage page, params string[] names) => Expect(page.Locator(Names)).ToHaveTextAsync(names);

    private async Task<IPage> OpenAsync(string query = "")
    {
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/devices?fleet={fleet.Slug}{query}");
        return page;
    }

    public sealed class Server : IAsyncLifetime
    {
        internal ServerProcess Process { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Process = await ServerProcess.StartAsync(TestDatabases.Sqlite);

        public ValueTask DisposeAsync() => Process.DisposeAsync();
    }
}
