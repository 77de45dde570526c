using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

public sealed class DeviceSummaryTests(Browser browser, DeviceSummaryTests.Server started) : IClassFixture<DeviceSummaryTests.Server>, IAsyncLifetime
{
    private static int fleets;

    private readonly ServerProcess server = started.Process;
    private TestFleet fleet = null!;

    public async ValueTask InitializeAsync() => fleet = await TestFleet.CreateAsync(server, $"lighthouse-{Interlocked.Increment(ref fleets)}");

    public ValueTask DisposeAsync()
    {
        fleet.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task It_says_why_as_the_api_does_and_what_silence_will_make_of_it()
    {
        var device = await fleet.AddDeviceAsync("lamp");
        await device.PollAsync();
        var page = await OpenAsync(device);

        var status = await fleet.StatusAsync(device);
        Assert.Equal("reduced-functionality", (string)status["overall_status"]!);
        await Expect(page.Locator(".pill").First).ToContainTextAsync("Reduced Functionality");
        await Expect(page.Locator("[data-reason]")).ToHaveAttributeAsync("data-reason", (string)status["reason"]!);
        await Expect(page.Locator("[data-reason]")).ToHaveTextAsync((string)status["sentence"]!);
        var why = page.GetByRole(AriaRole.Region, new() { Name = "Why Reduced Functionality?" });
        await Expect(why).ToContainTextAsync((string)status["next_step"]!);
        await Expect(why).ToContainTextAsync("Heartbeat Online");
        await Expect(why).ToContainTextAsync("Cloudlink Disconnected");

        var forecast = page.Locator(".forecast");
        await Expect(forecast).ToContainTextAsync("Disconnected at");
        // It polls as it should: what silence would do is no alarm.
        await Expect(forecast).ToHaveClassAsync(new Regex("tone-off"));
        var at = DateTimeOffset.Parse((string)status["changes_at"]!, CultureInfo.InvariantCulture).ToUnixTimeMilliseconds();
        var shown = long.Parse((await forecast.Locator("muster-time[mode=clock]").GetAttributeAsync("at"))!, CultureInfo.InvariantCulture);
        Assert.InRange(shown, at - 1_000, at + 1_000);
    }

    [Fact]
    public async Task Contacts_reports_and_downloads_show_without_a_reload()
    {
        var release = await fleet.ReleaseAsync("a1b2c3d4e5f60718293a4b5c6d7e8f9012345678", "main");
        var device = await fleet.AddDeviceAsync("lamp");
        var page = await OpenAsync(device);
        await Expect(page.Locator(".pill").First).ToContainTextAsync("Inactive");
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Services" }).GetByRole(AriaRole.Row).Filter(new() { HasText = "main" })).ToContainTextAsync("not reported yet");
        await page.EvaluateAsync("window.stays = true");

        await device.PollAsync();
        await Expect(page.Locator(".pill").First).ToContainTextAsync("Reduced Functionality", new() { Timeout = (float)Machine.Stretched(TimeSpan.FromSeconds(2)).TotalMilliseconds });
        await device.ReportAsync(release.Report(37, new() { ["cpu_usage"] = 42, ["memory_usage"] = 300, ["memory_total"] = 1000 }));
        await Expect(page.Locator(".pill").First).ToContainTextAsync("Updating");
        var services = page.GetByRole(AriaRole.Region, new() { Name = "Services" });
        await Expect(services.GetByRole(AriaRole.Progressbar)).ToHaveAttributeAsync("aria-valuenow", "37");
        await Expect(services).Not.ToContainTextAsync("not reported yet");
        await device.ReportAsync(release.Report(81));
        await Expect(services.GetByRole(AriaRole.Progressbar)).ToHaveAttributeAsync("aria-valuenow", "81");
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Metrics" })).ToContainTextAsync("42 %");

        await device.ReportAsync(new() { ["provisioning_state"] = "Running OS update", ["provisioning_progress"] = 50 });
        await Expect(page.Locator("[aria-current=step]")).ToContainTextAsync("installing the new OS");
        Assert.True(await page.EvaluateAsync<bool>("window.stays"));
    }

    [Fact]
    public async Task The_timeline_tells_what_the_device_was_and_for_how_much_of_the_time_it_was_reachable()
    {
        var device = await fleet.AddDeviceAsync("lamp");
        await device.PollAsync();
        var page = await OpenAsync(device);
        var timeline = page.GetByRole(AriaRole.Region, new() { Name = "Timeline" });
        await Expect(timeline.Locator("canvas")).ToBeVisibleAsync();
        await Expect(timeline).ToContainTextAsync("Uptime 100 %");
        await timeline.GetByText("As a table").ClickAsync();
        await Expect(timeline.GetByRole(AriaRole.Row).Filter(new() { HasText = "Reduced Functionality" })).ToContainTextAsync("it polled");
        await Expect(timeline.GetByRole(AriaRole.Row).Filter(new() { HasText = "Inactive" })).ToBeVisibleAsync();

        await device.ReportAsync(new() { ["provisioning_state"] = "Running OS update", ["provisioning_progress"] = 50 });
        await Expect(timeline.GetByRole(AriaRole.Row).Filter(new() { HasText = "Configuring" })).ToContainTextAsync("it reported");

        await timeline.GetByRole(AriaRole.Link, new() { Name = "7 d" }).ClickAsync();
        await page.WaitForURLAsync("**?range=7d");
        await Expect(timeline.Locator("muster-chart")).ToHaveAttributeAsync("label", new Regex("Status: now Configuring, 2 changes in 7 d"));
        await page.ReloadAsync();
        await Expect(timeline.GetByRole(AriaRole.Link, new() { Name = "7 d" })).ToHaveAttributeAsync("aria-current", "true");
    }

    [Fact]
    public async Task A_person_pins_tags_notes_and_sets_variables()
    {
        await fleet.ReleaseAsync("a1b2c3d4e5f60718293a4b5c6d7e8f9012345678", "main");
        await fleet.CreateAsync("application_environment_variable", new() { ["application"] = fleet.Id, ["name"] = "MODE", ["value"] = "day" });
        var device = await fleet.AddDeviceAsync("lamp");
        var page = await OpenAsync(device);

        await page.GetByRole(AriaRole.Button, new() { Name = "Change…" }).ClickAsync();
        await page.GetByLabel("Release to run").SelectOptionAsync(new SelectOptionValue { Index = 1 });
        await page.GetByRole(AriaRole.Button, new() { Name = "Pin", Exact = true }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Release" })).ToContainTextAsync("pinned on this device");

        await page.GetByLabel("Tag name").FillAsync("place");
        await page.GetByLabel("Tag value").FillAsync("north pier");
        await page.GetByRole(AriaRole.Button, new() { Name = "Add tag" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Tags" })).ToContainTextAsync("place: north pier");

        await page.GetByRole(AriaRole.Button, new() { Name = "Add the note" }).ClickAsync();
        await page.GetByLabel("Text of the note").FillAsync("Behind the door.");
        await page.GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Note" })).ToContainTextAsync("Behind the door.");

        await page.GetByRole(AriaRole.Link, new() { Name = "Variables" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Override MODE" }).ClickAsync();
        var environment = page.GetByRole(AriaRole.Region, new() { Name = "Environment for all services" });
        await environment.GetByLabel("Environment value").FillAsync("night");
        await environment.GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();
        await Expect(environment).ToContainTextAsync("overrides the fleet");
        await environment.GetByLabel("Environment name").FillAsync("API_TOKEN");
        await environment.GetByLabel("Environment value").FillAsync("tops3cret");
        await environment.GetByRole(AriaRole.Button, new() { Name = "Add" }).ClickAsync();
        await Expect(environment).ToContainTextAsync("API_TOKEN");
        await Expect(environment).Not.ToContainTextAsync("tops3cret");
        await environment.GetByRole(AriaRole.Button, new() { Name = "Show the value of API_TOKEN" }).ClickAsync();
        await Expect(environment).ToContainTextAsync("tops3cret");

        var row = (await fleet.RowsAsync($"device({device.Id})?$select=note&$expand=is_pinned_on__release($select=commit),device_tag($select=tag_key,value),device_environment_variable($select=name,value;$orderby=name asc)"))[0]!;
        Assert.Equal("Behind the door.", (string)row["note"]!);
        Assert.Equal("a1b2c3d4e5f60718293a4b5c6d7e8f9012345678", (string)row["is_pinned_on__release"]![0]!["commit"]!);
        Assert.Equal("north pier", (string)row["device_tag"]![0]!["value"]!);
        Assert.Equal(["API_TOKEN=tops3cret", "MODE=night"], row["device_environment_variable"]!.AsArray().Select(v => $"{v!["name"]}={v["value"]}"));
    }

    [Fact]
    public async Task An_observer_sees_all_of_it_and_changes_nothing()
    {
        await server.RunAsync("user", "add", "olga@muster.test", "--password", "observant horse 7", "--organization", fleet.Slug.Split('/')[0], "--role", "observer");
        await fleet.ReleaseAsync("a1b2c3d4e5f60718293a4b5c6d7e8f9012345678", "main");
        var device = await fleet.AddDeviceAsync("lamp");
        await device.PollAsync();
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync("olga@muster.test", "observant horse 7");
        foreach (var tab in (string[])["", "?tab=variables", "?tab=settings"])
        {
            await page.OpenAsync($"/devices/{device.Uuid}{tab}");
            await Expect(page.Locator("h1")).ToHaveTextAsync("lamp");
            await Expect(page.Locator("main").Locator("input, select, textarea, form")).ToHaveCountAsync(0);
            await Expect(page.Locator("main button:not([data-copy])")).ToHaveCountAsync(0);
        }

        await page.OpenAsync($"/devices/{device.Uuid}?tab=logs");
        await Expect(page.Locator("muster-logs")).ToBeVisibleAsync();
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "Reboot" })).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task A_device_that_is_not_there_is_said_to_be_gone_or_hidden()
    {
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        Assert.Equal(404, (await page.GotoAsync("/devices/00000000000000000000000000000000"))!.Status);
        await page.UntilLiveAsync();
        await Expect(page).ToHaveTitleAsync("No such device · Muster");
        await Expect(page.Locator("h1")).ToHaveTextAsync("There is no such device");
    }

    [Fact]
    public async Task Two_hundred_tags_and_five_hundred_variables_are_folded_found_and_soon_shown()
    {
        var device = await fleet.AddDeviceAsync("lamp");
        await Parallel.ForAsync(0, 500, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
        {
            await fleet.CreateAsync("application_environment_variable", new() { ["application"] = fleet.Id, ["name"] = $"NAME_{i:000}", ["value"] = $"value {i}" });
            if (i < 200)
                await fleet.CreateAsync("device_tag", new() { ["device"] = device.Id, ["tag_key"] = $"tag-{i:000}", ["value"] = $"worth {i}" });
        });
        var page = await OpenAsync(device);
        foreach (var tab in (string[])["?tab=variables", ""])
        {
            var opened = Stopwatch.StartNew();
            await page.OpenAsync($"/devices/{device.Uuid}{tab}");
            Assert.True(opened.Elapsed < Machine.Stretched(TimeSpan.FromSeconds(5)), $"{tab} took {opened.Elapsed}");
        }

        var tags = page.GetByRole(AriaRole.Region, new() { Name = "Tags" });
        await Expect(tags.GetByRole(AriaRole.Listitem)).ToHaveCountAsync(20);
        await page.EmulateMediaAsync(new() { Media = Media.Print });
        await Expect(tags.GetByText("The first 20 of 200")).ToBeVisibleAsync();
        await page.EmulateMediaAsync(new() { Media = Media.Screen });
        await tags.GetByRole(AriaRole.Button, new() { Name = "Show all 200" }).ClickAsync();
        await Expect(tags.GetByRole(AriaRole.Listitem)).ToHaveCountAsync(200);
        await tags.GetByLabel("Filter the tags").FillAsync("WORTH 124");
        await Expect(tags.GetByRole(AriaRole.Listitem)).ToHaveTextAsync(["tag-124: worth 124"]);
        await page.AssertAccessibleAsync();

        // The tab is a step of the browser's history.
        await page.GetByRole(AriaRole.Link, new() { Name = "Variables" }).ClickAsync();
        var environment = page.GetByRole(AriaRole.Region, new() { Name = "Environment for all services" });
        await Expect(environment.GetByRole(AriaRole.Row)).ToHaveCountAsync(1 + 25);
        await environment.GetByLabel("Filter the variables").FillAsync("name_329");
        await Expect(environment.GetByRole(AriaRole.Row)).ToHaveCountAsync(1 + 1);
        await page.GoBackAsync();
        await Expect(tags).ToBeVisibleAsync();
        await page.GoForwardAsync();
        await Expect(environment).ToBeVisibleAsync();
    }

    [Fact]
    public async Task A_rejected_update_is_marked_beside_the_status_and_told_with_the_words_of_the_devices_log()
    {
        const string said = "Release rejected: unmet requirements of main: needs hw.device-type raspberrypi5";
        var release = await fleet.ReleaseAsync("a1b2c3d4e5f60718293a4b5c6d7e8f9012345678", "main");
        var device = await fleet.AddDeviceAsync("lamp");
        await device.PollAsync();
        await device.LogAsync(new JsonObject { ["message"] = said, ["timestamp"] = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), ["isSystem"] = true });
        await device.ReportAsync(release.Rejected());

        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/devices?fleet={fleet.Slug}");
        var cell = page.GetByRole(AriaRole.Row).Filter(new() { HasText = "lamp" }).Locator("td.c-status");
        await Expect(cell.Locator(".pill").First).ToHaveTextAsync("Reduced Functionality");
        await Expect(cell.Locator("[data-trouble=rejected]")).ToHaveTextAsync("Update rejected");
        await Expect(cell.Locator("[data-trouble]")).ToHaveAttributeAsync("title", new Regex("^The device rejected the release"));
        // The mark takes the place of the reason: a row has room for two lines.
        const string fits = "cell => [...cell.children].every(e => e.scrollWidth <= e.clientWidth && e.getBoundingClientRect().bottom < cell.getBoundingClientRect().bottom - 2)";
        Assert.True(await cell.EvaluateAsync<bool>(fits));
        await page.SetViewportSizeAsync(360, 740);
        await Expect(cell.Locator("[data-trouble]")).ToBeVisibleAsync();
        Assert.True(await cell.EvaluateAsync<bool>(fits));
        await page.SetViewportSizeAsync(1400, 900);

        await page.OpenAsync($"/devices/{device.Uuid}");
        await Expect(page.Locator(".heading .pill")).ToHaveTextAsync(["Reduced Functionality", "Update rejected"]);
        var why = page.GetByRole(AriaRole.Region, new() { Name = "Why Reduced Functionality?" });
        await Expect(why.Locator("[data-why-trouble=rejected]")).ToContainTextAsync("a service has requirements that it does not meet");
        await Expect(why).ToContainTextAsync($"Its log says: {said}");
        await Expect(why.GetByRole(AriaRole.Listitem).First).ToContainTextAsync("pin the device to a release that it can run");

        await device.ReportAsync(release.Runs());
        await Expect(page.Locator(".heading .pill")).ToHaveTextAsync(["Reduced Functionality"]);
        await Expect(why).Not.ToContainTextAsync("Its log says");
    }

    [Fact]
    public async Task On_paper_is_all_that_a_person_reads_and_nothing_that_a_person_presses()
    {
        var release = await fleet.ReleaseAsync("a1b2c3d4e5f60718293a4b5c6d7e8f9012345678", "main");
        await fleet.CreateAsync("application_environment_variable", new() { ["application"] = fleet.Id, ["name"] = "MODE", ["value"] = "day" });
        var device = await fleet.AddDeviceAsync("a-lamp-whose-name-is-long-enough-to-be-cut-in-every-narrow-column-that-shows-it");
        await device.PollAsync();
        await device.ReportAsync(release.Report(37, new() { ["cpu_usage"] = 42 }));
        await fleet.CreateAsync("device_tag", new() { ["device"] = device.Id, ["tag_key"] = "place", ["value"] = "north pier" });
        var name = fleet.Slug.Split('/')[1];
        // As wide as a sheet of A4.
        var page = await browser.OpenAsync(server.Address, ColorScheme.Dark, width: 794);
        await page.SignInAsync();
        foreach (var (path, text) in ((string, string)[])
        [
            ($"/devices/{device.Uuid}", "north pier"), ($"/devices/{device.Uuid}?tab=variables", "MODE"), ($"/devices/{device.Uuid}?tab=settings", "Location"), ($"/devices?fleet={fleet.Slug}", "shows-it"),
            ("/?view=table", name), ("/?view=cards", name), ($"/organizations/{fleet.Slug.Split('/')[0]}", "paid, device allowance unlimited"), ("/account", "this one"), ("/audit", "Audit"),
        ])
        {
            await page.EmulateMediaAsync(new() { Media = Media.Screen });
            await page.OpenAsync(path);
            await page.EmulateMediaAsync(new() { Media = Media.Print });
            await Expect(page.Locator("main").GetByText(text).Filter(new() { Visible = true }).First).ToBeVisibleAsync();
            var wrong = await page.EvaluateAsync<string[]>(
                """
                () => [...document.body.querySelectorAll("*")].filter(e => e.checkVisibility({ visibilityProperty: true }) && !e.closest(".visually-hidden, .visually-hidden-focusable")).flatMap(e => {
                  const style = getComputedStyle(e);
                  const isPressed = e.matches("header, nav, button, .btn, input, select, textarea, form, [popover], dialog") && !e.matches("th button, .chip .words");
                  const isCut = e.textContent.trim() !== "" && style.display !== "inline" && (style.overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1 || style.overflowY !== "visible" && e.scrollHeight > e.clientHeight + 1);
                  return isPressed || isCut ? [`${isCut ? "cut" : "pressed"}: ${e.tagName} ${e.className} ${e.textContent.trim().slice(0, 40)}`] : [];
                })
                """);
            Assert.True(wrong.Length == 0, $"{path}: {string.Join('\n', wrong)}");
            // Also of one who looks at dark pages.
            await Expect(page.Locator("html")).ToHaveAttributeAsync("data-bs-theme", "light");
            Assert.Equal("rgb(255, 255, 255)", await page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor"));
        }
    }

    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task Everyone_can_use_it_on_a_narrow_screen_too(ColorScheme theme)
    {
        var release = await fleet.ReleaseAsync("a1b2c3d4e5f60718293a4b5c6d7e8f9012345678", "main");
        await fleet.CreateAsync("application_environment_variable", new() { ["application"] = fleet.Id, ["name"] = "MODE", ["value"] = "day" });
        var device = await fleet.AddDeviceAsync("a-lamp-with-a-very-long-name-that-has-no-place-to-break-in");
        await device.PollAsync();
        await device.ReportAsync(release.Report(37));
        await device.ReportAsync(new() { ["provisioning_state"] = "Running OS update", ["provisioning_progress"] = 50, ["cpu_usage"] = 42 });
        var page = await browser.OpenAsync(server.Address, theme, width: 360, height: 740);
        await page.SignInAsync();
        foreach (var tab in (string[])["", "?tab=logs", "?tab=health", "?tab=variables", "?tab=settings"])
        {
            await page.OpenAsync($"/devices/{device.Uuid}{tab}");
            await page.AssertAccessibleAsync();
            Assert.Equal(360, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        }
    }

    /// <summary>One server for all of them; each has a fleet of its own.</summary>
    public sealed class Server : IAsyncLifetime
    {
        internal ServerProcess Process { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Process = await ServerProcess.StartAsync(TestDatabases.Sqlite);

        public ValueTask DisposeAsync() => Process.DisposeAsync();
    }

    private async Task<IPage> OpenAsync(TestDevice device)
    {
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/devices/{device.Uuid}");
        await Expect(page).ToHaveTitleAsync("lamp · Muster");
        return page;
    }
}

/// <summary>What these tests make and ask through the API.</summary>
file static class Api
{
    public static async Task<JsonNode> StatusAsync(this TestFleet fleet, TestDevice device) => (await fleet.GetAsync($"/muster/v1/devices/{device.Uuid}/status"))!;
}
