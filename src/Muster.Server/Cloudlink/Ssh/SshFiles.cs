using System.Buffers;
using System.Globalization;
using Muster.Server.Hosting;

namespace Muster.Server.Cloudlink.Ssh;

/// <summary>The private folder of the SSH gateway: the SSH server's settings, its host key, and who may come in.</summary>
internal sealed class SshFiles
{
    public const string Users = "passwd";
    public const string Groups = "group";
    public const string Keys = "keys";

    /// <summary>The account under which OpenSSH runs its part before the log-in.</summary>
    public const string Separated = "sshd";

    private static readonly SearchValues<char> Unsafe = SearchValues.Create("'\"\\%\n\r");

    private readonly DataDirectory data;
    private readonly DirectoryInfo folder;
    private readonly (string User, string Group) own = Own();

    /// <exception cref="SettingException">A path has characters that cannot stand in the SSH server's settings.</exception>
    public SshFiles(DataDirectory data)
    {
        this.data = data;
        folder = data.PrivateFolder("ssh");
        data.PrivateFolder(Path.Combine(folder.Name, Keys));
        Command = $"'{Safe(Path.Combine(AppContext.BaseDirectory, "muster"))}' ssh-enter '{Safe(Socket)}'";
    }

    /// <summary>What each key runs, but for whose key it is.</summary>
    public string Command { get; }

    /// <summary>Where that command finds the server.</summary>
    public string Socket => At("enter.sock");

    public string HostKey => At("host_key");

    public string Settings => At("sshd_config");

    public string At(string name) => Path.Combine(folder.FullName, name);

    public IEnumerable<string> KeyFiles() => Directory.EnumerateFiles(At(Keys)).Select(path => Path.GetFileName(path));

    /// <summary>A line of passwd. Everybody is the user that Muster runs as; a key's command is all they can run.</summary>
    public string UserLine(string name) => $"{name}:x:{(name == Separated ? "65534:65534" : $"{own.User}:{own.Group}")}::{folder.FullName}:/bin/sh";

    public void Remove(string name) => File.Delete(At(name));

    /// <summary>Whole or not at all: the SSH server reads at any time.</summary>
    public void Write(string name, string text)
    {
        data.WriteSecret(Path.Combine(folder.Name, name), text);
    }

    /// <summary>Settings of the SSH server: public keys only, and for each key nothing but its command.</summary>
    public void WriteSettings(string address, int port)
    {
        Write(Groups, string.Create(CultureInfo.InvariantCulture, $"own:x:{own.Group}:\nnogroup:x:65534:\n"));
        Write(Path.GetFileName(Settings), string.Create(CultureInfo.InvariantCulture,
            $"""
            Port {port}
            ListenAddress {Safe(address)}
            HostKey "{HostKey}"
            AuthorizedKeysFile "{At(Keys)}/%u"
            AuthenticationMethods publickey
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            HostbasedAuthentication no
            UsePAM no
            PermitRootLogin yes
            PermitUserRC no
            PermitUserEnvironment no
            DisableForwarding yes
            StrictModes no
            LoginGraceTime 20
            MaxAuthTries 10
            MaxStartups 50:30:200
            ClientAliveInterval 30
            ClientAliveCountMax 3
            PrintMotd no
            PrintLastLog no
            PidFile none

            """));
    }

    private static string Safe(string path) => path.AsSpan().ContainsAny(Unsafe)
        ? throw new SettingException($"The SSH gateway cannot work with the path {path}: quotes, back-slashes and percent signs cannot stand in its settings.")
        : path;

    private static (string User, string Group) Own()
    {
        var status = File.ReadAllLines("/proc/self/status");
        string Effective(string name) => status.First(line => line.StartsWith(name, StringComparison.Ordinal)).Split('\t')[2];
        return (Effective("Uid:"), Effective("Gid:"));
    }
}
