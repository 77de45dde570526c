using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

public sealed class AccountPageTests(Browser browser, AccountPageTests.Server started) : IClassFixture<AccountPageTests.Server>
{
    private const string Password = "pleasant horse 7";
    private const string Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone@laptop";

    private readonly ServerProcess server = started.Process;

    [Fact]
    public async Task A_session_ends_by_its_button_and_all_others_by_a_change_of_the_password()
    {
        await server.RunAsync("user", "add", "paula@muster.test", "--password", Password);
        var (here, there) = (await browser.OpenAsync(server.Address), await browser.OpenAsync(server.Address));
        await there.SignInAsync("paula@muster.test", Password);
        await there.OpenAsync("/devices");
        await here.SignInAsync("paula@muster.test", Password);
        await here.OpenAsync("/account");
        await here.AssertAccessibleAsync();
        var rows = here.GetByRole(AriaRole.Region, new() { Name = "Sessions" }).Locator("tbody tr");
        await Expect(rows).ToHaveCountAsync(2);
        await Expect(rows.Filter(new() { HasText = "this one" })).ToHaveCountAsync(1);
        await Expect(rows.First).ToContainTextAsync("127.0.0.1");
        await rows.Filter(new() { HasNotText = "this one" }).GetByRole(AriaRole.Button, new() { NameRegex = new("^End the session of") }).ClickAsync();
        await IsSignedOutAsync(there);
        await Expect(rows).ToHaveCountAsync(1);

        await there.SignInAsync("paula@muster.test", Password);
        await there.OpenAsync("/devices");
        var client = await TokenAsync(Password);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(client));
        await ChangePasswordAsync(here, Password, "quick brown fox 8", "quick brown fox 9");
        await Expect(here.GetByText("The new passwords differ.")).ToBeVisibleAsync();
        await ChangePasswordAsync(here, "not the password", "quick brown fox 8", "quick brown fox 8");
        await Expect(here.GetByText("The current password is wrong.")).ToBeVisibleAsync();
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(client));
        await ChangePasswordAsync(here, Password, "quick brown fox 8", "quick brown fox 8");
        await Expect(here.GetByText("The password was changed.")).ToBeVisibleAsync();
        await IsSignedOutAsync(there);
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(client));

        // The session that changed it goes on; the old password opens nothing any more.
        Assert.Null(await TokenAsync(Password));
        await here.OpenAsync("/account");
        await Expect(rows).ToHaveCountAsync(1);
        Assert.NotNull(await TokenAsync("quick brown fox 8"));
        await rows.GetByRole(AriaRole.Button).ClickAsync();
        await IsSignedOutAsync(here);
    }

    [Fact]
    public async Task An_API_key_is_shown_once_and_ends_on_its_date_which_can_be_changed()
    {
        await server.RunAsync("user", "add", "karl@muster.test", "--password", Password);
        var page = await browser.OpenFarAwayAsync(server.Address);
        await page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        await page.SetViewportSizeAsync(360, 740);
        await page.SignInAsync("karl@muster.test", Password);
        await page.OpenAsync("/account");
        var keys = page.GetByRole(AriaRole.Region, new() { Name = "API keys" });
        await keys.GetByLabel("Key name").FillAsync("backup script");
        await keys.GetByLabel("Description").FillAsync("runs each night");
        await keys.GetByLabel("Expires on").FillAsync("2999-12-31");
        await keys.GetByRole(AriaRole.Button, new() { Name = "Create the key" }).ClickAsync();
        var key = (await keys.GetByRole(AriaRole.Status).Locator("pre").TextContentAsync())!.Trim();
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(key));
        var row = keys.Locator("tbody tr");
        await Expect(row).ToContainTextAsync("2999-12-31 UTC");
        Assert.Equal(360, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"));

        await page.OpenAsync("/account");
        await Expect(row).ToContainTextAsync("runs each night");
        await Expect(keys).Not.ToContainTextAsync(key);
        // A year that is typed is the year 2, 20 and 203 first: the key must not end in them.
        await row.GetByRole(AriaRole.Button, new() { Name = "Change when backup script expires" }).ClickAsync();
        await page.AssertAccessibleAsync();
        await row.GetByLabel("Expiry date of backup script").PressSequentiallyAsync("02022030", new() { Delay = 100 });
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(key));
        await row.GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();
        await Expect(row).ToContainTextAsync("2030-02-02 UTC");
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(key));

        await ExpireAsync(row, "2020-01-01");
        await Expect(row).ToContainTextAsync("expired");
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(key));
        await ExpireAsync(row, "");
        await Expect(row).ToContainTextAsync("never");
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(key));
        await row.GetByRole(AriaRole.Button, new() { Name = "Revoke backup script" }).ClickAsync();
        await Expect(keys).ToContainTextAsync("No API keys yet.");
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(key));
    }

    [Fact]
    public async Task An_invited_person_learns_of_it_and_joins_by_accepting_only()
    {
        using var fleet = await TestFleet.CreateAsync(server, "invites");
        await fleet.CreateAsync("organization", new JsonObject { ["name"] = "Night Shift", ["handle"] = "nights" });
        await server.RunAsync("user", "add", "nina@muster.test", "--password", Password);
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync("/organizations/nights");
        var pending = page.GetByRole(AriaRole.Listitem).Filter(new() { HasText = "nina" });

        // By e-mail address; the link leads through the sign-in, and the invite is declined.
        var link = await InviteAsync(page, "nina@muster.test", "operator");
        await Expect(pending).ToContainTextAsync("nina@muster.test as operator, expires in 6 d 23 h");
        await page.AssertAccessibleAsync();
        var nina = await browser.OpenAsync(server.Address, ColorScheme.Dark, width: 360, height: 740);
        await nina.GotoAsync(link);
        await nina.GetByLabel("Email or name").FillAsync("nina");
        await nina.GetByLabel("Password").FillAsync(Password);
        await nina.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await nina.WaitForURLAsync("**" + link);
        await nina.UntilLiveAsync();
        var invite = nina.GetByRole(AriaRole.Region, new() { Name = "Invite to Night Shift" });
        await Expect(invite).ToContainTextAsync("admin invites you to become operator.");
        await Expect(invite).ToContainTextAsync("Expires in 6 d 23 h");
        await nina.AssertAccessibleAsync();
        Assert.Equal(360, await nina.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        await invite.GetByRole(AriaRole.Button, new() { Name = "Decline" }).ClickAsync();
        await Expect(nina.GetByText("This invite has ended")).ToBeVisibleAsync();
        await nina.OpenAsync("/organizations");
        await Expect(nina.GetByText("You belong to no organization yet.")).ToBeVisibleAsync();

        // By name; revoked before she comes.
        await page.OpenAsync("/organizations/nights");
        await Expect(pending).ToHaveCountAsync(0);
        link = await InviteAsync(page, "nina", "observer");
        await page.GetByRole(AriaRole.Button, new() { Name = "Revoke the invite of nina" }).ClickAsync();
        await Expect(pending).ToHaveCountAsync(0);
        await nina.OpenAsync(link);
        await Expect(nina.GetByText("This invite has ended")).ToBeVisibleAsync();

        // Without the link every page tells her of it, until she has answered.
        link = await InviteAsync(page, "NINA", "developer");
        await nina.OpenAsync("/");
        await nina.GetByRole(AriaRole.Link, new() { Name = "See the invite" }).ClickAsync();
        await invite.GetByRole(AriaRole.Button, new() { Name = "Accept" }).ClickAsync();
        await nina.WaitForURLAsync("**/organizations/nights");
        await Expect(nina.GetByRole(AriaRole.Link, new() { Name = "New fleet" })).ToBeVisibleAsync();
        await Expect(nina.GetByText("You are invited")).ToHaveCountAsync(0);
        await page.OpenAsync(link);
        await Expect(page.GetByText("This invite has ended")).ToBeVisibleAsync();
        await page.OpenAsync("/organizations/nights");
        await Expect(page.GetByLabel("Role of nina")).ToHaveValueAsync("developer");
        await Expect(page.GetByText("Pending invites")).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task A_person_adds_and_removes_SSH_keys_and_switches_a_devices_public_address()
    {
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

    /// <summary>One server for all of them; each has a person of its own.</summary>
    public sealed class Server : IAsyncLifetime
    {
        internal ServerProcess Process { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Process = await ServerProcess.StartAsync(TestDatabases.Sqlite, "--Cloudlink:DeviceUrls:Domain=devices.test");

        public ValueTask DisposeAsync() => Process.DisposeAsync();
    }

    /// <summary>An open page goes by itself when its session has ended.</summary>
    private static Task IsSignedOutAsync(IPage page) =>
        Expect(page).ToHaveURLAsync(new Regex("/login"), new() { Timeout = (float)Machine.Stretched(TimeSpan.FromSeconds(10)).TotalMilliseconds });

    private static async Task ChangePasswordAsync(IPage page, string current, string fresh, string again)
    {
        await page.GetByLabel("Current password").FillAsync(current);
        await page.GetByLabel("New password", new() { Exact = true }).FillAsync(fresh);
        await page.GetByLabel("New password, again").FillAsync(again);
        await page.GetByRole(AriaRole.Button, new() { Name = "Change the password" }).ClickAsync();
    }

    private static async Task ExpireAsync(ILocator key, string date)
    {
        await key.GetByRole(AriaRole.Button, new() { NameRegex = new("^Change") }).ClickAsync();
        await key.GetByLabel("Expiry date").FillAsync(date);
        await key.GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();
    }

    /// <summary>Returns the path of the link that is shown once.</summary>
    private static async Task<string> InviteAsync(IPage page, string person, string role)
    {
        await page.GetByLabel("Email or name").FillAsync(person);
        await page.GetByLabel("Role", new() { Exact = true }).SelectOptionAsync(role);
        await page.GetByRole(AriaRole.Button, new() { Name = "Invite", Exact = true }).ClickAsync();
        var made = page.GetByRole(AriaRole.Status).Filter(new() { HasText = $"{person} sees the invite" });
        return new Uri((await made.Locator("pre").TextContentAsync())!.Trim()).AbsolutePath;
    }

    /// <summary>Of a session of Paula's; null when she is not let in.</summary>
    private async Task<string?> TokenAsync(string password)
    {
        using var http = new HttpClient { BaseAddress = server.Address };
        using var answer = await http.PostAsJsonAsync("/login_", new { username = "paula@muster.test", password });
        return answer.IsSuccessStatusCode ? await answer.Content.ReadAsStringAsync() : null;
    }

    /// <summary>What the API answers to who comes with this token or key.</summary>
    private async Task<HttpStatusCode> StatusAsync(string? token)
    {
        using var http = new HttpClient { BaseAddress = server.Address, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", token) } };
        using var answer = await http.GetAsync("/user/v1/whoami");
        return answer.StatusCode;
    }
}
