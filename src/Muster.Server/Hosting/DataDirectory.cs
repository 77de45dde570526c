using System.Text;

namespace Muster.Server.Hosting;

/// <summary>The directory of everything Muster keeps beside PostgreSQL: the SQLite file, keys, the first login.</summary>
internal sealed class DataDirectory
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly DirectoryInfo directory;

    private DataDirectory(DirectoryInfo directory) => this.directory = directory;

    /// <summary>The directory that <c>--data</c> names (default <c>data</c>), made for its owner only (mode 700) when missing.</summary>
    public static DataDirectory Of(IConfiguration configuration)
    {
        var path = configuration["data"] is { Length: > 0 } named ? named : "data";
        return new(OperatingSystem.IsWindows() || Directory.Exists(path)
            ? Directory.CreateDirectory(path)
            : Directory.CreateDirectory(path, OwnerOnly | UnixFileMode.UserExecute));
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
            return new FileStream(File("muster.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
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
}
