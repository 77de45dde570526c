using System.Net;

namespace Muster.Server.Dashboard.SignIn;

/// <summary>
/// The address at which <c>balena login --web</c> waits for a token: a port of the same computer. A token is sent nowhere else,
/// whatever a link to the page says.
/// </summary>
internal static class CliCallback
{
    private const string Path = "/auth";

    /// <summary>The CLI escapes its address twice; how often it was unescaped on the way here depends on the redirects in between.</summary>
    private const int MostEscapes = 3;

    /// <summary>The callback that the end of the page's address names; null when it is none of the CLI's.</summary>
    public static Uri? Of(string text)
    {
        for (var i = 0; i < MostEscapes && text.Contains('%', StringComparison.Ordinal); i++)
            text = Uri.UnescapeDataString(text);
        return Uri.TryCreate(text, UriKind.Absolute, out var address)
            && address.Scheme == Uri.UriSchemeHttp
            && IsThisComputer(address)
            && address is { UserInfo: "", AbsolutePath: Path, Query: "", Fragment: "" }
            ? address
            : null;
    }

    /// <summary>By address, or the one name that browsers never ask a name server for.</summary>
    private static bool IsThisComputer(Uri address) =>
        address.Host == "localhost" || (IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));
}
