using System.Globalization;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Mvc;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Actions;
using Muster.Server.Resources;

namespace Muster.Server.Cloudlink.Diagnostics;

/// <summary>Answer of <c>GET …/health-checks</c>, newest first.</summary>
internal sealed record HealthCheckRuns(IReadOnlyList<HealthCheckRun> HealthChecks);

/// <summary>Answer of <c>GET …/diagnostics</c>, newest first.</summary>
internal sealed record DiagnosticsFiles(IReadOnlyList<DiagnosticsFile> Diagnostics);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, Converters = [typeof(InstantConverter)])]
[JsonSerializable(typeof(HealthCheckRuns))]
[JsonSerializable(typeof(DiagnosticsFiles))]
internal sealed partial class ExaminationJson : JsonSerializerContext;

/// <summary>
/// Under <c>/muster/v1/devices/{uuid}</c>: <c>POST health-checks</c> runs all checks now, <c>GET</c> reads the kept runs;
/// <c>POST diagnostics</c> collects a file, <c>GET</c> lists and downloads the kept ones.
/// </summary>
internal static class ExaminationEndpoints
{
    private const int UsualPage = 20;

    public static void MapExaminations(this IEndpointRouteBuilder routes)
    {
        var device = routes.MapGroup("/muster/v1/devices/{uuid}");
        device.MapPost("/health-checks", RunAsync);
        device.MapGet("/health-checks", RunsAsync);
        device.MapGet("/health-checks/{id:long}", OneRunAsync);
        device.MapPost("/diagnostics", CollectAsync);
        device.MapGet("/diagnostics", FilesAsync);
        device.MapGet("/diagnostics/{id:long}", DownloadAsync);
    }

    private static async Task<IResult> RunAsync(HttpContext context, string uuid, Callers callers, [FromServices] HealthChecks checks) =>
        await ForAsync(context, callers, async (caller, cancellation) => await checks.RunAsync(caller, uuid, Asker.Of(caller, context).From, cancellation) is { } run
            ? Results.Json(run, ExaminationJson.Default.HealthCheckRun)
            : NotFound("Device"));

    private static async Task<IResult> RunsAsync(HttpContext context, string uuid, string? limit, Callers callers, [FromServices] HealthChecks checks)
    {
        var page = UsualPage;
        if (limit is not null && (!int.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out page) || page is < 1 or > HealthChecks.LargestPage))
            return Results.Json($"limit must be a number from 1 to {HealthChecks.LargestPage}", statusCode: StatusCodes.Status400BadRequest);
        return await ForAsync(context, callers, async (caller, cancellation) => await checks.ListAsync(caller, uuid, page, cancellation) is { } runs
            ? Results.Json(new HealthCheckRuns(runs), ExaminationJson.Default.HealthCheckRuns)
            : NotFound("Device"));
    }

    private static async Task<IResult> OneRunAsync(HttpContext context, string uuid, long id, Callers callers, [FromServices] HealthChecks checks) =>
        await ForAsync(context, callers, async (caller, cancellation) => await checks.FindAsync(caller, uuid, id, cancellation) is { } run
            ? Results.Json(run, ExaminationJson.Default.HealthCheckRun)
            : NotFound("Health check"));

    private static async Task<IResult> CollectAsync(HttpContext context, string uuid, Callers callers, [FromServices] DeviceDiagnostics diagnostics) =>
        await ForAsync(context, callers, async (caller, cancellation) => await diagnostics.CollectAsync(caller, uuid, Asker.Of(caller, context).From, cancellation) is { } file
            ? Results.Json(file, ExaminationJson.Default.DiagnosticsFile, statusCode: StatusCodes.Status201Created)
            : NotFound("Device"));

    private static async Task<IResult> FilesAsync(HttpContext context, string uuid, Callers callers, [FromServices] DeviceDiagnostics diagnostics) =>
        await ForAsync(context, callers, async (caller, cancellation) => await diagnostics.ListAsync(caller, uuid, cancellation) is { } files
            ? Results.Json(new DiagnosticsFiles(files), ExaminationJson.Default.DiagnosticsFiles)
            : NotFound("Device"));

    private static async Task<IResult> DownloadAsync(HttpContext context, string uuid, long id, Callers callers, [FromServices] DeviceDiagnostics diagnostics) =>
        await ForAsync(context, callers, async (caller, cancellation) => await diagnostics.ReadAsync(caller, uuid, id, cancellation) is { } content
            ? Results.File(content, "application/json", $"diagnostics-{uuid[..Math.Min(7, uuid.Length)]}-{id}.json")
            : NotFound("Diagnostics"));

    private static async Task<IResult> ForAsync(HttpContext context, Callers callers, Func<Caller, CancellationToken, Task<IResult>> answer)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind is CallerKind.Anonymous)
            return Results.StatusCode(StatusCodes.Status401Unauthorized);
        try
        {
            return await answer(caller, context.RequestAborted);
        }
        catch (ExaminationRefusedException e)
        {
            return Results.Json(e.Message, statusCode: e.Status);
        }
    }

    private static IResult NotFound(string what) => Results.Json($"{what} not found", statusCode: StatusCodes.Status404NotFound);
}
