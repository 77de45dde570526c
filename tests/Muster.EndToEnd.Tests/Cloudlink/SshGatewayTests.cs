using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Muster.EndToEnd.Tests.Dashboard;
using Muster.Tests.Storage;

namespace Muster.EndToEnd.Tests.Cloudlink;

/// <summary>What <c>balena device ssh</c> does: OpenSSH's client comes to the gateway with a person's key, and is on the device.</summary>
public sealed class SshGatewayTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly ReachableDevices tunnel = new();
    private readonly string folder = Directory.CreateTempSubdirectory("muster-ssh-").FullName;
    private readonly int port = DeviceSshServer.FreePort();
    private ServerProcess server = null!;
    private TestFleet fleet = null!;
    private TestDevice device = null!;
    private DeviceSshServer host = null!;
    private string username = "";

    public async ValueTask InitializeAsync()
    {
        server = await ServerProcess.StartAsync(TestDatabases.Sqlite, tunnel.Setting, string.Create(CultureInfo.InvariantCulture, $"--Cloudlink:Ssh:Port={port}"), "--Cloudlink:Ssh:PeopleEvery=00:00:00.2");
        await tunnel.RegisterAsync(server);
        fleet = await TestFleet.CreateAsync(server, "lamps");
        device = await fleet.AddDeviceAsync("lamp");
        host = await DeviceSshServer.StartAsync((string)(await fleet.GetAsync("/os/v1/config"))!["services"]!["ssh"]!["authorized_keys"]!);
        await tunnel.ConnectAsync(device, (22222, host.Port));
        username = (string)(await fleet.GetAsync("/actor/v1/whoami"))!["username"]!;
        await RunAsync("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KeyFile);
    }

    [Fact]
    public async Task A_person_with_a_key_is_on_the_host_OS_and_everything_is_on_record()
    {
        await AddKeyAsync();

        Assert.Equal((0, "reached 42"), await UntilAsync(() => SshAsync($"host {device.Uuid} echo reached $((6 * 7))"), answer => answer.Code == 0));
        Assert.Equal(7, (await SshAsync($"host {device.Uuid} exit 7")).Code);

        var audit = (await UntilAsync(() => fleet.GetAsync("/muster/v1/audit?what=ssh.open"), entries => Entries(entries).All(entry => entry!["outcome"] is not null)))!;
        Assert.Equal(2, Entries(audit).Count);
        Assert.All(Entries(audit), entry => Assert.Equal((username, device.Uuid, "127.0.0.1"), ((string?)entry!["who"], (string?)entry["device_uuid"], (string?)entry["from"])));
    }

    [Fact]
    public async Task The_balena_CLI_opens_it_on_the_host_OS_and_in_a_service()
    {
        await AddKeyAsync();
        // The CLI runs "ssh" with its own options; what a person would have in his settings (key, address) is put before them.
        var path = Directory.CreateDirectory(Path.Combine(folder, "bin")).FullName;
        await File.WriteAllTextAsync(Path.Combine(path, "ssh"), $"#!/bin/sh\nexec /usr/bin/ssh -F none -i '{KeyFile}' -o IdentitiesOnly=yes -o BatchMode=yes -o HostName=127.0.0.1 \"$@\"\n");
        // A container engine with one container, which is the device's own file system.
        await File.WriteAllTextAsync(Path.Combine(path, "docker"), "#!/bin/sh\ncase \"$1\" in ps) echo '0a1b2c main_1_1_abc';; exec) shift; while [ \"$1\" != 0a1b2c ]; do shift; done; shift; echo in the service; exec \"$@\";; esac\n");
        foreach (var program in Directory.GetFiles(path))
            await RunAsync("/bin/chmod", "755", program);
        await host.PutOnPathAsync(Path.Combine(path, "docker"));
        using var cli = await BalenaCli.LogInAsync(server.Address, fleet.Token, new()
        {
            ["PATH"] = $"{path}:{Environment.GetEnvironmentVariable("PATH")}",
            ["BALENARC_PROXY_URL"] = "muster.test",
        });

        await UntilAsync(() => ShellAsync(cli, [device.Uuid]), answer => answer.Contains("reached 42", StringComparison.Ordinal));
        var inside = await ShellAsync(cli, [device.Uuid, "main"]);
        Assert.Contains("in the service", inside, StringComparison.Ordinal);
        Assert.Contains("reached 42", inside, StringComparison.Ordinal);
    }

    /// <summary>What a person sees who opens a shell, lets it reckon, and leaves.</summary>
    private async Task<string> ShellAsync(BalenaCli cli, string[] target)
    {
        using var run = cli.Start(["device", "ssh", .. target, "--port", port.ToString(CultureInfo.InvariantCulture)]);
        await run.StandardInput.WriteAsync("echo reached $((6 * 7)); exit\n");
        run.StandardInput.Close();
        var (output, errors) = (run.StandardOutput.ReadToEndAsync(), run.StandardError.ReadToEndAsync());
        await run.WaitForExitAsync();
        return await output + await errors;
    }

    [Fact]
    public async Task Nothing_but_a_device_can_be_reached_and_no_port_be_forwarded()
    {
        await AddKeyAsync();
        await UntilAsync(() => SshAsync($"host {device.Uuid} true"), answer => answer.Code == 0);

        Assert.Contains("Say which device", (await SshAsync("id")).Text, StringComparison.Ordinal);
        Assert.Contains("Say which device", (await SshAsync(null)).Text, StringComparison.Ordinal);
        Assert.Contains("no such device", (await SshAsync($"host {new string('0', 32)}")).Text, StringComparison.Ordinal);
        Assert.NotEqual(0, (await SshAsync($"host {device.Uuid} sleep 5", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:80")).Code);
        Assert.NotEqual(0, (await RunAsync("/usr/bin/ssh", [.. Options, "-s", $"{username}@127.0.0.1", "sftp"])).Code);
    }

    [Fact]
    public async Task A_device_that_is_away_is_said_to_be_away()
    {
        await AddKeyAsync();
        await UntilAsync(() => SshAsync($"host {device.Uuid} true"), answer => answer.Code == 0);
        await tunnel.DisconnectAsync(device);

        var (code, text) = await SshAsync($"host {device.Uuid} true");

        Assert.Equal(1, code);
        Assert.Contains("cloudlink is down", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_that_was_removed_opens_nothing_any_more_and_strangers_nothing_ever()
    {
        Assert.Equal(255, (await SshAsync($"host {device.Uuid} true")).Code);
        var key = await AddKeyAsync();
        await UntilAsync(() => SshAsync($"host {device.Uuid} true"), answer => answer.Code == 0);

        await fleet.DeleteAsync($"user__has__public_key({key})");

        await UntilAsync(() => SshAsync($"host {device.Uuid} true"), answer => answer.Code == 255);
    }

    [Fact]
    public async Task An_open_session_ends_with_the_right_to_it_whatever_flows_through_it()
    {
        await AddKeyAsync();
        var stays = await UntilAsync(() => OpenAsync(username, KeyFile), session => session is not null);
        foreach (var ending in (string[])["key removed", "membership removed", "device moved away"])
        {
            var name = ending.Split(' ')[0];
            await server.RunAsync("user", "add", $"{name}@muster.test", "--password", "a long password", "--organization", fleet.Slug.Split('/')[0], "--role", "operator");
            var file = Path.Combine(folder, name);
            await RunAsync("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file);
            using var person = await LogInAsync($"{name}@muster.test");
            var key = await AddKeyAsync(person, file);
            using var session = (await UntilAsync(() => OpenAsync(name, file), session => session is not null))!;

            await (ending switch
            {
                "key removed" => (Task)person.DeleteAsync($"/v7/user__has__public_key({key})"),
                "membership removed" => fleet.DeleteAsync($"organization_membership?$filter=user/any(u:u/username eq '{name}')"),
                _ => fleet.MoveAwayAsync(device),
            });

            // It has said things all the time, up to its end.
            await session.StandardOutput.ReadToEndAsync().WaitAsync(Patience);
            await session.WaitForExitAsync().WaitAsync(Patience);
            Assert.True(session.ExitCode == 255, ending);
        }

        Assert.False(stays!.HasExited);
        Assert.Equal("flows", await stays.StandardOutput.ReadLineAsync().WaitAsync(Patience));
        await EndAsync(stays);
    }

    [Fact]
    public async Task A_device_with_another_host_key_is_not_entered_in_silence()
    {
        await AddKeyAsync();
        await UntilAsync(() => SshAsync($"host {device.Uuid} true"), answer => answer.Code == 0);
        await host.StartAnewAsync((string)(await fleet.GetAsync("/os/v1/config"))!["services"]!["ssh"]!["authorized_keys"]!);

        Assert.Equal(255, (await SshAsync($"host {device.Uuid} true")).Code);
    }

    public async ValueTask DisposeAsync()
    {
        fleet.Dispose();
        await server.DisposeAsync();
        await host.DisposeAsync();
        await tunnel.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private string KeyFile => Path.Combine(folder, "key");

    private string[] Options =>
    [
        "-F", "none", "-i", KeyFile, "-p", port.ToString(CultureInfo.InvariantCulture), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
        "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
    ];

    /// <summary>A session in which the device says something every moment; null when the person is not let in (yet).</summary>
    private async Task<Process?> OpenAsync(string name, string keyFile)
    {
        string[] options = [.. Options];
        options[Array.IndexOf(options, KeyFile)] = keyFile;
        var session = Process.Start(new ProcessStartInfo("/usr/bin/ssh", [.. options, $"{name}@127.0.0.1", $"host {device.Uuid} while sleep 0.1; do echo flows; done"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        if (await session.StandardOutput.ReadLineAsync().WaitAsync(Patience) == "flows")
            return session;
        await EndAsync(session);
        return null;
    }

    private static async Task EndAsync(Process session)
    {
        session.Kill();
        await session.WaitForExitAsync();
        session.Dispose();
    }

    private static JsonArray Entries(JsonNode? audit) => audit!["entries"]!.AsArray();

    private async Task<long> AddKeyAsync()
    {
        using var http = Of(fleet.Token);
        return await AddKeyAsync(http, KeyFile);
    }

    private static async Task<long> AddKeyAsync(HttpClient person, string keyFile)
    {
        using var made = await person.PostAsJsonAsync("/v7/user__has__public_key", new
        {
            user = (long)(await person.GetFromJsonAsync<JsonNode>("/user/v1/whoami"))!["id"]!,
            title = "laptop",
            public_key = (await File.ReadAllTextAsync(keyFile + ".pub")).Trim(),
        });
        Assert.True(made.IsSuccessStatusCode);
        return (long)(await made.Content.ReadFromJsonAsync<JsonNode>())!["id"]!;
    }

    private async Task<HttpClient> LogInAsync(string email)
    {
        using var http = new HttpClient { BaseAddress = server.Address };
        using var login = await http.PostAsJsonAsync("/login_", new { username = email, password = "a long password" });
        return Of(await login.Content.ReadAsStringAsync());
    }

    private HttpClient Of(string token) => new() { BaseAddress = server.Address, DefaultRequestHeaders = { Authorization = new("Bearer", token) } };

    private Task<(int Code, string Text)> SshAsync(string? command, params string[] options)
    {
        string[] asked = command is null ? [] : [command];
        return RunAsync("/usr/bin/ssh", [.. Options, .. options, $"{username}@127.0.0.1", .. asked]);
    }

    private static async Task<(int Code, string Text)> RunAsync(string program, params string[] arguments)
    {
        using var run = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        run.StandardInput.Close();
        var (output, errors) = (run.StandardOutput.ReadToEndAsync(), run.StandardError.ReadToEndAsync());
        await run.WaitForExitAsync();
        return (run.ExitCode, (await output + await errors).Trim());
    }

    private static async Task<T> UntilAsync<T>(Func<Task<T>> ask, Func<T, bool> isIt)
    {
        var waited = Stopwatch.StartNew();
        while (true)
        {
            var answer = await ask();
            if (isIt(answer))
                return answer;
            Assert.True(waited.Elapsed < Patience, $"still {answer}");
            await Task.Delay(100);
        }
    }
}
