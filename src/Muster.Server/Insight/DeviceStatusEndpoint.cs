using Microsoft.AspNetCore.Mvc;
using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Insight;

/// <summary><c>GET /muster/v1/devices/{uuid}/status</c>: the status, why, since when, and what will change it next (docs/design.md, promise 6).</summary>
internal static class DeviceStatusEndpoint
{
    public static void MapDeviceStatus(this IEndpointRouteBuilder routes) => routes.MapGet("/devices/{uuid}/status", StatusAsync);

    private static async Task<IResult> StatusAsync(HttpContext context, string uuid, Callers callers, [FromServices] FleetPresence presence, Sight sight, UpdateTroubles troubles, TimeProvider time)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind is Core.Access.CallerKind.Anonymous)
            return Refused.Unauthorized();
        if (!presence.TryFind(uuid, out var slot)
            || presence.Evidence(slot) is not { } evidence
            || !await sight.CanSeeAsync(caller, evidence.FleetId, evidence.DeviceId, context.RequestAborted))
            return Refused.NoSuchDevice();
        return Results.Json(DeviceStatus.Of(evidence, await troubles.OfAsync(evidence, context.RequestAborted), time.GetUtcNow().ToUnixTimeMilliseconds()), InsightJson.Default.DeviceStatus);
    }
}
