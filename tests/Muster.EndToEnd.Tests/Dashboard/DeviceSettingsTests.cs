using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

/// <summary>What people change of a device: seldom, for good, or while another looks.</summary>
public sealed class DeviceSettingsTests(Browser browser, DeviceSettingsTests.Server started) : IClassFixture<DeviceSettingsTests.Server>
{
    private readonly ServerProcess server = started.Process;

    [Fact]
    public async Task A_device_is_placed_opened_to_support_rested_moved_and_deleted()
    {
        using var old = await TestFleet.CreateAsync(server, "old-pier");
        using var next = await TestFleet.CreateAsync(server, "new-pier");
        var device = await old.AddDeviceAsync("lamp");
        await device.PollAsync();
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/devices/{device.Uuid}?tab=settings");

        var location = page.GetByRole(AriaRole.Region, new() { Name = "Location" });
        await location.GetByLabel("Latitude").FillAsync("91");
        await location.GetByLabel("Longitude").FillAsync("13.4050");
        await location.GetByRole(AriaRole.Button, new() { Name = "Set" }).ClickAsync();
        await Expect(location.GetByRole(AriaRole.Alert)).ToContainTextAsync("degrees between -90 and 90");
        await location.GetByLabel("Latitude").FillAsync("52.5200");
        await location.GetByRole(AriaRole.Button, new() { Name = "Set" }).ClickAsync();
        await Expect(location).ToContainTextAsync("52.5200, 13.4050");
        Assert.Equal(("52.5200", "13.4050"), ((string)(await FieldAsync("custom_latitude"))!, (string)(await FieldAsync("custom_longitude"))!));
        await location.GetByRole(AriaRole.Button, new() { Name = "Clear" }).ClickAsync();
        await Expect(location).Not.ToContainTextAsync("52.5200");
        Assert.Equal("", (string)(await FieldAsync("custom_latitude"))!);

        var settings = page.GetByRole(AriaRole.Region, new() { Name = "Settings" });
        await settings.GetByRole(AriaRole.Button, new() { Name = "Grant for a week" }).ClickAsync();
        await Expect(settings).ToContainTextAsync("Granted until");
        var until = DateTimeOffset.Parse((string)(await FieldAsync("is_accessible_by_support_until__date"))!, CultureInfo.InvariantCulture);
        Assert.InRange(until, DateTimeOffset.UtcNow.AddDays(7).AddMinutes(-2), DateTimeOffset.UtcNow.AddDays(7));
        await settings.GetByRole(AriaRole.Button, new() { Name = "Revoke" }).ClickAsync();
        await Expect(settings).ToContainTextAsync("Not granted.");
        Assert.Null(await FieldAsync("is_accessible_by_support_until__date"));

        await settings.GetByRole(AriaRole.Button, new() { Name = "Deactivate" }).ClickAsync();
        await Expect(settings.GetByRole(AriaRole.Alert)).ToContainTextAsync("only a device that is offline can be deactivated");
        Assert.Equal((true, "reduced-functionality"), ((bool)(await FieldAsync("is_active"))!, (string)(await FieldAsync("overall_status"))!));

        await settings.GetByLabel("Fleet to move to").SelectOptionAsync(next.Slug);
        await settings.GetByRole(AriaRole.Button, new() { Name = "Move" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Navigation, new() { Name = "Place" })).ToContainTextAsync("new-pier");
        Assert.Equal(next.Id, (long)(await FieldAsync("belongs_to__application"))!["__id"]!);

        // Whatever stands as the page's heading until the end is written down.
        await page.EvaluateAsync(
            """
            () => { window.headings = []; new MutationObserver(() => {
                const heading = document.querySelector('h1')?.textContent;
                if (heading && heading !== window.headings.at(-1)) window.headings.push(heading);
            }).observe(document.body, { childList: true, subtree: true, characterData: true }); }
            """);
        await settings.GetByRole(AriaRole.Button, new() { Name = "Delete the device…" }).ClickAsync();
        var dialog = page.GetByRole(AriaRole.Dialog);
        var delete = dialog.GetByRole(AriaRole.Button, new() { Name = "Delete", Exact = true });
        await dialog.GetByLabel("Name of the device to delete").FillAsync("lam");
        await Expect(delete).ToBeDisabledAsync();
        await dialog.GetByLabel("Name of the device to delete").FillAsync("lamp");
        await page.AssertAccessibleAsync();
        await delete.ClickAsync();
        await page.WaitForURLAsync("**/devices?*");
        await Expect(page.Locator("h1")).ToHaveTextAsync("Devices");
        Assert.Equal(["lamp", "Devices"], await page.EvaluateAsync<string[]>("window.headings"));
        Assert.Empty(await next.RowsAsync($"device?$select=id&$filter=uuid eq '{device.Uuid}'"));

        async Task<JsonNode?> FieldAsync(string name) => (await old.RowsAsync($"device({device.Id})?$select={name}"))[0]![name];
    }

    [Fact]
    public async Task What_one_person_or_program_changes_the_other_sees_without_a_reload()
    {
        using var fleet = await TestFleet.CreateAsync(server, "shared-pier");
        var device = await fleet.AddDeviceAsync("lamp");
        var (one, other) = (await browser.OpenAsync(server.Address), await browser.OpenAsync(server.Address));
        foreach (var page in (IPage[])[one, other])
        {
            await page.SignInAsync();
            await page.OpenAsync($"/devices/{device.Uuid}");
        }

        await other.EvaluateAsync("window.stays = true");
        var soon = new LocatorAssertionsToContainTextOptions { Timeout = (float)Machine.Stretched(TimeSpan.FromSeconds(2)).TotalMilliseconds };
        await one.GetByRole(AriaRole.Button, new() { Name = "Rename the device" }).ClickAsync();
        await one.GetByLabel("Name of the device").FillAsync("lantern");
        await one.GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();
        await Expect(other.Locator("h1")).ToContainTextAsync("lantern", soon);
        await Expect(other).ToHaveTitleAsync("lantern · Muster");

        await one.GetByLabel("Tag name").FillAsync("place");
        await one.GetByLabel("Tag value").FillAsync("north");
        await one.GetByRole(AriaRole.Button, new() { Name = "Add tag" }).ClickAsync();
        await Expect(other.GetByRole(AriaRole.Region, new() { Name = "Tags" })).ToContainTextAsync("place: north", soon);
        await one.GetByRole(AriaRole.Button, new() { Name = "Add the note" }).ClickAsync();
        await one.GetByLabel("Text of the note").FillAsync("Behind the door.");
        await one.GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();
        await Expect(other.GetByRole(AriaRole.Region, new() { Name = "Note" })).ToContainTextAsync("Behind the door.", soon);
        await fleet.ChangeAsync($"device({device.Id})", new() { ["note"] = "Beside the door." });
        await Expect(other.GetByRole(AriaRole.Region, new() { Name = "Note" })).ToContainTextAsync("Beside the door.", soon);

        foreach (var page in (IPage[])[one, other])
            await page.GetByRole(AriaRole.Link, new() { Name = "Variables" }).ClickAsync();
        await Expect(other.GetByRole(AriaRole.Region, new() { Name = "Environment for all services" })).ToContainTextAsync("None.");
        var environment = one.GetByRole(AriaRole.Region, new() { Name = "Environment for all services" });
        await environment.GetByLabel("Environment name").FillAsync("MODE");
        await environment.GetByLabel("Environment value").FillAsync("night");
        await environment.GetByRole(AriaRole.Button, new() { Name = "Add" }).ClickAsync();
        await Expect(other.GetByRole(AriaRole.Region, new() { Name = "Environment for all services" })).ToContainTextAsync("night", soon);
        await fleet.CreateAsync("application_environment_variable", new() { ["application"] = fleet.Id, ["name"] = "REGION", ["value"] = "baltic" });
        await Expect(other.GetByRole(AriaRole.Region, new() { Name = "Environment for all services" })).ToContainTextAsync("baltic", soon);
        Assert.True(await other.EvaluateAsync<bool>("window.stays"));
    }

    /// <summary>One server for all of them; each has fleets of its own.</summary>
    public sealed class Server : IAsyncLifetime
    {
        internal ServerProcess Process { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Process = await ServerProcess.StartAsync(TestDatabases.Sqlite);

        public ValueTask DisposeAsync() => Process.DisposeAsync();
    }
}
