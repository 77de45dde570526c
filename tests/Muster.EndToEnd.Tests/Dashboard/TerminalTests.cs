using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Muster.EndToEnd.Tests.Cloudlink;
using Muster.Tests.Storage;
using static Microsoft.Playwright.Assertions;

namespace Muster.EndToEnd.Tests.Dashboard;

/// <summary>The terminal on a device's page, with a real browser at one end and a real SSH server at the other.</summary>
public sealed class TerminalTests(Browser browser) : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly ReachableDevices tunnel = new();
    private readonly string folder = Directory.CreateTempSubdirectory("muster-terminal-").FullName;
    private ServerProcess server = null!;
    private TestFleet fleet = null!;
    private TestDevice device = null!;
    private DeviceSshServer host = null!;
    private IPage page = null!;

    public async ValueTask InitializeAsync()
    {
        server = await ServerProcess.StartAsync(TestDatabases.Sqlite, tunnel.Setting, "--Cloudlink:Terminal:MaxPerPerson=2");
        await tunnel.RegisterAsync(server);
        fleet = await TestFleet.CreateAsync(server, "lamps");
        await fleet.ReleaseAsync("a1b2c3d4e5f60718293a4b5c6d7e8f9012345678", "main");
        device = await fleet.AddDeviceAsync("lamp");
        host = await DeviceSshServer.StartAsync(await KeysAsync());
        await tunnel.ConnectAsync(device, (22222, host.Port));
    }

    [Fact]
    public async Task A_person_types_on_the_host_OS_and_reads_its_answers()
    {
        await VisitAsync();
        await OpenAsync();
        await TypeAsync("echo reached $((6 * 7))");
        await ExpectOnScreenAsync("reached 42");
        await page.AssertAccessibleAsync();

        // The device knows the size of the screen, also a new one.
        await TypeAsync("clear; stty size");
        await ExpectOnScreenAsync(await SizeAsync());
        await page.SetViewportSizeAsync(900, 700);
        await TypeAsync("clear; echo; stty size");
        await ExpectOnScreenAsync(await SizeAsync());

        // Much output neither hangs nor fills anything.
        await TypeAsync("clear; seq 1 200000 | tail -c 1000000; echo the end of $((6 * 7))");
        await ExpectOnScreenAsync("the end of 42");

        await page.Keyboard.PressAsync("Control+Shift+Enter");
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "Close" })).ToBeFocusedAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Close" }).ClickAsync();
        await Expect(Status).ToHaveTextAsync("Closed.");

        await page.GetByRole(AriaRole.Button, new() { Name = "Open again" }).ClickAsync();
        await Expect(Status).ToHaveTextAsync("Connected.");
        await TypeAsync("clear; echo good $((6 * 7)) bye; exit");
        await ExpectOnScreenAsync("good 42 bye");
        await Expect(Status).ToHaveTextAsync("The shell on the device has ended.");

        var entries = await AuditAsync(2);
        Assert.All(entries, entry => Assert.Equal(("host OS", "127.0.0.1"), ((string?)entry!["detail"], (string?)entry["from"])));
        Assert.All(entries, entry => Assert.StartsWith("closed after ", (string?)entry!["outcome"], StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_service_is_entered_where_it_runs()
    {
        await VisitAsync();
        // A container engine with one container, which is the device's own file system.
        await PutEngineAsync("case \"$1\" in ps) echo '0a1b2c3d|main_1_1_abc|main';; exec) while [ \"$1\" != 0a1b2c3d ]; do shift; done; shift; echo in the service; exec \"$@\";; esac");
        await page.GetByLabel("Terminal on").SelectOptionAsync("main");
        await OpenAsync();
        await TypeAsync("echo reached $((6 * 7))");
        await ExpectOnScreenAsync("in the service");
        await ExpectOnScreenAsync("reached 42");
        await Expect(Screen).Not.ToContainTextAsync("exec");
        Assert.Equal("service main", (string?)Assert.Single(await AuditAsync(1))!["detail"] ?? "");
    }

    [Fact]
    public async Task Each_reason_for_no_terminal_is_said()
    {
        await VisitAsync();
        await PutEngineAsync("exit 0");
        await page.GetByLabel("Terminal on").SelectOptionAsync("main");
        await OpenAsync("The service 'main' has no container that runs on this device; start it first.");
        await page.GetByLabel("Terminal on").SelectOptionAsync("Host OS");
        await host.StartAnewAsync("");
        await OpenAsync("The device's SSH server shows another key than before.");
        await page.GetByRole(AriaRole.Button, new() { Name = "I know why" }).ClickAsync();
        await Expect(Status).ToContainTextAsync("does not accept Muster's key");
        await tunnel.DisconnectAsync(device);
        await OpenAsync("A terminal needs the cloudlink, which is down.");
    }

    [Fact]
    public async Task A_changed_host_key_is_told_and_accepted_by_a_person_only()
    {
        await VisitAsync();
        await OpenAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Close" }).ClickAsync();
        await host.StartAnewAsync(await KeysAsync());

        await OpenAsync("The device's SSH server shows another key than before.");
        await Expect(page.GetByRole(AriaRole.Alert).Filter(new() { HasText = "another key than before: SHA256:" })).ToBeVisibleAsync();
        await OpenAsync("The device's SSH server shows another key than before.");
        await page.GetByRole(AriaRole.Button, new() { Name = "I know why" }).ClickAsync();
        await Expect(Status).ToHaveTextAsync("Connected.");
        await page.GetByRole(AriaRole.Button, new() { Name = "Close" }).ClickAsync();
        await OpenAsync();
        Assert.Contains(await AuditAsync(5), entry => ((string)entry!["detail"]!).StartsWith("host OS; accepted the host key SHA256:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_person_has_only_so_many_terminals_and_a_closed_page_gives_its_own_back()
    {
        await VisitAsync();
        await OpenAsync();
        var first = page;
        page = await first.Context.NewPageAsync();
        await page.OpenAsync($"/devices/{device.Uuid}?tab=terminal");
        await OpenAsync();
        page = await first.Context.NewPageAsync();
        await page.OpenAsync($"/devices/{device.Uuid}?tab=terminal");
        await OpenAsync("Too many terminals are open; close one, or try again later.");

        await first.CloseAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while ((await fleet.GetAsync("/muster/v1/audit?what=terminal.open"))!["entries"]!.AsArray().All(entry => entry!["outcome"] is null))
            await Task.Delay(100, limit.Token);
        await OpenAsync();
    }

    [Fact]
    public async Task Another_site_and_an_observer_get_no_terminal()
    {
        await VisitAsync();
        Assert.Equal("refused", await page.EvaluateAsync<string>(
            """
            async (address) => {
              const frame = document.createElement("iframe");
              frame.sandbox = "allow-scripts";
              const answer = new Promise((resolve) => addEventListener("message", (message) => resolve(message.data)));
              frame.srcdoc = `<script>const s = new WebSocket("${address}"); s.onopen = () => parent.postMessage("open", "*"); s.onerror = () => parent.postMessage("refused", "*");</script>`;
              document.body.append(frame);
              return await Promise.race([answer, new Promise((resolve) => setTimeout(() => resolve("refused"), 5000))]);
            }
            """, new Uri(server.Address, $"/dashboard/devices/{device.Uuid}/terminal").ToString().Replace("http", "ws", StringComparison.Ordinal)));

        await server.RunAsync("user", "add", "olga@muster.test", "--password", "a long password", "--organization", fleet.Slug.Split('/')[0], "--role", "observer");
        var observer = await browser.OpenAsync(server.Address);
        await observer.SignInAsync("olga@muster.test", "a long password");
        await observer.OpenAsync($"/devices/{device.Uuid}?tab=terminal");
        await Expect(observer.GetByRole(AriaRole.Link, new() { Name = "Logs", Exact = true })).ToBeVisibleAsync();
        await Expect(observer.GetByRole(AriaRole.Link, new() { Name = "Terminal", Exact = true })).ToHaveCountAsync(0);
        await Expect(observer.Locator("muster-terminal")).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task A_terminal_ends_with_the_right_to_it_whatever_flows_through_it()
    {
        foreach (var ending in (string[])["signed out", "membership removed", "device moved away"])
        {
            var name = ending.Split(' ')[0];
            await server.RunAsync("user", "add", $"{name}@muster.test", "--password", "a long password", "--organization", fleet.Slug.Split('/')[0], "--role", "operator");
            page = await browser.OpenAsync(server.Address);
            await page.SignInAsync($"{name}@muster.test", "a long password");
            // A client that stays, whatever the pages of the same person do.
            using var socket = await OpenSocketAsync();
            await socket.SendAsync(Encoding.ASCII.GetBytes("while sleep 0.1; do echo flows; done\r"), WebSocketMessageType.Binary, endOfMessage: true, CancellationToken.None);
            await UntilSaidAsync(socket, "\nflows");

            await (ending switch
            {
                "signed out" => (Task)page.GotoAsync("/logout"),
                "membership removed" => fleet.DeleteAsync($"organization_membership?$filter=user/any(u:u/username eq '{name}')"),
                _ => fleet.MoveAwayAsync(device),
            });

            await UntilSaidAsync(socket, "Your session is over, or your role does not allow this any more.");
            Assert.Equal(WebSocketMessageType.Close, (await socket.ReceiveAsync(new byte[64], CancellationToken.None).WaitAsync(Patience)).MessageType);
            await page.Context.CloseAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        fleet.Dispose();
        await server.DisposeAsync();
        await host.DisposeAsync();
        await tunnel.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private ILocator Status => page.Locator("muster-terminal [role=status]");

    private ILocator Screen => page.Locator(".xterm-rows");

    private async Task<string> KeysAsync() => (string)(await fleet.GetAsync("/os/v1/config"))!["services"]!["ssh"]!["authorized_keys"]!;

    private async Task VisitAsync()
    {
        page = await browser.OpenAsync(server.Address);
        await page.SignInAsync();
        await page.OpenAsync($"/devices/{device.Uuid}?tab=terminal");
    }

    /// <summary>The terminal's WebSocket with the cookies of the page's person, when the terminal is open.</summary>
    private async Task<ClientWebSocket> OpenSocketAsync()
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Cookie", string.Join("; ", (await page.Context.CookiesAsync()).Select(cookie => $"{cookie.Name}={cookie.Value}")));
        socket.Options.SetRequestHeader("Origin", server.Address.ToString().TrimEnd('/'));
        await socket.ConnectAsync(new UriBuilder(server.Address) { Scheme = "ws", Path = $"/dashboard/devices/{device.Uuid}/terminal" }.Uri, CancellationToken.None);
        await UntilSaidAsync(socket, "\"open\"");
        return socket;
    }

    /// <summary>Reads on until a message holds the text.</summary>
    private static async Task UntilSaidAsync(ClientWebSocket socket, string text)
    {
        using var limit = new CancellationTokenSource(Patience);
        var buffer = new byte[64 * 1024];
        var said = new StringBuilder();
        while (!said.ToString().Contains(text, StringComparison.Ordinal))
        {
            var received = await socket.ReceiveAsync(buffer, limit.Token);
            Assert.True(received.MessageType is not WebSocketMessageType.Close, $"closed, and did not say '{text}': {said}");
            said.Append(Encoding.UTF8.GetString(buffer, 0, received.Count));
        }
    }

    private async Task PutEngineAsync(string script)
    {
        var engine = Path.Combine(folder, "docker");
        await File.WriteAllTextAsync(engine, $"#!/bin/sh\n{script}\n");
        using var change = System.Diagnostics.Process.Start("chmod", ["755", engine]);
        await change.WaitForExitAsync();
        await host.PutOnPathAsync(engine);
    }

    private async Task OpenAsync(string says = "Connected.")
    {
        await page.GetByRole(AriaRole.Button, new() { NameRegex = new("^Open") }).ClickAsync();
        await Expect(Status).ToHaveTextAsync(says);
    }

    private async Task TypeAsync(string line)
    {
        await page.Locator(".xterm-helper-textarea").FocusAsync();
        await page.Keyboard.TypeAsync(line + "\n");
    }

    private Task ExpectOnScreenAsync(string text) => Expect(Screen).ToContainTextAsync(text);

    /// <summary>As <c>stty size</c> shows it.</summary>
    private Task<string> SizeAsync() => page.EvaluateAsync<string>("() => { const { rows, cols } = document.querySelector('muster-terminal').terminal; return `${rows} ${cols}`; }");

    /// <summary>The entries of terminals, when there are so many and all have ended but those that are open.</summary>
    private async Task<JsonArray> AuditAsync(int count)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            var entries = (await fleet.GetAsync("/muster/v1/audit?what=terminal.open"))!["entries"]!.AsArray();
            if (entries.Count == count && entries.Skip(1).All(entry => entry!["outcome"] is not null) && (count != 2 || entries[0]!["outcome"] is not null))
                return entries;
            await Task.Delay(100, limit.Token);
        }
    }
}
