using System.Diagnostics;
using Microsoft.Extensions.Configuration;
using Muster.Server.Cloudlink.Ssh;
using Muster.Server.Hosting;

namespace Muster.Tests.Cloudlink.Ssh;

public sealed class DeviceSshKeyTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("muster-test-").FullName;

    [Fact]
    public void It_is_made_once_for_its_owner_only_and_stays()
    {
        var made = DeviceSshKey.OpenOrCreate(Data());

        Assert.Equal(made.PublicKeyLine, DeviceSshKey.OpenOrCreate(Data()).PublicKeyLine);
        Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(KeyFile) == (UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Fact]
    public async Task OpenSSH_reads_it_and_sees_the_same_public_key()
    {
        var made = DeviceSshKey.OpenOrCreate(Data());

        using var keygen = Process.Start(new ProcessStartInfo("ssh-keygen", ["-y", "-f", KeyFile]) { RedirectStandardOutput = true })!;
        var seen = await keygen.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await keygen.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(made.PublicKeyLine.Split(' ')[..2], seen.Trim().Split(' ')[..2]);
    }

    [Fact]
    public void A_file_that_is_no_key_is_refused_and_left_alone()
    {
        File.WriteAllText(KeyFile, "rubbish");

        Assert.Throws<SettingException>(() => DeviceSshKey.OpenOrCreate(Data()));
        Assert.Equal("rubbish", File.ReadAllText(KeyFile));
    }

    public void Dispose() => Directory.Delete(directory, recursive: true);

    private string KeyFile => Path.Combine(directory, DeviceSshKey.FileName);

    private DataDirectory Data() => DataDirectory.Of(new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["data"] = directory }).Build());
}
