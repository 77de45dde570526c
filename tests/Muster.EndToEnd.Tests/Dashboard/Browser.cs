using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(Muster.EndToEnd.Tests.Dashboard.Browser))]

namespace Muster.EndToEnd.Tests.Dashboard;

/// <summary>Debian's Chromium, started once for all tests of the pages.</summary>
public sealed class Browser : IAsyncLifetime
{
    /// <summary>How long a page may take on a machine that is busy with something else; only a failure waits so long.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private IPlaywright? playwright;
    private IBrowser? chromium;

    public async ValueTask InitializeAsync()
    {
        Assertions.SetDefaultExpectTimeout((float)Patience.TotalMilliseconds);
        playwright = await Playwright.CreateAsync();
        chromium = await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = "/usr/bin/chromium",
            // No connection of Chromium's own: only the pages under test are loaded.
            Args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        });
    }

    /// <summary>A fresh profile with one empty page that knows the server's address.</summary>
    public async Task<IPage> OpenAsync(Uri server, ColorScheme theme = ColorScheme.Light, int width = 1400, int height = 900)
    {
        var context = await chromium!.NewContextAsync(new()
        {
            BaseURL = server.ToString(),
            ColorScheme = theme,
            ViewportSize = new() { Width = width, Height = height },
            TimezoneId = "Europe/Berlin",
            Locale = "en-GB",
        });
        context.SetDefaultTimeout((float)Patience.TotalMilliseconds);
        return await context.NewPageAsync();
    }

    /// <summary>A page that is far from the server: whatever it sends over its WebSocket takes longer than a few strokes of the keyboard.</summary>
    public async Task<IPage> OpenFarAwayAsync(Uri server)
    {
        var page = await OpenAsync(server);
        await page.AddInitScriptAsync(
            """
            const send = WebSocket.prototype.send;
            WebSocket.prototype.send = function (data) { setTimeout(() => send.call(this, data), 400); };
            """);
        return page;
    }

    public async ValueTask DisposeAsync()
    {
        if (chromium is not null)
            await chromium.DisposeAsync();
        playwright?.Dispose();
    }
}
