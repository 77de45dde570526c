using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Muster.Core.Access;
using Muster.Server.Dashboard.Parts;
using Muster.Server.Resources;

namespace Muster.Server.Dashboard.Actions;

/// <summary><c>GET /dashboard/jobs/{id}/results.csv</c>: the results of a bulk job, for the person whose job it is.</summary>
internal static class JobEndpoints
{
    private const int PageSize = 1_000;

    public static string Address(BulkJob job) => $"/dashboard/jobs/{job.Id}/results.csv";

    public static void MapJobs(this IEndpointRouteBuilder routes) => routes.MapGet("/dashboard/jobs/{id:guid}/results.csv", ResultsAsync);

    private static async Task ResultsAsync(HttpContext context, Guid id, Callers callers, [FromServices] BulkJobs jobs)
    {
        var caller = await Visitor.CallerOfAsync(context, callers);
        if (caller.Kind is not CallerKind.User || jobs.Find(caller, id) is not { } job)
        {
            context.Response.StatusCode = caller.Kind is CallerKind.User ? StatusCodes.Status404NotFound : StatusCodes.Status401Unauthorized;
            return;
        }

        var csv = await Csv.BeginAsync(context.Response, "results.csv", "id", "uuid", "name", "result", "detail");
        for (var start = 0; ; start += PageSize)
        {
            var (rows, _) = job.Results(onlyDone: null, start, PageSize);
            if (rows.Count == 0)
                return;
            await csv.WriteAsync(rows.Select(row => (string[])[row.Id.ToString(CultureInfo.InvariantCulture), row.Uuid, row.Name, row.IsDone ? "done" : "failed", row.Sentence ?? ""]));
        }
    }
}
