using Microsoft.AspNetCore.Mvc;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Diagnostics;
using Muster.Server.Resources;

namespace Muster.Server.Dashboard.Health;

/// <summary><c>GET /dashboard/devices/{uuid}/diagnostics/{id}</c>: a file of diagnostics for the browser, by its session: the API takes no cookies.</summary>
internal static class DiagnosticsDownload
{
    public static string Address(DiagnosticsFile file) => $"/dashboard/devices/{file.Uuid}/diagnostics/{file.Id}";

    public static void MapDiagnosticsDownload(this IEndpointRouteBuilder routes) => routes.MapGet("/dashboard/devices/{uuid}/diagnostics/{id:long}", SendAsync);

    private static async Task<IResult> SendAsync(HttpContext context, string uuid, long id, Callers callers, [FromServices] DeviceDiagnostics diagnostics)
    {
        var caller = await Visitor.CallerOfAsync(context, callers);
        if (caller.Kind is not CallerKind.User)
            return Results.StatusCode(StatusCodes.Status401Unauthorized);
        if (await diagnostics.ReadAsync(caller, uuid, id, context.RequestAborted) is not { } content)
            return Results.StatusCode(StatusCodes.Status404NotFound);
        context.Response.Headers.CacheControl = "no-store";
        return Results.File(content, "application/json", $"diagnostics-{id}.json");
    }
}
