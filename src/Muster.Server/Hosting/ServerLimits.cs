using System.Globalization;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Muster.Server.Hosting;

/// <summary>Bounds of the listener (docs/design.md, promise 9). Settings under <c>Limits:</c>.</summary>
internal sealed class ServerLimits
{
    /// <summary>
    /// How long an idle connection stays open. Supervisors leave each poll's connection open until the server closes it
    /// (docs/device-protocol.md), so this is short.
    /// </summary>
    public TimeSpan KeepAlive { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Connections at once; more are closed at once. 0: as many as the process may hold open, less a reserve for files and the database.</summary>
    public long MaxConnections { get; set; }

    /// <summary>Bytes of a request's body, where an endpoint sets no bound of its own.</summary>
    public long MaxBodyBytes { get; set; } = 8 * 1024 * 1024;

    /// <summary>Bytes of request bodies held in memory at once, over all requests; beyond it large ones get 503. A quarter is kept for small ones.</summary>
    public long MaxBufferedBodyBytes { get; set; } = 64 * 1024 * 1024;

    /// <summary>How long a body may bring nothing, or less than <see cref="BodyBytesPerSecond"/>, before the request is ended with 408.</summary>
    public TimeSpan BodyPatience { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The slowest rate at which a body may come for longer than <see cref="BodyPatience"/>.</summary>
    public int BodyBytesPerSecond { get; set; } = 1024;

    /// <summary>After so long a body must have come whole, whatever its rate.</summary>
    public TimeSpan BodyDeadline { get; set; } = TimeSpan.FromMinutes(5);

    public void Apply(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        var limits = kestrel.Limits;
        limits.KeepAliveTimeout = KeepAlive;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        limits.MaxRequestBodySize = 8 * MaxBodyBytes; // see BodyBound
        // What nobody reads yet waits in the kernel, not in the process.
        limits.MaxRequestBufferSize = 64 * 1024;
        limits.MaxRequestLineSize = 16 * 1024;
        limits.MaxRequestHeadersTotalSize = 32 * 1024;
        limits.MaxRequestHeaderCount = 64;
        limits.MaxConcurrentConnections = MaxConnections > 0 ? MaxConnections : ConnectionsOfProcess();
        limits.MaxConcurrentUpgradedConnections = limits.MaxConcurrentConnections;
        limits.Http2.MaxStreamsPerConnection = 100;
        limits.Http2.InitialConnectionWindowSize = 128 * 1024;
        limits.Http2.InitialStreamWindowSize = 96 * 1024;
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
