using System.Buffers;
using System.Net.Security;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Options;

namespace Muster.Server.Cloudlink.Access;

/// <summary>
/// Takes CONNECT on every address that Muster listens on, after TLS and before HTTP, which knows no tunnels of HTTP/1.0.
/// It looks at a connection's first bytes and leaves them where they are: whatever is no CONNECT goes on to HTTP untouched.
/// </summary>
internal sealed class TunnelListener(ClientTunnels tunnels, IConfiguration configuration, IOptions<TunnelOptions> options, TimeProvider time)
{
    private TimeSpan patience;

    private static ReadOnlySpan<byte> Word => "CONNECT "u8;

    public void Apply(KestrelServerOptions kestrel)
    {
        if (!options.Value.Enabled)
            return;
        patience = kestrel.Limits.KeepAliveTimeout;
        // Kestrel asks for each address in turn, in their order, and adds TLS itself only where nobody did.
        var addresses = new Queue<string>((configuration["urls"] ?? ServerHost.DefaultUrl).Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        kestrel.ConfigureEndpointDefaults(listen =>
        {
            if (addresses.TryDequeue(out var address) && address.StartsWith("https:", StringComparison.OrdinalIgnoreCase))
                listen.UseHttps();
            listen.Use(next => connection => ServeAsync(connection, next));
        });
    }

    private async Task ServeAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var isHttp2 = connection.Features.Get<ITlsApplicationProtocolFeature>()?.ApplicationProtocol.Span.SequenceEqual(SslApplicationProtocol.Http2.Protocol.Span) is true;
        switch (isHttp2 ? Beginning.Other : await BeginningAsync(connection))
        {
            case Beginning.Connect:
                await tunnels.ServeAsync(connection);
                break;
            case Beginning.Other:
                await next(connection);
                break;
        }
    }

    /// <summary>Consumes nothing.</summary>
    private async ValueTask<Beginning> BeginningAsync(ConnectionContext connection)
    {
        var input = connection.Transport.Input;
        using var late = new CancellationTokenSource(patience, time);
        try
        {
            while (true)
            {
                var read = await input.ReadAsync(late.Token);
                var beginning = Of(read.Buffer);
                // What was looked at is read again by the next one, and only where more is needed is more waited for.
                input.AdvanceTo(read.Buffer.Start, beginning is null ? read.Buffer.End : read.Buffer.Start);
                if (beginning is { } known)
                    return known;
                if (read.IsCompleted)
                    return Beginning.Nothing;
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            return Beginning.Nothing;
        }
    }

    /// <summary>Null while it can still be either.</summary>
    private static Beginning? Of(ReadOnlySequence<byte> bytes)
    {
        var reader = new SequenceReader<byte>(bytes);
        foreach (var expected in Word)
        {
            if (!reader.TryRead(out var actual))
                return null;
            if (actual != expected)
                return Beginning.Other;
        }

        return Beginning.Connect;
    }

    private enum Beginning
    {
        /// <summary>The client is gone, or says nothing.</summary>
        Nothing,

        Connect,

        Other,
    }
}
