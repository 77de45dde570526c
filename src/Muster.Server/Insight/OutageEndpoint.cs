using Muster.Core.Access;
using Muster.Server.Resources;

namespace Muster.Server.Insight;

/// <summary>Answer of <c>GET /muster/v1/outages</c>, oldest first.</summary>
internal sealed record OutageList(IReadOnlyList<Outage> Outages);

/// <summary><c>GET /muster/v1/outages?from=&amp;to=</c>: when Muster did not listen; for every person and service. Without <c>from</c>: the last 30 days.</summary>
internal static class OutageEndpoint
{
    public static void MapOutages(this IEndpointRouteBuilder routes) => routes.MapGet("/outages", OutagesAsync);

    private static async Task<IResult> OutagesAsync(HttpContext context, string? from, string? to, Callers callers, Outages outages, TimeProvider time)
    {
        if ((await callers.OfAsync(context)).Kind is not (CallerKind.User or CallerKind.Service))
            return Refused.Unauthorized();
        if (!TimeRange.TryParse(from, to, TimeSpan.FromDays(30), time.GetUtcNow(), out var range))
            return Refused.Invalid(TimeRange.Sentence);
        return Results.Json(new OutageList(await outages.ReadAsync(range.From, range.To, context.RequestAborted)), InsightJson.Default.OutageList);
    }
}
