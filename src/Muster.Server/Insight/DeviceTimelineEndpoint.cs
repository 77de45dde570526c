using Microsoft.AspNetCore.Mvc;
using Muster.Core.Access;
using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Insight;

/// <summary><c>GET /muster/v1/devices/{uuid}/timeline?from=&amp;to=</c>: lanes of what the device was, and its uptime. Without <c>from</c>: 24 hours.</summary>
internal static class DeviceTimelineEndpoint
{
    public static void MapDeviceTimeline(this IEndpointRouteBuilder routes) => routes.MapGet("/devices/{uuid}/timeline", TimelineAsync);

    private static async Task<IResult> TimelineAsync(
        HttpContext context, string uuid, string? from, string? to, Callers callers, [FromServices] FleetPresence presence, Sight sight, DeviceTimelines timelines, TimeProvider time)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind is CallerKind.Anonymous)
            return Refused.Unauthorized();
        if (!TimeRange.TryParse(from, to, TimeSpan.FromDays(1), time.GetUtcNow(), out var range))
            return Refused.Invalid(TimeRange.Sentence);
        if (!presence.TryFind(uuid, out var slot))
            return Refused.NoSuchDevice();
        var device = presence.DeviceId(slot);
        if (!await sight.CanSeeAsync(caller, presence.FleetId(slot), device, context.RequestAborted))
            return Refused.NoSuchDevice();
        return await timelines.ReadAsync(device, range.From, range.To, context.RequestAborted) is { } timeline
            ? Results.Json(timeline, InsightJson.Default.DeviceTimeline)
            : Refused.NoSuchDevice();
    }
}
