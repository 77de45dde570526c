using Microsoft.AspNetCore.Mvc;
using Muster.Server.Presence;
using Muster.Server.Resources;

namespace Muster.Server.Insight;

/// <summary>Answer of <c>GET /muster/v1/devices/{uuid}/history</c>.</summary>
/// <param name="Next">Value of <c>after</c> for the next page; null on the last.</param>
internal sealed record DeviceHistory(string Uuid, IReadOnlyList<DeviceTransition> Transitions, string? Next);

/// <summary>A change of one fact of a device.</summary>
internal sealed record DeviceTransition(long Id, string At, string Fact, string? From, string? To, string Cause);

/// <summary><c>GET /muster/v1/devices/{uuid}/history?from=&amp;to=&amp;limit=&amp;after=</c>: stored transitions in [from, to), oldest first, in pages.</summary>
internal static class DeviceHistoryEndpoint
{
    private const int DefaultPage = 100;
    private const int LargestPage = 1_000;

    public static void MapDeviceHistory(this IEndpointRouteBuilder routes) => routes.MapGet("/devices/{uuid}/history", HistoryAsync);

    private static async Task<IResult> HistoryAsync(
        HttpContext context, string uuid, string? from, string? to, string? limit, string? after, Callers callers, [FromServices] FleetPresence presence, Sight sight, TransitionHistory history)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind is Core.Access.CallerKind.Anonymous)
            return Refused.Unauthorized();
        if (!InsightJson.TryInstant(from, 0, out var begin) || !InsightJson.TryInstant(to, long.MaxValue, out var end))
            return Refused.Invalid("from and to must be instants: ISO 8601 or Unix milliseconds");
        var page = DefaultPage;
        if (limit is not null && (!int.TryParse(limit, out page) || page is < 1 or > LargestPage))
            return Refused.Invalid($"limit must be a number from 1 to {LargestPage}");
        var place = after is null ? new HistoryPlace(long.MinValue, 0) : HistoryPlace.Parse(after);
        if (place is null)
            return Refused.Invalid("after must be the next of a page before");

        if (!presence.TryFind(uuid, out var slot))
            return Refused.NoSuchDevice();
        var device = presence.DeviceId(slot);
        if (!await sight.CanSeeAsync(caller, presence.FleetId(slot), device, context.RequestAborted))
            return Refused.NoSuchDevice();
        var found = await history.OfDeviceAsync(device, begin, end, place.Value, page + 1, context.RequestAborted);
        var shown = found.GetRange(0, Math.Min(found.Count, page));
        var next = found.Count > page ? new HistoryPlace(shown[^1].At, shown[^1].Id).ToString() : null;
        return Results.Json(
            new DeviceHistory(uuid, [.. shown.Select(t => new DeviceTransition(t.Id, InsightJson.Instant(t.At), t.Fact, t.From, t.To, t.Cause))], next),
            InsightJson.Default.DeviceHistory);
    }
}
