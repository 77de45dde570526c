using System.Collections.Immutable;
using Muster.Core.Access;
using Muster.Server.Dashboard.Parts;
using Muster.Server.Resources;

namespace Muster.Server.Dashboard.Devices;

/// <summary>A whole view as a file, with the columns that are shown. Read in parts, so that 100,000 devices need no memory to speak of.</summary>
internal static class DevicesCsv
{
    private const string Path = "/dashboard/devices.csv";
    private const int Part = 500;

    /// <summary>Where a view is downloaded from.</summary>
    public static string UrlOf(DeviceView view, IEnumerable<DeviceColumn> columns) => Path + (view with { Columns = [.. columns] }).ToQuery();

    public static void MapDevicesCsv(this IEndpointRouteBuilder routes) => routes.MapGet(Path, SendAsync).RequireAuthorization();

    private static async Task SendAsync(HttpContext context, Callers callers, ResourceAccess access)
    {
        if (await Visitor.CallerOfAsync(context, callers) is not { Kind: CallerKind.User } caller)
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }

        var (view, problems) = DeviceView.Parse(context.Request.QueryString.Value ?? "");
        if (problems.Length > 0)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            await context.Response.WriteAsync(string.Join('\n', problems));
            return;
        }

        var reads = new DeviceReads(access);
        var columns = view.Columns ?? DeviceColumn.Usual;
        var fleets = (await reads.FleetsAsync(caller, context.RequestAborted)).ToDictionary(f => f.Slug, f => f.Id, StringComparer.Ordinal);
        // The order of one moment; what becomes of a device while the file is sent is told by its row.
        var ids = await reads.IdsAsync(caller, view, fleets, 0, long.MaxValue, context.RequestAborted);
        var csv = await Csv.BeginAsync(context.Response, "devices.csv", [.. columns.Select(c => c.Title)]);
        foreach (var part in ids.Chunk(Part))
            await csv.WriteAsync((await reads.RowsAsync(caller, part, columns, context.RequestAborted)).Select(row => columns.Select(row.WordsOf)));
    }
}
