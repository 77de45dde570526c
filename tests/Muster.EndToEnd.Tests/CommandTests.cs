using System.Net;
using System.Net.Http.Json;
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

    private static async Task<HttpStatusCode> LogInAsync(ServerProcess server, string password)
    {
        using var client = new HttpClient { BaseAddress = server.Address };
        using var answer = await client.PostAsJsonAsync("/login_", new { username = User, password });
        return answer.StatusCode;
    }
}
