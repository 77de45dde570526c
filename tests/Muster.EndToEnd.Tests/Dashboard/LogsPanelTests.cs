using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

public sealed class LogsPanelTests(Browser browser)
{
    [Fact]
    public async Task Lines_come_live_and_are_filtered_timed_held_cleared_and_downloaded()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite);
        using var fleet = await TestFleet.CreateAsync(server, "lamps");
        var release = await fleet.ReleaseAsync("a1b2c3d4e5f60718293a4b5c6d7e8f9012345678", "main");
        var device = await fleet.AddDeviceAsync("lamp");
        var begin = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        await device.LogAsync(Line(begin, "Supervisor starting", isSystem: true));
        var page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/devices/{device.Uuid}?tab=logs");
        var lines = page.GetByRole(AriaRole.Log).Locator("div");
        await Expect(lines).ToContainTextAsync(["[system]Supervisor starting"]);

        await device.LogAsync(Line(begin + 1, "lit <b>bright</b>", release.ServiceId), Line(begin + 2, "bulb too hot", release.ServiceId, isError: true));
        await Expect(lines).ToContainTextAsync(["Supervisor starting", "[main]lit <b>bright</b>", "[main, error]bulb too hot"], new() { Timeout = (float)Machine.Stretched(TimeSpan.FromSeconds(2)).TotalMilliseconds });

        await page.GetByLabel("Filter lines by text").FillAsync("BRIGHT");
        await Expect(lines).ToContainTextAsync(["lit <b>bright</b>"]);
        await page.GetByLabel("Filter lines by text").FillAsync("");
        await page.GetByLabel("Errors only").CheckAsync();
        await Expect(lines).ToContainTextAsync(["bulb too hot"]);
        await page.GetByLabel("Errors only").UncheckAsync();
        await page.GetByLabel("Lines of").SelectOptionAsync("Supervisor and system");
        await Expect(lines).ToContainTextAsync(["Supervisor starting"]);
        await page.GetByLabel("Lines of").SelectOptionAsync("main");
        await Expect(lines).ToContainTextAsync(["lit <b>bright</b>", "bulb too hot"]);
        await page.GetByLabel("Lines of").SelectOptionAsync("All lines");

        // The browser of these tests is in Berlin.
        await Expect(lines.First.Locator("time")).ToHaveTextAsync(TimeZoneInfo.ConvertTime(At(begin), TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin")).ToString("dd/MM/yyyy, HH:mm:ss", CultureInfo.InvariantCulture));
        await page.GetByLabel("UTC").CheckAsync();
        await Expect(lines.First.Locator("time")).ToHaveTextAsync(At(begin).ToString("yyyy-MM-dd HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        await page.AssertAccessibleAsync();

        await page.GetByRole(AriaRole.Button, new() { Name = "Pause" }).ClickAsync();
        await device.LogAsync(Line(begin + 3, "while held", release.ServiceId));
        var download = await DownloadAsync(page, until: "while held");
        Assert.Equal(
            [
                $"{Iso(begin)} [system] Supervisor starting",
                $"{Iso(begin + 1)} [main] lit <b>bright</b>",
                $"{Iso(begin + 2)} [main] bulb too hot",
                $"{Iso(begin + 3)} [main] while held",
            ],
            download);
        // It is there, and not shown before the person follows again.
        await Expect(lines).ToHaveCountAsync(3);
        await page.GetByRole(AriaRole.Button, new() { Name = "Follow" }).ClickAsync();
        await Expect(lines).ToHaveCountAsync(4);

        await page.GetByRole(AriaRole.Button, new() { Name = "Clear" }).ClickAsync();
        await Expect(lines).ToContainTextAsync(["No lines yet."]);
        await device.LogAsync(Line(begin + 4, "after all that", release.ServiceId));
        await Expect(lines).ToContainTextAsync(["after all that"]);
    }

    /// <summary>The lines of the downloaded file, downloaded again until one of them ends so.</summary>
    private static async Task<string[]> DownloadAsync(IPage page, string until)
    {
        while (true)
        {
            var download = await page.RunAndWaitForDownloadAsync(() => page.GetByRole(AriaRole.Button, new() { Name = "Download" }).ClickAsync());
            Assert.Equal("lamp-log.txt", download.SuggestedFilename);
            var lines = (await File.ReadAllTextAsync(await download.PathAsync())).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            if (lines[^1].EndsWith(until, StringComparison.Ordinal))
                return lines;
        }
    }

    private static JsonObject Line(long at, string message, long? service = null, bool isSystem = false, bool isError = false)
    {
        var line = new JsonObject { ["message"] = message, ["timestamp"] = at, ["isSystem"] = isSystem, ["isStdErr"] = isError };
        if (service is { } id)
            line["serviceId"] = id;
        return line;
    }

    private static DateTimeOffset At(long at) => DateTimeOffset.FromUnixTimeMilliseconds(at);

    private static string Iso(long at) => At(at).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
