using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Muster.Protocol.Cloudlink;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Cloudlink.TunnelServers;
using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Cloudlink.WebSockets;

/// <summary><c>GET /cloudlink/v1?uuid=…</c>: a device opens its tunnel over WebSocket (docs/cloudlink.md).</summary>
internal static class WebSocketEndpoint
{
    public static void MapWebSockets(this IEndpointRouteBuilder routes)
    {
        // Silence is watched by the gateway itself.
        var pipeline = routes.CreateApplicationBuilder()
            .UseWebSockets(new WebSocketOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan });
        var meter = routes.ServiceProvider.GetRequiredService<CloudlinkMeter>();
        pipeline.Run(context => OpenAsync(context, meter));
        routes.MapGet("/" + CloudlinkClient.Path, pipeline.Build());
    }

    private static async Task OpenAsync(HttpContext context, CloudlinkMeter meter)
    {
        var services = context.RequestServices;
        var presence = services.GetRequiredService<FleetPresence>();
        var gateway = services.GetRequiredService<WebSocketGateway>();
        var time = services.GetRequiredService<TimeProvider>();
        var came = time.GetTimestamp();
        if (!context.WebSockets.IsWebSocketRequest)
        {
            await RefuseAsync(context, StatusCodes.Status426UpgradeRequired, "This is the WebSocket of devices; it wants an upgrade.");
            return;
        }

        if (context.Request.Query["uuid"] is not [{ Length: > 0 } uuid])
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, "The query names no uuid.");
            return;
        }

        if (!presence.IsReady || !gateway.HasRoom)
        {
            await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, presence.IsReady ? "All places for sessions are taken; try again later." : "The server is starting or stopping; try again later.");
            return;
        }

        if (Callers.Secret(context.Request) is not { } key || presence.Authenticate(uuid, key, out var slot) is not (DeviceAuth.Ok or DeviceAuth.Frozen))
        {
            meter.Refused(SessionKind.WebSocket);
            await services.GetRequiredService<DenialDelay>().WaitAsync(context.RequestAborted);
            await RefuseAsync(context, StatusCodes.Status401Unauthorized, "This is not the key of a device with this uuid.");
            return;
        }

        var token = context.Request.Headers[CloudlinkClient.ResumeHeader] is [{ Length: > 0 and <= 128 } shown] ? shown : null;
        // A session that goes on costs nothing that would have to be bounded, and cannot wait.
        if (!(token is not null && gateway.CanResume(uuid, token)) && !await services.GetRequiredService<LoginAdmission>().EnterAsync(context.RequestAborted))
        {
            meter.Busy(SessionKind.WebSocket);
            await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "Too many devices log in at once; try again later.");
            return;
        }

        meter.Admitted(SessionKind.WebSocket);
        await presence.ContactAsync(slot, ContactKind.Tunnel, time.GetElapsedTime(came));
        // A tunnel may be idle, and its device slow to read: its own keepalive decides.
        if (context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } reading)
            reading.MinDataRate = null;
        if (context.Features.Get<IHttpMinResponseDataRateFeature>() is { } writing)
            writing.MinDataRate = null;
        WebSocket socket;
        try
        {
            socket = await context.WebSockets.AcceptWebSocketAsync();
        }
        catch (InvalidOperationException) when (!context.Response.HasStarted)
        {
            await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "All places for sessions are taken; try again later.");
            return;
        }

        using (socket)
            await gateway.ServeAsync(socket, uuid, slot, SHA256.HashData(Encoding.UTF8.GetBytes(key)), context.Connection.RemoteIpAddress?.ToString() ?? "", token);
    }

    private static Task RefuseAsync(HttpContext context, int status, string sentence) =>
        Results.Json(sentence, statusCode: status).ExecuteAsync(context);
}
