using Microsoft.AspNetCore.Mvc;
using Muster.Core.Access;
using Muster.Server.Resources;

namespace Muster.Server.Insight;

/// <summary><c>GET /muster/v1/devices/{uuid}/health</c>: what is wrong with a device, as far as that is on record, and what to do.</summary>
internal static class DeviceHealthEndpoint
{
    public static void MapDeviceHealth(this IEndpointRouteBuilder routes) => routes.MapGet("/devices/{uuid}/health", HealthAsync);

    private static async Task<IResult> HealthAsync(HttpContext context, string uuid, Callers callers, [FromServices] DeviceHealth health)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind is CallerKind.Anonymous)
            return Refused.Unauthorized();
        return await health.ReadAsync(caller, uuid, context.RequestAborted) is { } report
            ? Results.Json(report, InsightJson.Default.DeviceHealthReport)
            : Refused.NoSuchDevice();
    }
}
