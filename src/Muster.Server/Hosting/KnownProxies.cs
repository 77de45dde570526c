using System.Net;
using Microsoft.AspNetCore.HttpOverrides;

namespace Muster.Server.Hosting;

/// <summary>
/// <c>Proxies:Known</c>: the reverse proxies whose word about a request counts. Their <c>X-Forwarded-For</c>, <c>-Proto</c> and
/// <c>-Host</c> become the request's address, scheme and host, for limits, audit, links and cookies. From anybody else, and
/// without the setting, these headers mean nothing.
/// </summary>
internal static class KnownProxies
{
    public const string Setting = "Proxies:Known";

    /// <summary>First in the pipeline, so that everything after it sees the client and not the proxy.</summary>
    /// <exception cref="SettingException">An entry is neither an address nor a network.</exception>
    public static void UseKnownProxies(this WebApplication app)
    {
        var entries = app.Configuration[Setting]?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
        if (entries.Length > 0)
            app.UseForwardedHeaders(Options(entries));
    }

    private static ForwardedHeadersOptions Options(string[] entries)
    {
        var options = new ForwardedHeadersOptions
        {
            ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto | ForwardedHeaders.XForwardedHost,
            // The list is read from its end, entry by entry, as long as each was added by a known proxy: what a client put before is not reached.
            ForwardLimit = null,
        };
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (var entry in entries)
        {
            if (IPAddress.TryParse(entry, out var address))
                options.KnownProxies.Add(address);
            else if (System.Net.IPNetwork.TryParse(entry, out var network))
                options.KnownIPNetworks.Add(network);
            else
                throw new SettingException($"{Setting}: '{entry}' is neither an address nor a network; write 10.0.0.7 or 10.0.0.0/8, separated by ','.");
        }

        return options;
    }
}
