using System.Text;

namespace Muster.Server.Hosting;

/// <summary>The directory of everything Muster keeps beside PostgreSQL: the SQLite file, keys, the first login.</summary>
internal sealed class DataDirectory
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>The folders in it that Muster makes.</summary>
    private static readonly string[] PrivateFolders = ["keys", "openvpn", "ssh"];

    /// <summary>By these names a directory that Muster has used is known.</summary>
    private static readonly string[] Known = ["muster.db", "muster.lock", "ca.pem", "ca-key.pem", "device-ssh-key.pem", "first-login.txt", .. PrivateFolders];

    private readonly DirectoryInfo directory;

    private DataDirectory(DirectoryInfo directory) => this.directory = directory;

    /// <summary>
    /// The directory that <c>--data</c> names (default <c>data</c>): only its owner may enter it (mode 700) and read its files
    /// (mode 600). It is made when missing; wider modes, as an earlier version or a copy left them, are tightened.
    /// </summary>
    /// <exception cref="SettingException">It is shared with others and cannot be tightened.</exception>
    public static DataDirectory Of(IConfiguration configuration)
    {
        var path = configuration["data"] is { Length: > 0 } named ? named : "data";
        if (OperatingSystem.IsWindows())
            return new(Directory.CreateDirectory(path));
        if (!Directory.Exists(path))
            return new(Directory.CreateDirectory(path, OwnerOnly | UnixFileMode.UserExecute));
        var directory = new DirectoryInfo(path);
        Tighten(directory);
        return new(directory);
    }

    /// <summary>A file in it that only its owner may read (mode 600), made empty when missing: a program that opens it keeps the mode.</summary>
    public string PrivateFile(string name)
    {
        var path = File(name);
        // One that is there is not opened: to close it would end SQLite's locks on it in this process.
        if (!OperatingSystem.IsWindows() && !System.IO.File.Exists(path))
            new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly }).Dispose();
        return path;
    }

    public string File(string name) => Path.Combine(directory.FullName, name);

    /// <summary>A folder in it that only its owner may enter (mode 700), made when missing.</summary>
    public DirectoryInfo PrivateFolder(string name) =>
        OperatingSystem.IsWindows() ? directory.CreateSubdirectory(name) : Directory.CreateDirectory(File(name), OwnerOnly | UnixFileMode.UserExecute);

    /// <summary>
    /// Holds the directory for this process until disposed: two servers on one directory would both be the only writer.
    /// The kernel lets go when the process ends in any way.
    /// </summary>
    /// <exception cref="SettingException">Another process holds it.</exception>
    public IDisposable Hold()
    {
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = OwnerOnly;
            return new FileStream(File("muster.lock"), options);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or PathTooLongException))
        {
            throw new SettingException($"Another Muster uses the data directory {directory.FullName}.", e);
        }
    }

    /// <summary>Writes a file that only its owner may read (mode 600), whole or not at all.</summary>
    public void WriteSecret(string name, string text)
    {
        var unfinished = File(name + ".new");
        System.IO.File.Delete(unfinished);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        using (var stream = new FileStream(unfinished, options))
        {
            stream.Write(Encoding.UTF8.GetBytes(text));
            stream.Flush(flushToDisk: true);
        }

        System.IO.File.Move(unfinished, File(name), overwrite: true);
    }

    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    private static void Tighten(DirectoryInfo directory)
    {
        // A directory such as /tmp or /var/lib is not Muster's: it must neither be closed to others nor hold secrets.
        var isOpen = (directory.UnixFileMode & ~(OwnerOnly | UnixFileMode.UserExecute)) != 0;
        if (isOpen && (directory.UnixFileMode.HasFlag(UnixFileMode.StickyBit) || !IsMusters(directory)))
            throw new SettingException($"Other users can read the data directory {directory.FullName}, which holds more than Muster's files; name a directory of Muster's own with --data, or close it with chmod 700.");
        try
        {
            Restrict(directory, OwnerOnly | UnixFileMode.UserExecute);
            foreach (var file in directory.EnumerateFiles())
                Restrict(file, OwnerOnly);
            foreach (var folder in PrivateFolders.Select(name => new DirectoryInfo(Path.Combine(directory.FullName, name))).Where(folder => folder.Exists))
            {
                Restrict(folder, OwnerOnly | UnixFileMode.UserExecute);
                foreach (var entry in folder.EnumerateFileSystemInfos("*", SearchOption.AllDirectories))
                    Restrict(entry, entry is DirectoryInfo ? OwnerOnly | UnixFileMode.UserExecute : OwnerOnly);
            }
        }
        catch (UnauthorizedAccessException e)
        {
            throw new SettingException($"Other users of this machine can read the data directory {directory.FullName}, and Muster may not change that; run it as the owner of the directory: {e.Message}", e);
        }
    }

    /// <summary>Whether it is empty (but for what a file system has at its root), or Muster has used it.</summary>
    private static bool IsMusters(DirectoryInfo directory)
    {
        var names = directory.EnumerateFileSystemInfos().Select(entry => entry.Name).Where(name => name != "lost+found").ToHashSet(StringComparer.Ordinal);
        return names.Count == 0 || names.Overlaps(Known);
    }

    /// <summary>Takes away what is beyond these modes. Links are left alone: what they lead to may not be Muster's.</summary>
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    private static void Restrict(FileSystemInfo entry, UnixFileMode most)
    {
        try
        {
            if (entry.LinkTarget is null && entry.Exists && (entry.UnixFileMode & ~most) != 0)
                entry.UnixFileMode &= most;
        }
        catch (FileNotFoundException)
        {
            // SQLite's files go when another process closes the database.
        }
    }
}
