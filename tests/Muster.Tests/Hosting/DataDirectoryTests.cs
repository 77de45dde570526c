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

    [Theory]
    [InlineData("muster.db"), InlineData("muster.db-wal"), InlineData("muster.db-shm"), InlineData("ca.pem"), InlineData("ca-key.pem"), InlineData("first-login.txt")]
    [InlineData("muster.lock"), InlineData("device-ssh-key.pem"), InlineData("keys/key-1.xml"), InlineData("ssh/host_key"), InlineData("ssh/keys/ann"), InlineData("openvpn/server.key")]
    public void Wider_modes_that_were_there_before_are_tightened(string name)
    {
        if (OperatingSystem.IsWindows())
            return;
        var file = Path.Combine(path, name);
        Directory.CreateDirectory(Path.Combine(path, "keys"));
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, "secret");
        const UnixFileMode wide = (UnixFileMode)0b111_101_101;
        File.SetUnixFileMode(file, wide);
        for (var folder = Path.GetDirectoryName(file)!; folder.Length >= path.Length; folder = Path.GetDirectoryName(folder)!)
            File.SetUnixFileMode(folder, wide);

        Of();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        for (var folder = Path.GetDirectoryName(file)!; folder.Length >= path.Length; folder = Path.GetDirectoryName(folder)!)
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
    }

    [Fact]
    public void A_directory_that_is_not_Musters_is_refused_and_left_alone()
    {
        if (OperatingSystem.IsWindows())
            return;
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "somebody-elses"), "");
        const UnixFileMode wide = (UnixFileMode)0b111_101_101;
        File.SetUnixFileMode(path, wide);
        Assert.Throws<SettingException>(() => Of());
        Assert.Equal(wide, File.GetUnixFileMode(path));
        File.SetUnixFileMode(path, (UnixFileMode)0b111_000_000);
        Of();
    }

    [Fact]
    public async Task What_a_server_makes_is_for_its_owner_only()
    {
        if (OperatingSystem.IsWindows())
            return;
        await using var server = await Resources.StartedServer.StartAsync(namesAdmin: false);
        const UnixFileMode others = (UnixFileMode)0b000_111_111;
        foreach (var entry in Directory.GetFileSystemEntries(server.DataDirectory, "*", SearchOption.AllDirectories))
            Assert.Equal(default, File.GetUnixFileMode(entry) & others);
        Assert.True(File.Exists(Path.Combine(server.DataDirectory, "muster.db-wal")));
    }

    private DataDirectory Of() =>
        DataDirectory.Of(new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["data"] = path }).Build());
}
