using System.Text.Json;
using Microsoft.Playwright;

namespace Muster.EndToEnd.Tests.Dashboard;

/// <summary>What tests of the pages do again and again.</summary>
internal static class Pages
{
    private static readonly Lazy<string> Axe = new(() => File.ReadAllText(Path.Combine(Repository.Root, "tests/clients/node_modules/axe-core/axe.min.js")));

    /// <summary>Signs in as a person would, and waits for the first page to be live.</summary>
    public static async Task SignInAsync(this IPage page, string email = ServerProcess.Email, string password = ServerProcess.Password)
    {
        await page.GotoAsync("/login");
        await page.GetByLabel("Email or name").FillAsync(email);
        await page.GetByLabel("Password").FillAsync(password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.WaitForURLAsync("**/");
    }

    /// <summary>Opens one of our pages and waits until it is live.</summary>
    public static async Task OpenAsync(this IPage page, string path)
    {
        await page.GotoAsync(path);
        await page.UntilLiveAsync();
    }

    /// <summary>Until the page's circuit has taken over from what was rendered beforehand.</summary>
    public static async Task UntilLiveAsync(this IPage page) => await page.Locator("main[data-live=true]").WaitForAsync();

    /// <summary>No finding of axe-core that is serious or worse.</summary>
    public static async Task AssertAccessibleAsync(this IPage page)
    {
        await page.EvaluateAsync(Axe.Value);
        var findings = await page.EvaluateAsync<JsonElement>(
            """
            async () => {
              // A button that just changed is on its way from one colour to the other.
              await Promise.allSettled(document.getAnimations().filter(a => Number.isFinite(a.effect.getComputedTiming().endTime)).map(a => a.finished));
              return (await axe.run()).violations
                .filter(v => v.impact === 'serious' || v.impact === 'critical')
                .map(v => `${v.id}: ${v.help} at ${v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join('; ')}`);
            }
            """);
        var told = string.Join('\n', findings.EnumerateArray().Select(f => f.GetString()));
        Assert.True(told.Length == 0, told);
    }

    /// <summary>The README's pictures; written by every run.</summary>
    public static Task PictureAsync(this IPage page, string name) =>
        page.ScreenshotAsync(new() { Path = Path.Combine(Repository.Root, "docs/images", name + ".png"), Animations = ScreenshotAnimations.Disabled });
}
