using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Muster.EndToEnd.Tests.Dashboard;

namespace Muster.EndToEnd.Tests.Cloudlink;

/// <summary>Ports of a device from a person's machine: the real OpenSSH and the real balena CLI through CONNECT and through the public address.</summary>
public sealed class AccessTests : IAsyncLifetime
{
    private const string Domain = "devices.test";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // The CLI dials port 443, whatever the address.
    private readonly string tlsAddress = string.Create(CultureInfo.InvariantCulture, $"127.77.{Random.Shared.Next(1, 250)}.{Random.Shared.Next(1, 250)}");
    private readonly ReachableDevices tunnel = new();
    private readonly string folder = Directory.CreateTempSubdirectory("muster-access-").FullName;
    private readonly HttpListener site = new();
    private ServerProcess server = null!;
    private TestFleet fleet = null!;
    private TestDevice device = null!;
    private DeviceSshServer host = null!;

    public async ValueTask InitializeAsync()
    {
        Assert.True(Environment.IsPrivilegedProcess, "Needs root, for port 443.");
        server = await ServerProcess.StartListeningAsync([$"https://{tlsAddress}:443"], tunnel.Setting, $"--Cloudlink:DeviceUrls:Domain={Domain}");
        await tunnel.RegisterAsync(server);
        fleet = await TestFleet.CreateAsync(server, "lamps");
        device = await fleet.AddDeviceAsync("lamp");
        await RunAsync("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KeyFile);
        host = await DeviceSshServer.StartAsync(await File.ReadAllTextAsync(KeyFile + ".pub"));
        var sitePort = DeviceSshServer.FreePort();
        site.Prefixes.Add($"http://*:{sitePort}/");
        site.Start();
        _ = ServeAsync();
        await tunnel.ConnectAsync(device, (22222, host.Port), (80, sitePort));
    }

    [Fact]
    public async Task OpenSSH_comes_through_CONNECT()
    {
        var credentials = Convert.ToBase64String(Encoding.ASCII.GetBytes("me:" + fleet.Token));
        var proxy = Path.Combine(folder, "connect");
        await File.WriteAllTextAsync(proxy, string.Create(CultureInfo.InvariantCulture,
            $$"""
            #!/bin/bash
            exec 3<>/dev/tcp/{{server.Address.Host}}/{{server.Address.Port}}
            printf 'CONNECT %s HTTP/1.0\r\nProxy-Authorization: Basic {{credentials}}\r\n\r\n' "$1" >&3
            while IFS= read -r -u 3 line && [ "$line" != $'\r' ]; do :; done
            cat <&3 &
            cat >&3
            kill $!

            """));
        var (code, text) = await SshAsync("-o", $"ProxyCommand=/bin/bash {proxy} %h:%p", "-p", "22222", $"root@{device.Uuid}.balena");
        Assert.True((code, text) == (0, "reached 42"), $"{code}: {text}");
    }

    [Fact]
    public async Task The_balena_CLI_tunnels_SSH_and_HTTP_of_the_device_to_this_machine()
    {
        var authority = Path.Combine(folder, "ca.pem");
        using (var http = new HttpClient { BaseAddress = server.Address })
            await File.WriteAllTextAsync(authority, await http.GetStringAsync("/muster/v1/ca.pem"));
        using var cli = await BalenaCli.LogInAsync(server.Address, fleet.Token, new()
        {
            ["PATH"] = Environment.GetEnvironmentVariable("PATH")!,
            ["BALENARC_TUNNEL_URL"] = tlsAddress,
            ["NODE_EXTRA_CA_CERTS"] = authority,
        });
        var (ssh, web) = (DeviceSshServer.FreePort(), DeviceSshServer.FreePort());
        using var running = cli.Start("device", "tunnel", device.Uuid, "-p", $"22222:{ssh}", "-p", $"80:{web}");
        var said = new StringBuilder();
        running.OutputDataReceived += (_, line) => said.AppendLine(line.Data);
        running.ErrorDataReceived += (_, line) => said.AppendLine(line.Data);
        running.BeginOutputReadLine();
        running.BeginErrorReadLine();
        try
        {
            await UntilListensAsync(ssh, running, said);
            await UntilListensAsync(web, running, said);
            var (code, text) = await SshAsync("-p", ssh.ToString(CultureInfo.InvariantCulture), "root@127.0.0.1");
            Assert.True((code, text) == (0, "reached 42"), $"{code}: {text}\n{said}");
            using var http = new HttpClient();
            Assert.Equal("GET /lamp of the device", await http.GetStringAsync(new Uri($"http://127.0.0.1:{web}/lamp")));
        }
        finally
        {
            running.Kill(entireProcessTree: true);
            await running.WaitForExitAsync();
        }

        var entries = (await fleet.GetAsync("/muster/v1/audit?what=tunnel.open"))!["entries"]!.AsArray();
        Assert.Contains(entries, entry => (string?)entry!["detail"] == "port 22222" && (string?)entry["device_uuid"] == device.Uuid);
    }

    [Fact]
    public async Task The_public_address_is_switched_on_by_the_balena_CLI_and_leads_to_the_device()
    {
        using var cli = await BalenaCli.LogInAsync(server.Address, fleet.Token, new() { ["PATH"] = Environment.GetEnvironmentVariable("PATH")! });
        Assert.Equal(HttpStatusCode.Forbidden, (await AskAsync()).Status);
        Assert.Equal((0, "false"), await cli.RunAsync("device", "public-url", device.Uuid, "--status"));
        Assert.Equal(0, (await cli.RunAsync("device", "public-url", device.Uuid, "--enable")).Code);
        Assert.Equal((0, $"https://{device.Uuid}.{Domain}"), await cli.RunAsync("device", "public-url", device.Uuid));
        Assert.Equal((HttpStatusCode.OK, "GET /lamp of the device"), await AskAsync());
        Assert.Equal(0, (await cli.RunAsync("device", "public-url", device.Uuid, "--disable")).Code);
        Assert.Equal(HttpStatusCode.Forbidden, (await AskAsync()).Status);
    }

    [Fact]
    public async Task The_balena_CLI_keeps_the_persons_SSH_keys()
    {
        using var cli = await BalenaCli.LogInAsync(server.Address, fleet.Token, new() { ["PATH"] = Environment.GetEnvironmentVariable("PATH")! });
        var (added, text) = await cli.RunAsync("ssh-key", "add", "laptop", KeyFile + ".pub");
        Assert.True(added == 0, text);
        Assert.Contains("laptop", (await cli.RunAsync("ssh-key", "list")).Text, StringComparison.Ordinal);
        var row = Assert.Single(await fleet.RowsAsync("user__has__public_key?$select=id,public_key"))!;
        Assert.Equal((await File.ReadAllTextAsync(KeyFile + ".pub")).Trim(), (string?)row["public_key"]);
        await File.WriteAllTextAsync(Path.Combine(folder, "bad.pub"), "nonsense");
        var (refused, why) = await cli.RunAsync("ssh-key", "add", "bad", Path.Combine(folder, "bad.pub"));
        Assert.NotEqual(0, refused);
        Assert.Contains("no SSH public key", why, StringComparison.Ordinal);
        Assert.Equal(0, (await cli.RunAsync("ssh-key", "rm", $"{row["id"]}", "--yes")).Code);
        Assert.Empty(await fleet.RowsAsync("user__has__public_key?$select=id"));
    }

    public async ValueTask DisposeAsync()
    {
        site.Close();
        fleet?.Dispose();
        if (server is not null)
            await server.DisposeAsync();
        if (host is not null)
            await host.DisposeAsync();
        await tunnel.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private string KeyFile => Path.Combine(folder, "key");

    /// <summary>The web site of the device.</summary>
    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                var context = await site.GetContextAsync();
                var body = Encoding.ASCII.GetBytes($"{context.Request.HttpMethod} {context.Request.Url!.AbsolutePath} of the device");
                context.Response.ContentLength64 = body.Length;
                await context.Response.OutputStream.WriteAsync(body);
                context.Response.Close();
            }
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
        {
        }
    }

    private async Task<(HttpStatusCode Status, string Text)> AskAsync()
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/lamp")) { Headers = { Host = $"{device.Uuid}.{Domain}" } };
        using var answer = await http.SendAsync(request);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private Task<(int Code, string Text)> SshAsync(params string[] options) => RunAsync("/usr/bin/ssh",
    [
        "-F", "none", "-i", KeyFile, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
        .. options, "echo reached $((6 * 7))",
    ]);

    private static async Task UntilListensAsync(int port, Process running, StringBuilder said)
    {
        var waited = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, port);
                return;
            }
            catch (SocketException)
            {
                Assert.True(waited.Elapsed < Patience && !running.HasExited, $"the CLI does not listen: {said}");
                await Task.Delay(200);
            }
        }
    }

    private static async Task<(int Code, string Text)> RunAsync(string program, params string[] arguments)
    {
        using var run = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        run.StandardInput.Close();
        using var late = new CancellationTokenSource(Patience);
        await using var killing = late.Token.Register(() => run.Kill(entireProcessTree: true));
        var (output, errors) = (run.StandardOutput.ReadToEndAsync(CancellationToken.None), run.StandardError.ReadToEndAsync(CancellationToken.None));
        await run.WaitForExitAsync(CancellationToken.None);
        return (run.ExitCode, (await output + await errors).Trim());
    }
}
