namespace Muster.Tests;

/// <summary>Files that tests read, from the clone's <c>tests</c> folder.</summary>
internal static class TestFiles
{
    private static readonly Lazy<string> Root = new(() =>
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Muster.slnx")))
                return Path.Combine(folder.FullName, "tests");
        }

        throw new InvalidOperationException("The tests do not run inside a clone of Muster.");
    });

    /// <summary>The full path of <c>tests/<paramref name="relative"/></c>.</summary>
    public static string At(string relative) => Path.Combine(Root.Value, relative);
}
