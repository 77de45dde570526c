using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Muster.EndToEnd.Tests.Faults;
using Muster.Tests.Storage;

namespace Muster.EndToEnd.Tests;

/// <summary>The commands of the executable, beside a running server.</summary>
public sealed class CommandTests
{
    private const string User = "kim@muster.test";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task An_account_made_on_the_command_line_logs_in_at_the_running_server(string kind)
    {
        await using var server = await ServerProcess.StartAsync(kind);
        await server.RunAsync("user", "add", User, "--password", "first password", "--organization", "acme", "--role", "operator");
        Assert.Equal(HttpStatusCode.OK, await LogInAsync(server, "first password"));

        await server.RunAsync("user", "password", "kim", "--password", "second password");
        Assert.Equal(HttpStatusCode.Unauthorized, await LogInAsync(server, "first password"));
        Assert.Equal(HttpStatusCode.OK, await LogInAsync(server, "second password"));
        Assert.Contains($"kim\t{User}", await server.RunAsync("user", "list"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopped_in_order_it_ends_with_0_and_lets_go_of_its_data_directory()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite);
        Assert.Equal(0, await server.StopAsync());
        await server.StartAgainAsync();
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task The_config_json_of_a_fleet_s_devices_leads_them_to_this_server_and_its_gateway(string kind)
    {
        await using var server = await ServerProcess.StartAsync(kind);
        using var fleet = await DrivenFleet.CreateAsync(server.Address, ServerProcess.Email, ServerProcess.Password, count: 0);
        var slug = (await fleet.JsonAsync("GET", $"/v7/application({fleet.Id})?$select=slug"))!["d"]![0]!["slug"]!.GetValue<string>();
        var config = JsonNode.Parse(await server.RunAsync("device-config", "--fleet", slug, "--url", "http://muster.test:8080", "--Cloudlink:OpenVpn:Port=4443"))!;
        Assert.Equal("http://muster.test:8080", config["apiEndpoint"]!.GetValue<string>());
        Assert.Equal(("muster.test", 4443), (config["vpnEndpoint"]!.GetValue<string>(), config["vpnPort"]!.GetValue<int>()));
        Assert.Null(config["balenaRootCA"]);

        var uuid = RandomNumberGenerator.GetHexString(32, lowercase: true);
        var key = config["apiKey"]!.GetValue<string>();
        var device = await fleet.JsonAsync("POST", "/device/register", new { application = config["applicationId"]!.GetValue<long>(), uuid, device_type = config["deviceType"]!.GetValue<string>() }, key);
        Assert.Equal(uuid, device!["uuid"]!.GetValue<string>());
    }

    [Fact]
    public async Task The_config_json_written_to_a_file_names_the_own_authority_and_is_its_owner_s_only()
    {
        await using var server = await ServerProcess.StartAsync(TestDatabases.Sqlite, "--Cloudlink:OpenVpn:Port=4443", "--Cloudlink:OpenVpn:Executable=/nowhere/openvpn");
        // Said once; all else of Muster runs.
        while (!server.Output.Contains("apt-get install openvpn", StringComparison.Ordinal))
            await Task.Delay(50, TestContext.Current.CancellationToken);
        using var fleet = await DrivenFleet.CreateAsync(server.Address, ServerProcess.Email, ServerProcess.Password, count: 0);
        var slug = (await fleet.JsonAsync("GET", $"/v7/application({fleet.Id})?$select=slug"))!["d"]![0]!["slug"]!.GetValue<string>();
        var file = Path.GetTempFileName();
        File.Delete(file);
        await server.RunAsync("device-config", "--fleet", slug, "--url", "https://muster.test", "--output", file);
        var config = JsonNode.Parse(await File.ReadAllTextAsync(file))!;
        Assert.Contains("BEGIN CERTIFICATE", Encoding.ASCII.GetString(Convert.FromBase64String(config["balenaRootCA"]!.GetValue<string>())), StringComparison.Ordinal);
        Assert.True(OperatingSystem.IsLinux() && File.GetUnixFileMode(file) == (UnixFileMode.UserRead | UnixFileMode.UserWrite));
        File.Delete(file);
    }

    private static async Task<HttpStatusCode> LogInAsync(ServerProcess server, string password)
    {
        using var client = new HttpClient { BaseAddress = server.Address };
        using var answer = await client.PostAsJsonAsync("/login_", new { username = User, password });
        return answer.StatusCode;
    }
}
