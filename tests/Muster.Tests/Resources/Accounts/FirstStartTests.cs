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
