using Microsoft.Playwright;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

public sealed class AccountPageTests(Browser browser)
{
    private const string Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone@laptop";

    [Fact]
    public async Task A_person_adds_and_removes_SSH_keys_and_switches_a_devices_public_address()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite, "--Cloudlink:DeviceUrls:Domain=devices.test");
        using var fleet = await TestFleet.CreateAsync(server, "lamps");
        var device = await fleet.AddDeviceAsync("lamp");
        var page = await browser.OpenAsync(server.Address, width: 360);
        await page.SignInAsync();
        await page.OpenAsync("/account");
        await Expect(page.GetByText("No keys yet.")).ToBeVisibleAsync();

        await page.GetByLabel("Title").FillAsync("laptop");
        await page.GetByLabel("Public key").FillAsync("nonsense");
        await page.GetByRole(AriaRole.Button, new() { Name = "Add the key" }).ClickAsync();
        await Expect(page.GetByText("public_key is no SSH public key")).ToBeVisibleAsync();
        await page.GetByLabel("Public key").FillAsync(Key);
        await page.GetByRole(AriaRole.Button, new() { Name = "Add the key" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Row).Filter(new() { HasText = "laptop" })).ToContainTextAsync("someone@laptop");
        await page.AssertAccessibleAsync();
        Assert.Equal(Key, (string?)(await fleet.RowsAsync("user__has__public_key?$select=public_key"))[0]!["public_key"]);
        await page.GetByRole(AriaRole.Button, new() { Name = "Remove laptop" }).ClickAsync();
        await Expect(page.GetByText("No keys yet.")).ToBeVisibleAsync();

        await page.OpenAsync($"/devices/{device.Uuid}?tab=settings");
        await page.GetByRole(AriaRole.Button, new() { Name = "Switch on the public address" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = $"https://{device.Uuid}.devices.test" })).ToBeVisibleAsync();
        await page.AssertAccessibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Switch off the public address" }).ClickAsync();
        await Expect(page.GetByText("nobody reaches port 80")).ToBeVisibleAsync();
    }
}
