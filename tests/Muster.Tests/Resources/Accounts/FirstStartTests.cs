using Microsoft.Extensions.DependencyInjection;
using Muster.Server.Resources.Accounts;
using Muster.Tests.Storage;

namespace Muster.Tests.Resources.Accounts;

public sealed class FirstStartTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task The_first_start_makes_an_administrator_an_organization_and_the_catalogue(string kind)
    {
        await using var server = await StartedServer.StartAsync(kind);
        Assert.Equal(1, await server.ScalarAsync<long>("SELECT count(*) FROM account WHERE is_server_admin = 1 AND email = @p0", StartedServer.Email));
        Assert.Equal(1, await server.ScalarAsync<long>("SELECT count(*) FROM organization_membership WHERE role = 'administrator'"));
        Assert.True(await server.ScalarAsync<long>("SELECT count(*) FROM device_type") >= 30);
        Assert.Equal("amd64", await server.ScalarAsync<string>("SELECT c.slug FROM device_type t JOIN cpu_architecture c ON c.id = t.cpu_architecture_id JOIN device_type_alias a ON a.device_type_id = t.id WHERE a.alias = 'generic-amd64'"));
        Assert.Equal(1, await server.ScalarAsync<long>("SELECT count(*) FROM fleet_type WHERE slug = 'microservices-starter' AND needs_paid_plan = 0"));
        Assert.False(File.Exists(Path.Combine(server.DataDirectory, "first-login.txt")), "a given password is not written down");
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_start_gives_contracts_to_device_types_of_earlier_versions_and_leaves_the_others_alone(string kind)
    {
        await using var server = await StartedServer.StartAsync(kind);
        await server.Database.WriteAsync(async write =>
        {
            await using var command = write.Command("UPDATE device_type SET contract = CASE slug WHEN 'intel-nuc' THEN '{\"slug\":\"own\"}' END, modified_at = 1");
            await command.ExecuteNonQueryAsync();
        });
        var types = await server.ScalarAsync<long>("SELECT count(*) FROM device_type");
        for (var start = 0; start < 2; start++)
            await server.Services.GetRequiredService<FirstStart>().RunAsync();

        var token = await server.LogInAsync();
        var answer = await server.SendAsync("GET", "/v7/device_type?$select=slug,contract&$expand=is_of__cpu_architecture($select=slug)", token);
        Assert.Equal(types, answer.Rows.Count);
        foreach (var type in answer.Rows.Select(r => r!))
        {
            var slug = (string)type["slug"]!;
            Assert.Equal(slug == "intel-nuc" ? "own" : slug, (string?)type["contract"]?["slug"]);
            if (slug != "intel-nuc")
                Assert.Equal((string)type["is_of__cpu_architecture"]![0]!["slug"]!, (string?)type["contract"]!["data"]!["arch"]);
        }

        Assert.Equal(1, await server.ScalarAsync<long>("SELECT count(*) FROM device_type WHERE modified_at = 1"));
    }

    [Fact]
    public async Task A_generated_password_is_written_for_the_owner_alone_and_works()
    {
        await using var server = await StartedServer.StartAsync(namesAdmin: false);
        var path = Path.Combine(server.DataDirectory, "first-login.txt");
        var lines = await File.ReadAllLinesAsync(path);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        await server.LogInAsync(lines[0], lines[1]);
    }
}
