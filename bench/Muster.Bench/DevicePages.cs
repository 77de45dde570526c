using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Muster.Server;
using Muster.Simulator.Devices;

namespace Muster.Bench;

/// <summary>
/// The Devices page in Chromium against a server in this process, on a seeded database (bench/pages.sh): the first page, a
/// changed filter, both again while devices change 50 times a second, and the server's memory for each open page.
/// </summary>
internal static class DevicePages
{
    private const string Email = "admin@muster.test";
    private static readonly string Password = Environment.GetEnvironmentVariable("Admin__Password") ?? throw new InvalidOperationException("Admin__Password is needed.");

    public static async Task RunAsync(string[] args)
    {
        var directory = Option(args, "--data") ?? throw new ArgumentException("--data DIR of a seeded server is needed");
        var devices = int.Parse(Option(args, "--devices") ?? "100000", CultureInfo.InvariantCulture);
        var pages = int.Parse(Option(args, "--pages") ?? "50", CultureInfo.InvariantCulture);
        await using var app = ServerHost.Build(["--urls", "http://127.0.0.1:18391", "--data", directory, "--Admin:Email", Email, "--Admin:Password", Password, "--Logging:LogLevel:Default", "Warning"]);
        await app.StartAsync();
        var server = new Uri(app.Urls.First());
        using (var http = new HttpClient { BaseAddress = server })
        {
            while (!(await http.GetAsync("/readyz")).IsSuccessStatusCode)
                await Task.Delay(200);
        }

        using (var opener = Open(server, "measure", devices))
            await Done(opener);
        using (var stop = new CancellationTokenSource())
        {
            var changes = ChangeAsync(server, devices, stop.Token);
            Console.WriteLine("with 50 transitions a second:");
            using (var opener = Open(server, "measure", devices))
                await Done(opener);
            await stop.CancelAsync();
            var rate = await changes;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {rate:0} transitions a second were made"));
        }

        // Everything that pages need once is there now; what is added from here on is the pages' own.
        var before = Memory();
        using (var opener = Open(server, "hold", pages))
        {
            await opener.StandardOutput.ReadLineAsync();
            await Task.Delay(3_000);
            var after = Memory();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{pages} open pages: {(after.Managed - before.Managed) / 1048576.0 / pages:0.00} MB managed, {(after.Resident - before.Resident) / 1048576.0 / pages:0.00} MB resident each"));
            await opener.StandardInput.WriteLineAsync();
            await opener.WaitForExitAsync();
        }

        await app.StopAsync();
    }

    /// <summary>The browser's side, in a process of its own: <c>measure DEVICES</c> or <c>hold PAGES</c>.</summary>
    public static async Task BrowseAsync(string[] args)
    {
        var (server, task, number) = (args[1], args[2], int.Parse(args[3], CultureInfo.InvariantCulture));
        using var playwright = await Playwright.CreateAsync();
        await using var chromium = await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = "/usr/bin/chromium",
            Args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        });
        var context = await chromium.NewContextAsync(new() { BaseURL = server, ViewportSize = new() { Width = 1400, Height = 900 } });
        context.SetDefaultTimeout(60_000);
        var page = await context.NewPageAsync();
        await page.GotoAsync("/login");
        await page.GetByLabel("Email or name").FillAsync(Email);
        await page.GetByLabel("Password").FillAsync(Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.WaitForURLAsync("**/");
        if (task == "measure")
            await MeasureAsync(page, number);
        else
            await HoldAsync(context, number);
    }

    private static async Task MeasureAsync(IPage page, int devices)
    {
        List<double> first = [];
        for (var i = 0; i < 6; i++)
        {
            await page.GotoAsync("/devices", new() { WaitUntil = WaitUntilState.Commit });
            // From the start of the navigation, as the browser counts.
            var span = await page.EvaluateAsync<double>("() => new Promise(done => { const look = () => document.querySelector('.device-table a[data-open]') ? done(performance.now()) : requestAnimationFrame(look); look(); })");
            if (i > 0)
                first.Add(span);
        }

        Say("first page", first);
        string Name(int n) => string.Create(CultureInfo.InvariantCulture, $"device-{n:0000000}");
        List<double> search = [], chip = [], sort = [], scroll = [];
        for (var i = 0; i < 8; i++)
        {
            var wanted = Name((devices / 10 * i) + 1234);
            search.Add(await TimedAsync(page, "name => { const box = document.querySelector('.search input'); box.value = name; box.dispatchEvent(new Event('input', { bubbles: true })); }", wanted, wanted));
            await TimedAsync(page, "() => { const box = document.querySelector('.search input'); box.value = ''; box.dispatchEvent(new Event('input', { bubbles: true })); }", "", Name(0));
            // A link to a view, as a chip or a saved view is: the address changes, then the rows.
            await page.EvaluateAsync("url => { document.querySelector('#bench')?.remove(); const link = document.createElement('a'); link.id = 'bench'; link.href = url; document.body.append(link); }", $"/devices?f=ip~contains~10.0.{i + 1}.7");
            chip.Add(await TimedAsync(page, "() => document.querySelector('#bench').click()", "", Name(((i + 1) * 256) + 7)));
            await page.EvaluateAsync("() => { document.querySelector('#bench').href = '/devices?sort=-name'; }");
            sort.Add(await TimedAsync(page, "() => document.querySelector('#bench').click()", "", Name(devices - 1)));
            await page.EvaluateAsync("() => { document.querySelector('#bench').href = '/devices'; }");
            await TimedAsync(page, "() => document.querySelector('#bench').click()", "", Name(0));
            var target = Name(devices / 10 * (i + 1));
            scroll.Add(await page.EvaluateAsync<double>(
                """
                ([share, name]) => new Promise(done => {
                  const frame = document.querySelector('.table-frame');
                  const began = performance.now();
                  frame.scrollTop = share * (frame.scrollHeight - 60 * 52);
                  const look = () => {
                    const box = frame.getBoundingClientRect();
                    const seen = [...frame.querySelectorAll('a[data-open]')].some(a => { const at = a.getBoundingClientRect(); return at.top > box.top + 60 && at.bottom < box.bottom; });
                    seen ? done(performance.now() - began) : requestAnimationFrame(look);
                  };
                  requestAnimationFrame(() => requestAnimationFrame(look));
                })
                """, new object[] { (i + 1) / 9.0, target }));
            await page.EvaluateAsync("() => { document.querySelector('.table-frame').scrollTop = 0; }");
            await page.WaitForFunctionAsync("name => document.querySelector('.device-table a[data-open]')?.title === name", Name(0));
        }

        Say("search, from the key to the rows", search);
        Say("filter, from the address to the rows", chip);
        Say("sort, from the address to the rows", sort);
        Say("scrolled far, until rows are seen", scroll);
    }

    /// <summary>Ms from the act to the first row being the expected one, in the browser.</summary>
    private static Task<double> TimedAsync(IPage page, string act, string argument, string firstRow) => page.EvaluateAsync<double>(
        $$"""
        ([argument, first]) => new Promise(done => {
          const began = performance.now();
          const look = () => document.querySelector('.device-table a[data-open]')?.title === first ? done(performance.now() - began) : requestAnimationFrame(look);
          ({{act}})(argument);
          look();
        })
        """, new[] { argument, firstRow });

    private static async Task HoldAsync(IBrowserContext context, int pages)
    {
        for (var i = 0; i < pages; i++)
        {
            var page = await context.NewPageAsync();
            await page.GotoAsync("/devices");
            await page.Locator(".device-table a[data-open]").First.WaitForAsync();
        }

        Console.WriteLine("open");
        Console.ReadLine();
    }

    /// <summary>Devices begin and end a download in turn, 50 times a second.</summary>
    /// <returns>How many a second there were.</returns>
    private static async Task<double> ChangeAsync(Uri server, int devices, CancellationToken stop)
    {
        using var http = new HttpClient { BaseAddress = server };
        var began = Stopwatch.GetTimestamp();
        var made = 0;
        try
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            while (await timer.WaitForNextTickAsync(stop))
            {
                var device = DeviceIdentity.Of("1", made / 2 * 97 % devices);
                var downloads = made++ % 2 == 0;
                using var request = new HttpRequestMessage(HttpMethod.Patch, "/device/v3/state")
                {
                    Content = JsonContent.Create(new JsonObject { [device.Uuid] = new JsonObject { ["status"] = downloads ? "Downloading" : "Idle", ["download_progress"] = downloads ? 40 : null } }),
                    Headers = { Authorization = new AuthenticationHeaderValue("Bearer", device.Key) },
                };
                using var answer = await http.SendAsync(request, stop);
                answer.EnsureSuccessStatusCode();
            }
        }
        catch (OperationCanceledException)
        {
        }

        return made / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private static Process Open(Uri server, string task, int number) => Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["browse", server.ToString(), task, number.ToString(CultureInfo.InvariantCulture)])
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = task == "hold",
    })!;

    private static async Task Done(Process process)
    {
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
            throw new InvalidOperationException("The browser's side failed.");
    }

    private static (long Managed, long Resident) Memory()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return (GC.GetTotalMemory(true), Environment.WorkingSet);
    }

    private static void Say(string what, List<double> spans)
    {
        spans.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {what}: p50 {spans[spans.Count / 2]:0} ms, most {spans[^1]:0} ms of {spans.Count}"));
    }

    private static string? Option(string[] args, string name) => Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : null;
}
