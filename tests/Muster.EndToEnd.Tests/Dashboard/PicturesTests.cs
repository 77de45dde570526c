using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Muster.Tests.Storage;

namespace Muster.EndToEnd.Tests.Dashboard;

/// <summary>The README's pictures: the main pages over a living demo. What they show is what a new user sees.</summary>
public sealed class PicturesTests(Browser browser)
{
    [Fact]
    public async Task The_main_pages_are_pictured_light_dark_and_narrow()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite, "--demo=50");
        using var greenhouse = await TestFleet.CreateAsync(server, "greenhouse");
        foreach (var name in (string[])["fern", "moss", "orchid"])
            await (await greenhouse.AddDeviceAsync(name)).PollAsync();
        await greenhouse.AddDeviceAsync("seedling");
        // Until the fleet is as varied as it gets: some run, some update, some are in trouble.
        while (await StatusesAsync(greenhouse) < 5 || (await greenhouse.RowsAsync(Settled)).Count == 0)
            await Task.Delay(500);

        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync("/");
        await page.GetByText("lighthouse").First.WaitForAsync();
        await page.PictureAsync("fleets");
        await page.OpenAsync("/devices");
        await page.GetByRole(AriaRole.Row).Nth(5).WaitForAsync();
        await page.PictureAsync("devices");
        var summary = $"/devices/{(string)(await greenhouse.RowsAsync(Settled))[0]!["uuid"]!}";
        await page.OpenAsync(summary + "?range=1h");
        await page.Locator("muster-chart canvas").First.WaitForAsync();
        await page.PictureAsync("device-summary");

        var dark = await browser.OpenAsync(server.Address, ColorScheme.Dark);
        await dark.SignInAsync();
        await dark.OpenAsync("/devices");
        await dark.GetByRole(AriaRole.Row).Nth(5).WaitForAsync();
        await dark.PictureAsync("devices-dark");

        var phone = await browser.OpenAsync(server.Address, width: 360, height: 740);
        await phone.SignInAsync();
        await phone.OpenAsync(summary);
        await phone.PictureAsync("device-summary-phone");
    }

    /// <summary>A device that has been through an update and runs its release.</summary>
    private const string Settled = "device?$select=uuid&$top=1&$filter=update_status eq 'done' and is_connected_to_vpn eq true and overall_status ne 'disconnected' and is_running__release ne null";

    private static async Task<int> StatusesAsync(TestFleet api) =>
        (await api.RowsAsync("device?$select=overall_status")).Select(d => (string)d!["overall_status"]!).Distinct().Count();
}
