using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using Muster.Core.Access;
using Muster.Core.Text;
using Muster.Server.Hosting;
using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Cloudlink.TunnelServers;

/// <summary>What an external tunnel server asks and tells (recordings/services-vpn.json).</summary>
internal static class TunnelServerEndpoints
{
    /// <summary>Devices in one message; the stock tunnel server sends at most 8,000.</summary>
    private const int MaxDevices = 10_000;

    private const int MaxBodyBytes = 1024 * 1024;

    public static void MapTunnelServers(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/services/vpn/auth/{uuid}", AuthenticateAsync);
        routes.MapPost("/services/vpn/client-connect", (HttpContext context, Callers callers, [FromServices] FleetPresence presence, ExternalSessions sessions) => ToldAsync(context, callers, presence, sessions, connected: true));
        routes.MapPost("/services/vpn/client-disconnect", (HttpContext context, Callers callers, [FromServices] FleetPresence presence, ExternalSessions sessions) => ToldAsync(context, callers, presence, sessions, connected: false));
    }

    /// <summary>Whether a device may open a tunnel: with its own key, frozen or not. The log-in is a sign of life.</summary>
    private static async Task<IResult> AuthenticateAsync(HttpContext context, string uuid, Callers callers, [FromServices] FleetPresence presence, ExternalSessions sessions, DenialDelay denial)
    {
        if (Callers.Secret(context.Request) is { } key
            && presence.Authenticate(uuid, key, out var slot) is DeviceAuth.Ok or DeviceAuth.Frozen)
        {
            sessions.Proved(uuid, key);
            await presence.ContactAsync(slot, ContactKind.Tunnel);
            return Results.StatusCode(StatusCodes.Status200OK);
        }

        await denial.WaitAsync(context.RequestAborted);
        return NotPermitted(await callers.OfAsync(context));
    }

    private static async Task<IResult> ToldAsync(HttpContext context, Callers callers, FleetPresence presence, ExternalSessions sessions, bool connected)
    {
        var caller = await callers.OfAsync(context);
        if (!caller.KeyRoles.Contains(AccessRule.TunnelService))
            return NotPermitted(caller);
        if (await ReadAsync(context.Request) is not { } told)
            return Results.StatusCode(StatusCodes.Status400BadRequest);
        if (await sessions.EpochAsync(told.Instance, context.RequestAborted) is { } epoch)
        {
            if (connected)
                sessions.Connected(told.Instance, told.Uuids, caller, Callers.Secret(context.Request)!);
            else
                sessions.Disconnected(told.Instance, told.Uuids);
            await presence.CloudlinkAsync(told.Instance, told.Uuids, connected, epoch, context.RequestAborted);
        }
        else if (connected)
            return Results.Json("Data is referenced by is_managed_by__service_instance.", statusCode: StatusCodes.Status409Conflict);
        return Results.StatusCode(StatusCodes.Status200OK);
    }

    /// <summary>Null when the body is malformed, names no device or too many.</summary>
    private static async Task<(long Instance, IReadOnlyCollection<string> Uuids)?> ReadAsync(HttpRequest request)
    {
        if (await BufferedBody.ReadAsync(request.HttpContext, MaxBodyBytes) is not { } body || JsonText.Problem(body.Span) is not null)
            return null;
        try
        {
            var told = JsonSerializer.Deserialize(body.Span, TunnelServerJson.Default.SessionsTold);
            return told is { ServiceId: { } instance, Uuids: { Length: > 0 and <= MaxDevices } uuids } && Array.TrueForAll(uuids, uuid => uuid is not null)
                ? (instance, uuids)
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Clients know two refusals: no API key at all, and one that may not do this.</summary>
    private static IResult NotPermitted(Caller caller) => caller.KeyRoles.IsEmpty
        ? Results.Json(new Dictionary<string, string> { ["error"] = "API key required" }, statusCode: StatusCodes.Status401Unauthorized)
        : Results.StatusCode(StatusCodes.Status401Unauthorized);
}
