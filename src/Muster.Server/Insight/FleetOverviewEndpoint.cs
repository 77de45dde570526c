using System.Globalization;
using Muster.Core.Access;
using Muster.Server.Resources;
using Muster.Storage;

namespace Muster.Server.Insight;

/// <summary>Answer of <c>GET /muster/v1/fleets</c>, ordered by id.</summary>
/// <param name="Next">Value of <c>after</c> for the next page; null on the last.</param>
internal sealed record FleetOverview(IReadOnlyList<FleetCounts> Fleets, long? Next);

/// <summary>A fleet and how many of its devices have each overall status; statuses that no device has are left out.</summary>
internal sealed record FleetCounts(long Id, string Uuid, string Name, string Slug, SortedDictionary<string, long> Statuses)
{
    public long Devices => Statuses.Values.Sum();
}

/// <summary><c>GET /muster/v1/fleets?limit=&amp;after=</c>: the kept counts (DESIGN.md, promise 8); no device is read, however many there are.</summary>
internal static class FleetOverviewEndpoint
{
    private const int LargestPage = 1_000;

    public static void MapFleetOverview(this IEndpointRouteBuilder routes) => routes.MapGet("/fleets", OverviewAsync);

    private static async Task<IResult> OverviewAsync(HttpContext context, string? limit, string? after, Callers callers, Database database)
    {
        var scope = ReadScope.Of(await callers.OfAsync(context));
        if (Condition(scope) is not { } condition)
            return Refused.Unauthorized();
        var page = LargestPage;
        if (limit is not null && (!int.TryParse(limit, out page) || page is < 1 or > LargestPage))
            return Refused.Invalid($"limit must be a number from 1 to {LargestPage}");
        var begin = 0L;
        if (after is not null && !long.TryParse(after, NumberStyles.None, CultureInfo.InvariantCulture, out begin))
            return Refused.Invalid("after must be the next of a page before");

        await using var connection = await database.OpenReadAsync(context.RequestAborted);
        await using var command = connection.Statement(
            $"""
            SELECT p.id, p.uuid, p.name, p.slug, c.value, c.devices
            FROM (SELECT f.id, f.uuid, f.name, f.slug FROM fleet f WHERE f.id > @p0 AND {condition} ORDER BY f.id LIMIT {page + 1}) p
            LEFT JOIN fleet_count c ON c.fleet_id = p.id AND c.fact = 'overall_status' AND c.devices <> 0
            ORDER BY p.id, c.value
            """,
            begin, scope.SubjectId);
        await using var reader = await command.ExecuteReaderAsync(context.RequestAborted);
        List<FleetCounts> fleets = [];
        while (await reader.ReadAsync(context.RequestAborted))
        {
            var id = reader.GetInt64(0);
            if (fleets.Count == 0 || fleets[^1].Id != id)
                fleets.Add(new(id, reader.GetString(1), reader.GetString(2), reader.GetString(3), new(StringComparer.Ordinal)));
            if (!reader.IsDBNull(4))
                fleets[^1].Statuses.Add(reader.GetString(4), reader.GetInt64(5));
        }

        var next = fleets.Count > page ? fleets[page - 1].Id : (long?)null;
        return Results.Json(new FleetOverview(fleets[..Math.Min(page, fleets.Count)], next), InsightJson.Default.FleetOverview);
    }

    /// <summary>Which fleets (f) the caller may see, @p1 being its subject; null for those who may see none.</summary>
    private static string? Condition(ReadScope scope) => scope.Kind switch
    {
        ReadScopeKind.Everything or ReadScopeKind.Service => "TRUE",
        ReadScopeKind.Memberships => "f.organization_id IN (SELECT m.organization_id FROM organization_membership m WHERE m.account_id = @p1)",
        _ => null,
    };
}
