namespace Muster.Server.Dashboard.Account;

/// <summary>A client's name for people, from what it called itself: "Firefox on Linux".</summary>
internal static class ClientName
{
    // The first that is named counts: others of the list claim to be Chrome or Safari, too.
    private static readonly (string Mark, string Name)[] Browsers = [("Firefox/", "Firefox"), ("Edg/", "Edge"), ("OPR/", "Opera"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];

    private static readonly (string Mark, string Name)[] Systems = [("Android", "Android"), ("iPhone", "iOS"), ("iPad", "iOS"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("Linux", "Linux")];

    public static string Of(string? userAgent)
    {
        if (userAgent is not { Length: > 0 })
            return "Unknown client";
        string? Find((string Mark, string Name)[] of) => of.FirstOrDefault(m => userAgent.Contains(m.Mark, StringComparison.Ordinal)).Name;
        if (Find(Browsers) is not { } browser)
            return userAgent.Split('/', ' ')[0] is { Length: > 0 } word ? word : "Unknown client";
        return Find(Systems) is { } system ? $"{browser} on {system}" : browser;
    }
}
