using Microsoft.AspNetCore.Mvc;
using Muster.Core.Access;
using Muster.Server.Devices.Logs;
using Muster.Server.Resources;

namespace Muster.Server.Dashboard.Logs;

/// <summary>
/// <c>GET /dashboard/devices/{uuid}/logs</c>: a device's log for the page in the browser, by its session: the API takes no
/// cookies. NDJSON, the lines that are kept first; an empty line now and then keeps the connection.
/// </summary>
internal static class LogEndpoints
{
    /// <summary>A stream ends by then; the page opens the next one, and whether it may is asked anew.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    public static string Address(string uuid) => $"/dashboard/devices/{uuid}/logs";

    public static void MapLogs(this IEndpointRouteBuilder routes) => routes.MapGet("/dashboard/devices/{uuid}/logs", WatchAsync);

    private static async Task WatchAsync(HttpContext context, string uuid, Callers callers, [FromServices] LogReadEndpoints logs, TimeProvider time)
    {
        if (await Visitor.CallerOfAsync(context, callers) is not { Kind: CallerKind.User } caller)
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }

        context.Response.Headers.XContentTypeOptions = "nosniff";
        using var ends = new CancellationTokenSource(Longest, time);
        await logs.WatchAsync(context, caller, uuid, ends.Token);
    }
}
