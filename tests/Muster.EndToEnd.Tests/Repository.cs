namespace Muster.EndToEnd.Tests;

/// <summary>The clone that the tests were built in.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "Muster.slnx")))
                return directory.FullName;
        }

        throw new InvalidOperationException("The tests do not run inside a clone of Muster.");
    }
}
