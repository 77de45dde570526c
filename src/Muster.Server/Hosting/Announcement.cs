namespace Muster.Server.Hosting;

/// <summary>What a person who starts Muster is told once it listens.</summary>
internal static class Announcement
{
    public static void Print(WebApplication app, TextWriter to)
    {
        foreach (var address in app.Urls)
            to.WriteLine($"Muster listens on {address}");
        var login = app.Services.GetRequiredService<DataDirectory>().File("first-login.txt");
        if (File.Exists(login))
            to.WriteLine($"The first login is in {login}");
        to.Flush();
    }
}
