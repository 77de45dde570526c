using System.Net;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Presence;
using Muster.Server.Resources;
using Muster.Server.Resources.Connections;
using Muster.Storage;
using Yarp.ReverseProxy.Forwarder;

namespace Muster.Server.Cloudlink.DeviceUrls;

/// <summary>
/// Public addresses of devices: what comes for <c>{uuid}.{domain}</c> goes to port 80 of the device, through its tunnel,
/// where its people have switched that on (<c>is_web_accessible</c>). It is the device's own site: nothing of Muster's is
/// served there, and nothing of Muster's sessions goes there.
/// </summary>
internal sealed partial class DeviceSites : IDisposable
{
    private const int Port = 80;

    private static readonly HttpRequestOptionsKey<TunnelledDevice> Device = new("device");
    private static readonly TimeSpan KeptIdle = TimeSpan.FromSeconds(10);

    private readonly ConnectedDevices devices;
    private readonly FleetPresence presence;
    private readonly OpenConnections connections;
    private readonly Database database;
    private readonly IHttpForwarder forwarder;
    private readonly DeviceUrlOptions options;
    private readonly Transformer transformer;
    private readonly HttpMessageInvoker invoker;
    private readonly SemaphoreSlim places;

    public DeviceSites(ConnectedDevices devices, DeviceTunnel tunnel, FleetPresence presence, OpenConnections connections, Database database, IHttpForwarder forwarder, Callers callers, IOptions<DeviceUrlOptions> options)
    {
        (this.devices, this.presence, this.connections, this.database, this.forwarder, this.options) = (devices, presence, connections, database, forwarder, options.Value);
        transformer = new(callers);
        places = new(options.Value.MaxRequests);
        invoker = new(new SocketsHttpHandler
        {
            ConnectCallback = (context, cancellation) =>
                context.InitialRequestMessage.Options.TryGetValue(Device, out var device)
                    ? tunnel.ConnectAsync(device, Port, cancellation)
                    : throw new InvalidOperationException("A request without a device."),
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionIdleTimeout = KeptIdle,
            MaxConnectionsPerServer = 32,
        });
    }

    /// <summary>The domain, in lower case; null when there are no public addresses.</summary>
    public string? Domain => options.Domain.Trim('.') is { Length: > 0 } domain ? domain.ToLowerInvariant() : null;

    /// <summary>The device's public address, whether or not it is switched on; null when this server has none.</summary>
    public string? AddressOf(string uuid) => Domain is { } domain ? $"https://{uuid}.{domain}" : null;

    /// <summary>Takes the requests for names below the domain; all others go on.</summary>
    public Task ServeAsync(HttpContext context, RequestDelegate next)
    {
        var host = context.Request.Host.Host;
        return host.EndsWith("." + Domain, StringComparison.OrdinalIgnoreCase) ? ServeAsync(context, host[..^(Domain!.Length + 1)].ToLowerInvariant()) : next(context);
    }

    public void Dispose()
    {
        invoker.Dispose();
        places.Dispose();
    }

    private async Task ServeAsync(HttpContext context, string uuid)
    {
        if (!places.Wait(0, CancellationToken.None))
        {
            await SayAsync(context, StatusCodes.Status503ServiceUnavailable, "Too many requests are under way. Try again in a moment.");
            return;
        }

        try
        {
            var link = Uuid().IsMatch(uuid) ? await devices.LinkAsync(uuid, context.RequestAborted) : null;
            if (link is null)
                await SayAsync(context, StatusCodes.Status404NotFound, "There is no such device.");
            else if (!await IsOpenAsync(link.Id, context.RequestAborted))
                await SayAsync(context, StatusCodes.Status403Forbidden, "The public address of this device is switched off.");
            else if (link.Tunnel is not { } device || link.IsFrozen)
                await SayAsync(context, StatusCodes.Status503ServiceUnavailable, "The device is not connected now.");
            else
                await ForwardAsync(context, device);
        }
        finally
        {
            places.Release();
        }
    }

    private async Task ForwardAsync(HttpContext context, TunnelledDevice device)
    {
        context.Items[typeof(TunnelledDevice)] = device;
        using var open = connections.Enter("device URL", default, cancellation => IsStillOpenAsync(device, cancellation), context.Abort);
        var error = await forwarder.SendAsync(context, $"http://{device.Uuid}.balena/", invoker, new ForwarderRequestConfig { ActivityTimeout = options.IdleTimeout, Version = HttpVersion.Version11 }, transformer);
        if (error is not ForwarderError.None && !context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
            await SayAsync(context, error is ForwarderError.RequestTimedOut ? StatusCodes.Status504GatewayTimeout : StatusCodes.Status502BadGateway, "The device is connected, but nothing on its port 80 answered.");
    }

    private async ValueTask<bool> IsStillOpenAsync(TunnelledDevice device, CancellationToken cancellation) =>
        presence.TryFind(device.Uuid, out var slot) && presence.DeviceId(slot) == device.Id && !presence.IsFrozen(slot) && await IsOpenAsync(device.Id, cancellation);

    private async Task<bool> IsOpenAsync(long device, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT 1 FROM device WHERE id = @p0 AND is_web_accessible <> 0", device);
        return await command.ExecuteScalarAsync(cancellation) is not null;
    }

    private static Task SayAsync(HttpContext context, int status, string sentence)
    {
        context.Response.Clear();
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'";
        return context.Response.WriteAsync(
            $$"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{status}}</title><style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:32rem;padding:0 1rem}</style></head><body><h1>{{sentence}}</h1></body></html>""",
            context.RequestAborted);
    }

    [GeneratedRegex("^[0-9a-f]{32,64}$", RegexOptions.NonBacktracking)]
    private static partial Regex Uuid();

    /// <summary>What goes over to the device, and what comes back, beside what any proxy leaves out.</summary>
    private sealed partial class Transformer(Callers callers) : HttpTransformer
    {
        public override async ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
        {
            await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
            var device = (TunnelledDevice)httpContext.Items[typeof(TunnelledDevice)]!;
            proxyRequest.Options.Set(Device, device);
            var request = httpContext.Request;
            proxyRequest.Headers.Host = request.Host.Value;
            Replace(proxyRequest, "X-Forwarded-For", httpContext.Connection.RemoteIpAddress?.ToString());
            Replace(proxyRequest, "X-Forwarded-Host", request.Host.Value);
            Replace(proxyRequest, "X-Forwarded-Proto", request.Scheme);
            Replace(proxyRequest, "Forwarded", null);
            Replace(proxyRequest, "Cookie", string.Join("; ", request.Cookies.Where(c => !IsOurs(c.Key)).Select(c => $"{c.Key}={c.Value}")) is { Length: > 0 } cookies ? cookies : null);
            if (Callers.Secret(request) is { } secret && await callers.OfTokenAsync(secret, cancellationToken) is not { Kind: CallerKind.Anonymous })
                Replace(proxyRequest, "Authorization", null);
        }

        public override async ValueTask<bool> TransformResponseAsync(HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
        {
            var goesOn = await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
            // A cookie of a device is for its own name: none for its neighbours, nor for Muster.
            var headers = httpContext.Response.Headers;
            if (headers.SetCookie.Count > 0)
                headers.SetCookie = Array.ConvertAll(headers.SetCookie.ToArray(), cookie => DomainOfCookie().Replace(cookie ?? "", ""));
            return goesOn;
        }

        private static bool IsOurs(string cookie) => cookie.StartsWith("muster-", StringComparison.OrdinalIgnoreCase) || cookie.StartsWith(".AspNetCore.", StringComparison.OrdinalIgnoreCase);

        private static void Replace(HttpRequestMessage request, string header, string? value)
        {
            request.Headers.Remove(header);
            if (value is not null)
                request.Headers.TryAddWithoutValidation(header, value);
        }

        [GeneratedRegex(@";\s*domain\s*=[^;]*", RegexOptions.IgnoreCase | RegexOptions.NonBacktracking)]
        private static partial Regex DomainOfCookie();
    }
}
