using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Muster.Tests.Cloudlink;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

/// <summary>What people do with devices from the pages: with many at once, and with one.</summary>
public sealed class ActionsTests(Browser browser, ActionsTests.Server started) : IClassFixture<ActionsTests.Server>
{
    private readonly ServerProcess server = started.Process;

    [Fact]
    public async Task A_selection_is_tagged_and_rebooted_with_an_answer_for_each_device()
    {
        using var fleet = await TestFleet.CreateAsync(server, "bulk-of-lamps");
        var (near, far) = (await fleet.AddDeviceAsync("near"), await fleet.AddDeviceAsync("far"));
        await started.ConnectAsync(near);
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/devices?fleet={Uri.EscapeDataString(fleet.Slug)}");

        await page.GetByRole(AriaRole.Checkbox, new() { Name = "Select near" }).CheckAsync();
        await page.GetByRole(AriaRole.Checkbox, new() { Name = "Select far" }).CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Modify 2 devices" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Add tag" }).ClickAsync();
        var dialog = page.GetByRole(AriaRole.Dialog);
        await Expect(dialog).ToContainTextAsync("Add tag: 2 devices");
        await Expect(dialog.GetByRole(AriaRole.Button, new() { Name = "Add tag 2 devices" })).ToBeDisabledAsync();
        await dialog.GetByLabel("Tag", new() { Exact = true }).FillAsync("site");
        await dialog.GetByLabel("Value").FillAsync("Oslo");
        await page.AssertAccessibleAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Add tag 2 devices" }).ClickAsync();
        await Expect(dialog).ToContainTextAsync("2 of 2 devices: 2 done, 0 failed.");
        Assert.Equal(2, (await fleet.RowsAsync("device_tag?$select=id&$filter=tag_key eq 'site' and value eq 'Oslo'")).Count);
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Close" }).Last.ClickAsync();
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "Modify" })).ToHaveCountAsync(0);

        await page.GetByRole(AriaRole.Checkbox, new() { Name = "Select all that match" }).CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Modify 2 devices" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Reboot" }).ClickAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Reboot 2 devices" }).ClickAsync();
        await Expect(dialog).ToContainTextAsync("2 of 2 devices: 1 done, 1 failed.");
        // The failed one first, with why.
        await Expect(dialog.GetByRole(AriaRole.Row).Nth(1)).ToContainTextAsync("Reboot needs the cloudlink, which was never up.");
        Assert.Contains(started.Calls, call => call.Target == $"{near.Uuid}.balena:48484" && call.Url.StartsWith("/v1/reboot", StringComparison.Ordinal));
        await page.AssertAccessibleAsync();

        // The one that failed is tried again, and then waits.
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Retry 1" }).ClickAsync();
        await Expect(dialog).ToContainTextAsync("1 of 1 devices: 0 done, 1 failed.");
        await dialog.GetByRole(AriaRole.Button, new() { Name = "When it is back (1)" }).ClickAsync();
        await Expect(dialog).ToContainTextAsync("1 of 1 devices: 1 done, 0 failed.");
        await Expect(dialog.GetByRole(AriaRole.Row).Nth(1)).ToContainTextAsync("Queued");

        // Closed with its page, and found again on another.
        await page.OpenAsync("/");
        await page.GetByRole(AriaRole.Button, new() { Name = "Finished jobs" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Reboot 1 done, 1 failed" }).ClickAsync();
        await Expect(dialog).ToContainTextAsync("1 done, 1 failed");
        var csv = await page.APIRequest.GetAsync(await dialog.GetByRole(AriaRole.Link, new() { Name = "CSV" }).GetAttributeAsync("href") ?? "");
        Assert.Equal(
            ["\uFEFFid,uuid,name,result,detail", $"{far.Id},{far.Uuid},far,failed,\"Reboot needs the cloudlink, which was never up.\"", $"{near.Id},{near.Uuid},near,done,"],
            (await csv.TextAsync()).Split("\r\n", StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Purging_asks_to_be_sure()
    {
        using var fleet = await TestFleet.CreateAsync(server, "lamps-to-empty");
        await fleet.AddDeviceAsync("lamp");
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/devices?fleet={Uri.EscapeDataString(fleet.Slug)}");
        await page.GetByRole(AriaRole.Checkbox, new() { Name = "Select lamp" }).CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Modify 1 device" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Purge", Exact = true }).ClickAsync();
        var purge = page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Purge 1 device" });
        await Expect(purge).ToBeDisabledAsync();
        await page.GetByRole(AriaRole.Checkbox, new() { Name = "Yes, purge 1 device" }).CheckAsync();
        await Expect(purge).ToBeEnabledAsync();
    }

    [Fact]
    public async Task A_job_that_empties_the_list_still_shows_its_answers()
    {
        using var fleet = await TestFleet.CreateAsync(server, "lamps-to-leave");
        using var next = await TestFleet.CreateAsync(server, "lamps-to-join");
        var device = await fleet.AddDeviceAsync("lamp");
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/devices?fleet={Uri.EscapeDataString(fleet.Slug)}");
        await page.GetByRole(AriaRole.Checkbox, new() { Name = "Select all that match" }).CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Modify 1 device" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Move to a fleet" }).ClickAsync();
        var dialog = page.GetByRole(AriaRole.Dialog);
        await dialog.GetByLabel("Fleet").SelectOptionAsync(next.Id.ToString(CultureInfo.InvariantCulture));
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Move to a fleet 1 device" }).ClickAsync();
        await Expect(dialog).ToContainTextAsync("1 of 1 devices: 1 done, 0 failed.");
        await Expect(page.Locator(".total")).ToHaveTextAsync("0");
        await Expect(dialog).ToBeVisibleAsync();
        Assert.Single(await next.RowsAsync($"device?$select=id&$filter=id eq {device.Id} and belongs_to__application eq {next.Id}"));
    }

    [Fact]
    public async Task A_device_is_rebooted_after_a_question_and_against_its_update_lock_only_when_forced()
    {
        using var fleet = await TestFleet.CreateAsync(server, "lamps-to-reboot");
        var device = await fleet.AddDeviceAsync("lamp");
        await started.ConnectAsync(device);
        var page = await OpenAsync(device);
        var (reboot, dialog) = (page.GetByRole(AriaRole.Button, new() { Name = "Reboot", Exact = true }), page.GetByRole(AriaRole.Dialog));
        await reboot.ClickAsync();
        await Expect(dialog).ToContainTextAsync("The device reboots; its services are away meanwhile.");
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Cancel" }).ClickAsync();
        await Expect(dialog).ToHaveCountAsync(0);
        Assert.Empty(started.CallsOf(device, "/v1/reboot"));

        await reboot.ClickAsync();
        await page.AssertAccessibleAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Reboot" }).ClickAsync();
        await Expect(page.GetByText("Reboot: the device took it on.")).ToBeVisibleAsync();
        Assert.Equal(["""{"force":false}"""], started.CallsOf(device, "/v1/reboot"));

        started.Locked = device.Uuid;
        await reboot.ClickAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Reboot" }).ClickAsync();
        await Expect(page.GetByText("An update lock on the device stands against it: Updates are locked")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Reboot anyway" }).ClickAsync();
        await Expect(page.GetByText("Reboot: the device took it on.")).ToBeVisibleAsync();
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "Reboot anyway" })).ToHaveCountAsync(0);
        Assert.Equal(["""{"force":false}""", """{"force":false}""", """{"force":true}"""], started.CallsOf(device, "/v1/reboot"));
    }

    [Fact]
    public async Task Without_the_cloudlink_actions_say_why_and_offer_to_wait_until_the_device_is_back()
    {
        using var fleet = await TestFleet.CreateAsync(server, "lamps-to-cut-off");
        var device = await fleet.AddDeviceAsync("lamp");
        await started.ConnectAsync(device);
        var page = await OpenAsync(device);
        var reboot = page.GetByRole(AriaRole.Button, new() { Name = "Reboot", Exact = true });
        await Expect(reboot).ToHaveAccessibleDescriptionAsync("The device reboots; its services are away meanwhile.");

        await started.DisconnectAsync(device);
        await Expect(reboot).ToHaveAccessibleDescriptionAsync(new Regex("^Actions need the cloudlink, which is down since [0-9].*queued"));
        await reboot.FocusAsync();
        await Expect(reboot).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Enter");
        var dialog = page.GetByRole(AriaRole.Dialog);
        await Expect(dialog.GetByRole(AriaRole.Button, new() { Name = "Reboot when it is back" })).ToBeVisibleAsync();
        await page.AssertAccessibleAsync();

        // The device comes back while the question is open: then it is asked of the device that is there.
        await started.ConnectAsync(device);
        await Expect(dialog.GetByRole(AriaRole.Button, new() { Name = "Reboot", Exact = true })).ToBeVisibleAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Cancel" }).ClickAsync();
        await Expect(dialog).ToHaveCountAsync(0);
        Assert.Empty(started.CallsOf(device, "/v1/reboot"));
    }

    [Fact]
    public async Task A_service_is_restarted_the_lamp_blinks_and_the_device_looks_at_its_target_and_an_observer_does_none_of_it()
    {
        using var fleet = await TestFleet.CreateAsync(server, "lamps-to-blink");
        var release = await fleet.ReleaseAsync("a1b2c3d4e5f60718293a4b5c6d7e8f9012345678", "main");
        var device = await fleet.AddDeviceAsync("lamp");
        await device.ReportAsync(release.Runs());
        await started.ConnectAsync(device);
        var page = await OpenAsync(device);

        var service = page.GetByRole(AriaRole.Region, new() { Name = "Services" }).GetByRole(AriaRole.Row).Filter(new() { HasText = "Running" });
        await service.GetByRole(AriaRole.Button, new() { Name = "Restart service main" }).ClickAsync();
        await Expect(service.GetByText("Restart service: the device took it on.")).ToBeVisibleAsync();
        var image = (long)(await fleet.RowsAsync($"image_install?$select=id&$filter=device eq {device.Id}&$expand=installs__image($select=id)"))[0]!["installs__image"]![0]!["id"]!;
        Assert.Equal([$$"""{"appId":{{fleet.Id}},"imageId":{{image}}}"""], started.CallsOf(device, $"/v2/applications/{fleet.Id}/restart-service"));

        await page.GetByRole(AriaRole.Button, new() { Name = "Blink" }).ClickAsync();
        await Expect(page.GetByText("Blink: the device took it on.")).ToBeVisibleAsync();
        Assert.Single(started.CallsOf(device, "/v1/blink"));
        await page.GetByRole(AriaRole.Button, new() { Name = "Update now" }).ClickAsync();
        await Expect(page.GetByText("Update now: the device took it on.")).ToBeVisibleAsync();
        Assert.Contains("""{"force":false}""", started.CallsOf(device, "/v1/update"));

        await server.RunAsync("user", "add", "olga@muster.test", "--password", "observant horse 7", "--organization", fleet.Slug.Split('/')[0], "--role", "observer");
        var observer = await browser.OpenAsync(server.Address);
        await observer.SignInAsync("olga@muster.test", "observant horse 7");
        await observer.OpenAsync($"/devices/{device.Uuid}");
        await Expect(observer.GetByRole(AriaRole.Region, new() { Name = "Services" })).ToContainTextAsync("Running");
        await Expect(observer.GetByRole(AriaRole.Group, new() { Name = "Actions" })).ToHaveCountAsync(0);
        await Expect(observer.GetByRole(AriaRole.Button, new() { NameRegex = new Regex("Reboot|Restart|Purge|Shutdown|Blink|Update now|Stop|Start") })).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task Checks_ask_the_record_and_the_device_and_say_what_could_not_be_asked()
    {
        using var fleet = await TestFleet.CreateAsync(server, "lamps-to-check");
        var (near, far) = (await fleet.AddDeviceAsync("lamp"), await fleet.AddDeviceAsync("lamp"));
        await near.PollAsync();
        await started.ConnectAsync(near);
        var page = await OpenAsync(near, "?tab=health");
        var checks = page.GetByRole(AriaRole.Region, new() { Name = "Health checks" });
        await checks.GetByRole(AriaRole.Button, new() { Name = "Run checks" }).ClickAsync();
        await Expect(checks).ToContainTextAsync("The device was asked");
        await Expect(checks.GetByRole(AriaRole.Listitem).Filter(new() { HasText = "Fine: The device asks for its target state as it should" })).ToHaveCountAsync(1);
        await Expect(checks.GetByRole(AriaRole.Listitem).Filter(new() { HasText = "Fine: The cloudlink is up" })).ToHaveCountAsync(1);
        await Expect(checks).ToContainTextAsync(new Regex("Fine: The supervisor answers over the tunnel within [0-9]+ ms"));
        await Expect(checks).ToContainTextAsync("Fine: The supervisor counts itself healthy.");
        await Expect(checks).ToContainTextAsync("Fine: The release is applied.");
        await checks.GetByRole(AriaRole.Button, new() { Name = "Run checks" }).ClickAsync();
        var runs = checks.GetByRole(AriaRole.Group, new() { Name = "Earlier checks, the newest last" }).GetByRole(AriaRole.Button);
        await Expect(runs).ToHaveCountAsync(2);
        await Expect(runs.Last).ToHaveAttributeAsync("aria-pressed", "true");
        await runs.First.ClickAsync();
        await Expect(runs.First).ToHaveAttributeAsync("aria-pressed", "true");
        await checks.GetByRole(AriaRole.Button, new() { Name = "Collect diagnostics" }).ClickAsync();
        await Expect(checks).ToContainTextAsync("The diagnostics are ready to be downloaded.");
        var file = await page.APIRequest.GetAsync(await checks.GetByRole(AriaRole.Link).First.GetAttributeAsync("href") ?? "");
        Assert.Equal("applied", (string)JsonNode.Parse(await file.TextAsync())!["supervisor"]!["/v2/state/status"]!["body"]!["appState"]!);
        await page.AssertAccessibleAsync();

        await page.OpenAsync($"/devices/{far.Uuid}?tab=health");
        await Expect(checks).ToContainTextAsync("Not known: The cloudlink was never up.");
        await Expect(checks).ToContainTextAsync("Not known: The device has never asked for its target state.");
        await checks.GetByRole(AriaRole.Button, new() { Name = "Run checks" }).ClickAsync();
        await Expect(checks).ToContainTextAsync("Not known: Not asked: the cloudlink is down.");
    }

    [Fact]
    public async Task An_action_waits_for_a_device_that_is_away_can_be_cancelled_and_is_done_when_it_is_back_and_the_log_tells_by_whom()
    {
        using var fleet = await TestFleet.CreateAsync(server, "lamps-to-wait-for");
        var device = await fleet.AddDeviceAsync("lamp");
        await device.PollAsync();
        var page = await OpenAsync(device);
        // One row of actions: the dialog offers to queue what cannot be done now.
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "Reboot" })).ToHaveCountAsync(1);
        var dialog = page.GetByRole(AriaRole.Dialog);
        await page.GetByRole(AriaRole.Button, new() { Name = "Blink" }).ClickAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Blink when it is back" }).ClickAsync();
        await Expect(page.GetByText("Blink is queued: it is done when the device is back.")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Reboot", Exact = true }).ClickAsync();
        await Expect(dialog).ToContainTextAsync("It is done once, as soon as the device is back");
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Reboot when it is back" }).ClickAsync();
        var queue = page.GetByRole(AriaRole.Region, new() { Name = "Queued actions" });
        await Expect(queue.GetByRole(AriaRole.Row)).ToHaveCountAsync(3);
        await page.AssertAccessibleAsync();
        await queue.GetByRole(AriaRole.Button, new() { Name = "Cancel blink" }).ClickAsync();
        await Expect(queue.GetByRole(AriaRole.Row).Filter(new() { HasText = "blink" })).ToContainTextAsync("cancelled");

        await started.ConnectAsync(device);
        await Expect(queue.GetByRole(AriaRole.Row).Filter(new() { HasText = "reboot" })).ToContainTextAsync("The device answered 200.");
        Assert.Equal(["""{"force":false}"""], started.CallsOf(device, "/v1/reboot"));
        Assert.Empty(started.CallsOf(device, "/v1/blink"));

        await page.GetByRole(AriaRole.Main).GetByRole(AriaRole.Link, new() { Name = "Audit" }).ClickAsync();
        await Expect(page).ToHaveTitleAsync("Audit · Muster");
        var rows = page.GetByRole(AriaRole.Row);
        await Expect(rows).ToHaveCountAsync(5);
        await Expect(rows.Nth(1)).ToContainTextAsync(new Regex("admin.*action.reboot.*queued action.*lamp.*127.0.0.1.*done \\(200\\)", RegexOptions.Singleline));
        await page.GetByLabel("What", new() { Exact = true }).FocusAsync();
        await page.Mouse.MoveAsync(1, 1);
        await page.AssertAccessibleAsync();
        await page.GetByLabel("What", new() { Exact = true }).FillAsync("cancel");
        await page.GetByRole(AriaRole.Button, new() { Name = "Filter" }).ClickAsync();
        await Expect(rows).ToHaveCountAsync(2);
        var csv = await (await page.APIRequest.GetAsync(await page.GetByRole(AriaRole.Link, new() { Name = "CSV" }).GetAttributeAsync("href") ?? "")).TextAsync();
        Assert.Contains($"action.cancel,{device.Uuid},lamp,127.0.0.1,done,", csv, StringComparison.Ordinal);
        await page.GetByLabel("Who", new() { Exact = true }).FillAsync("nobody");
        await page.GetByRole(AriaRole.Button, new() { Name = "Filter" }).ClickAsync();
        await Expect(page.GetByText("Nothing on record matches.")).ToBeVisibleAsync();
    }

    private async Task<IPage> OpenAsync(TestDevice device, string tab = "")
    {
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/devices/{device.Uuid}{tab}");
        await Expect(page).ToHaveTitleAsync("lamp · Muster");
        return page;
    }

    /// <summary>A server with a tunnel server beside it, behind which supervisors do what they are asked.</summary>
    public sealed class Server : IAsyncLifetime
    {
        private readonly ConcurrentQueue<SupervisorCall> calls = new();
        private TunnelServer tunnel = null!;
        private string key = "";
        private long instance;

        internal ServerProcess Process { get; private set; } = null!;

        internal IEnumerable<SupervisorCall> Calls => calls;

        /// <summary>The device of which a service holds an update lock.</summary>
        internal string? Locked { get; set; }

        /// <summary>The bodies of what the device was asked at the path.</summary>
        internal IEnumerable<string> CallsOf(TestDevice device, string path) =>
            calls.Where(call => call.Target == $"{device.Uuid}.balena:48484" && call.Url == $"{path}?apikey=supsecret").Select(call => call.Body);

        public async ValueTask InitializeAsync()
        {
            tunnel = new(call =>
            {
                calls.Enqueue(call);
                if (Locked is { } locked && call.Target.StartsWith(locked, StringComparison.Ordinal) && call.Method == "POST" && !call.Body.Contains("\"force\":true", StringComparison.Ordinal))
                    return TunnelServer.Http(423, "application/json", """{"Data":"","Error":"Updates are locked"}""");
                return call.Url.StartsWith("/v2/state/status", StringComparison.Ordinal)
                    ? TunnelServer.Http(200, "application/json", """{"status":"success","appState":"applied"}""")
                    : TunnelServer.Http(200, "text/plain", "OK");
            });
            Process = await ServerProcess.StartAsync(TestDatabases.Sqlite, $"--Cloudlink:ProxyPort={tunnel.Port.ToString(CultureInfo.InvariantCulture)}");
            key = await Process.RunAsync("key", "add", "tests");
            using var http = Http();
            using var made = await http.PostAsJsonAsync("/v7/service_instance", new { ip_address = "127.0.0.1" });
            instance = (long)(await made.Content.ReadFromJsonAsync<JsonNode>())!["id"]!;
        }

        public async ValueTask DisposeAsync()
        {
            await Process.DisposeAsync();
            tunnel.Dispose();
        }

        /// <summary>The device's cloudlink comes up, as a tunnel server tells it.</summary>
        internal async Task ConnectAsync(TestDevice device)
        {
            await device.ReportAsync(new() { ["api_port"] = 48484, ["api_secret"] = "supsecret" });
            await TellAsync(device, connected: true);
        }

        internal Task DisconnectAsync(TestDevice device) => TellAsync(device, connected: false);

        private async Task TellAsync(TestDevice device, bool connected)
        {
            using var http = Http();
            using var told = await http.PostAsJsonAsync($"/services/vpn/client-{(connected ? "connect" : "disconnect")}", new { serviceId = instance, uuids = new[] { device.Uuid }, connected });
            Assert.True(told.IsSuccessStatusCode);
        }

        private HttpClient Http() => new() { BaseAddress = Process.Address, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", key) } };
    }
}
