using System.Globalization;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Muster.Server.Hosting;

/// <summary>Bounds of the listener (DESIGN.md, promise 9). Settings under <c>Limits:</c>.</summary>
internal sealed class ServerLimits
{
    /// <summary>
    /// How long an idle connection stays open. Supervisors leave each poll's connection open until the server closes it
    /// (protocol/device-behaviour.md), so this is short.
    /// </summary>
    public TimeSpan KeepAlive { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Connections at once; more are closed at once. 0: as many as the process may hold open, less a reserve for files and the database.</summary>
    public long MaxConnections { get; set; }

    /// <summary>Bytes of a request's body, where an endpoint sets no bound of its own.</summary>
    public long MaxBodyBytes { get; set; } = 8 * 1024 * 1024;

    public void Apply(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        var limits = kestrel.Limits;
        limits.KeepAliveTimeout = KeepAlive;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        limits.MaxRequestBodySize = 8 * MaxBodyBytes; // see BodyBound
        limits.MaxRequestLineSize = 16 * 1024;
        limits.MaxRequestHeadersTotalSize = 32 * 1024;
        limits.MaxRequestHeaderCount = 64;
        limits.MaxConcurrentConnections = MaxConnections > 0 ? MaxConnections : ConnectionsOfProcess();
        limits.MaxConcurrentUpgradedConnections = limits.MaxConcurrentConnections;
        limits.Http2.MaxStreamsPerConnection = 100;
    }

    private static long ConnectionsOfProcess()
    {
        const long reserve = 500;
        const string line = "Max open files";
        var limit = File.Exists("/proc/self/limits")
            ? File.ReadLines("/proc/self/limits").FirstOrDefault(l => l.StartsWith(line, StringComparison.Ordinal))
            : null;
        return limit is not null && long.TryParse(limit[line.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0], CultureInfo.InvariantCulture, out var files)
            ? Math.Max(100, files - reserve)
            : 10_000;
    }
}
