using Microsoft.Extensions.Configuration;
using Muster.Server.Hosting;

namespace Muster.Tests.Hosting;

public sealed class DataDirectoryTests
{
    private readonly string path = Path.Combine(Directory.CreateTempSubdirectory("muster-data-").FullName, "data");

    [Fact]
    public void It_is_made_for_its_owner_only()
    {
        Of();
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(path));
    }

    [Fact]
    public void A_second_server_on_it_is_refused_until_the_first_lets_go()
    {
        using (Of().Hold())
            Assert.Throws<SettingException>(() => Of().Hold());
        using var second = Of().Hold();
        Assert.NotNull(second);
    }

    [Fact]
    public void A_secret_is_for_its_owner_only_and_replaced_whole()
    {
        Of().WriteSecret("key", "first");
        Of().WriteSecret("key", "second");
        Assert.Equal("second", File.ReadAllText(Path.Combine(path, "key")));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(path, "key")));
        Assert.Single(Directory.GetFiles(path));
    }

    private DataDirectory Of() =>
        DataDirectory.Of(new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["data"] = path }).Build());
}
