using System.Globalization;
using Muster.Server.Resources;

namespace Muster.Server.Insight;

/// <summary>Answer of <c>GET /muster/v1/fleets</c>, ordered by id.</summary>
/// <param name="Next">Value of <c>after</c> for the next page; null on the last.</param>
internal sealed record FleetOverview(IReadOnlyList<FleetCounts> Fleets, long? Next);

/// <summary>Answer of <c>GET /muster/v1/fleets?detail=true</c>.</summary>
/// <inheritdoc cref="FleetOverview"/>
internal sealed record FleetCards(IReadOnlyList<FleetCard> Fleets, long? Next);

/// <summary><c>GET /muster/v1/fleets?limit=&amp;after=&amp;detail=</c>: the kept counts; no device is read, however many there are.</summary>
internal static class FleetOverviewEndpoint
{
    public static void MapFleetOverview(this IEndpointRouteBuilder routes) => routes.MapGet("/fleets", OverviewAsync);

    private static async Task<IResult> OverviewAsync(HttpContext context, string? limit, string? after, string? detail, Callers callers, FleetOverviews overviews)
    {
        var caller = await callers.OfAsync(context);
        if (!FleetOverviews.IsFor(caller))
            return Refused.Unauthorized();
        var page = FleetOverviews.LargestPage;
        if (limit is not null && (!int.TryParse(limit, out page) || page is < 1 or > FleetOverviews.LargestPage))
            return Refused.Invalid($"limit must be a number from 1 to {FleetOverviews.LargestPage}");
        var begin = 0L;
        if (after is not null && !long.TryParse(after, NumberStyles.None, CultureInfo.InvariantCulture, out begin))
            return Refused.Invalid("after must be the next of a page before");
        if (detail is not (null or "true" or "false"))
            return Refused.Invalid("detail must be true or false");

        if (detail is "true")
        {
            var (cards, more) = Page(await overviews.ReadAsync(caller, begin, page + 1, context.RequestAborted), page);
            return Results.Json(new FleetCards(cards, more ? cards[^1].Id : null), InsightJson.Default.FleetCards);
        }

        var (fleets, next) = Page(await overviews.CountsAsync(caller, begin, page + 1, context.RequestAborted), page);
        return Results.Json(new FleetOverview(fleets, next ? fleets[^1].Id : null), InsightJson.Default.FleetOverview);
    }

    private static (List<T> Shown, bool More) Page<T>(IReadOnlyList<T> found, int page) => ([.. found.Take(page)], found.Count > page);
}
