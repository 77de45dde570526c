using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
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

        // Closed with its page, and found again on another.
        await page.OpenAsync("/");
        await page.GetByRole(AriaRole.Button, new() { Name = "Finished jobs" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Reboot 1 done, 1 failed" }).ClickAsync();
        await Expect(dialog).ToContainTextAsync("1 done, 1 failed");
        var csv = await page.APIRequest.GetAsync(await dialog.GetByRole(AriaRole.Link, new() { Name = "CSV" }).GetAttributeAsync("href") ?? "");
        Assert.Equal(
            ["id,uuid,name,result,detail", $"{far.Id},{far.Uuid},far,failed,\"Reboot needs the cloudlink, which was never up.\"", $"{near.Id},{near.Uuid},near,done,"],
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

    /// <summary>A server with a tunnel server beside it, behind which supervisors do what they are asked.</summary>
    public sealed class Server : IAsyncLifetime
    {
        private readonly ConcurrentQueue<SupervisorCall> calls = new();
        private TunnelServer tunnel = null!;
        private string key = "";

        internal ServerProcess Process { get; private set; } = null!;

        internal IEnumerable<SupervisorCall> Calls => calls;

        public async ValueTask InitializeAsync()
        {
            tunnel = new(call =>
            {
                calls.Enqueue(call);
                return call.Url.StartsWith("/v2/state/status", StringComparison.Ordinal)
                    ? TunnelServer.Http(200, "application/json", """{"status":"success","appState":"applied"}""")
                    : TunnelServer.Http(200, "text/plain", "OK");
            });
            Process = await ServerProcess.StartAsync(TestDatabases.Sqlite, $"--Cloudlink:ProxyPort={tunnel.Port.ToString(CultureInfo.InvariantCulture)}");
            key = await Process.RunAsync("key", "add", "tests");
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
            using var http = new HttpClient { BaseAddress = Process.Address, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", key) } };
            using var made = await http.PostAsJsonAsync("/v7/service_instance", new { ip_address = "127.0.0.1" });
            var instance = (long)(await made.Content.ReadFromJsonAsync<JsonNode>())!["id"]!;
            using var told = await http.PostAsJsonAsync("/services/vpn/client-connect", new { serviceId = instance, uuids = new[] { device.Uuid }, connected = true });
            Assert.True(told.IsSuccessStatusCode);
        }
    }
}
