using Microsoft.AspNetCore.Mvc;
using Muster.Core.Access;
using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Insight;

/// <summary>Answer of <c>GET /muster/v1/devices/{uuid}/metrics</c>, oldest first.</summary>
internal sealed record MetricHistory(IReadOnlyList<MetricPoint> Points);

/// <summary>
/// <c>GET /muster/v1/devices/{uuid}/timeline?from=&amp;to=</c>: lanes of what the device was, and its uptime;
/// <c>GET /muster/v1/devices/{uuid}/metrics?from=&amp;to=</c>: CPU, memory, storage, temperature. Without <c>from</c>: 24 hours.
/// </summary>
internal static class DevicePastEndpoints
{
    public static void MapDevicePast(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/devices/{uuid}/timeline", TimelineAsync);
        routes.MapGet("/devices/{uuid}/metrics", MetricsAsync);
    }

    private static async Task<IResult> TimelineAsync(
        HttpContext context, string uuid, string? from, string? to, Callers callers, [FromServices] FleetPresence presence, Sight sight, DeviceTimelines timelines, TimeProvider time)
    {
        var (device, range, refusal) = await AskedAsync(context, uuid, from, to, callers, presence, sight, time);
        if (refusal is not null)
            return refusal;
        return await timelines.ReadAsync(device, range.From, range.To, context.RequestAborted) is { } timeline
            ? Results.Json(timeline, InsightJson.Default.DeviceTimeline)
            : Refused.NoSuchDevice();
    }

    private static async Task<IResult> MetricsAsync(
        HttpContext context, string uuid, string? from, string? to, Callers callers, [FromServices] FleetPresence presence, Sight sight, DeviceMetrics metrics, TimeProvider time)
    {
        var (device, range, refusal) = await AskedAsync(context, uuid, from, to, callers, presence, sight, time);
        return refusal ?? Results.Json(new MetricHistory(await metrics.ReadAsync(device, range.From, range.To, context.RequestAborted)), InsightJson.Default.MetricHistory);
    }

    /// <summary>The device and the range asked for, or why this caller is told nothing of them.</summary>
    private static async Task<(long Device, TimeRange Range, IResult? Refusal)> AskedAsync(
        HttpContext context, string uuid, string? from, string? to, Callers callers, FleetPresence presence, Sight sight, TimeProvider time)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind is CallerKind.Anonymous)
            return (0, default, Refused.Unauthorized());
        if (!TimeRange.TryParse(from, to, TimeSpan.FromDays(1), time.GetUtcNow(), out var range))
            return (0, default, Refused.Invalid(TimeRange.Sentence));
        if (!presence.TryFind(uuid, out var slot))
            return (0, default, Refused.NoSuchDevice());
        var device = presence.DeviceId(slot);
        return await sight.CanSeeAsync(caller, presence.FleetId(slot), device, context.RequestAborted) ? (device, range, null) : (0, default, Refused.NoSuchDevice());
    }
}
