using System.Text.Json;
using Muster.Core.Access;
using Muster.Core.Text;
using Muster.Server.Hosting;
using Muster.Server.Resources;

namespace Muster.Server.Insight;

/// <summary>Answer of <c>GET /muster/v1/views</c>, by name.</summary>
internal sealed record SavedViewList(IReadOnlyList<SavedView> Views);

/// <summary>Body of <c>PUT /muster/v1/views</c>.</summary>
internal sealed record SaveView(string? Name, string? Query);

/// <summary><c>GET</c> and <c>PUT /muster/v1/views</c>, <c>DELETE /muster/v1/views/{id}</c>: the caller's own views of the Devices page.</summary>
internal static class SavedViewEndpoints
{
    private const int MaxBytes = 32 * 1024;

    public static void MapSavedViews(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/views", ListAsync);
        routes.MapPut("/views", SaveAsync);
        routes.MapDelete("/views/{id:long}", RemoveAsync);
    }

    private static async Task<IResult> ListAsync(HttpContext context, Callers callers, SavedViews views)
    {
        var caller = await callers.OfAsync(context);
        return caller.Kind is CallerKind.User
            ? Results.Json(new SavedViewList(await views.ListAsync(caller, context.RequestAborted)), InsightJson.Default.SavedViewList)
            : Refused.Unauthorized();
    }

    private static async Task<IResult> SaveAsync(HttpContext context, Callers callers, SavedViews views)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind is not CallerKind.User)
            return Refused.Unauthorized();
        if (await BufferedBody.ReadAsync(context, MaxBytes) is not { } json)
            return Results.Json($"The body may have {MaxBytes / 1024} KiB.", statusCode: StatusCodes.Status413PayloadTooLarge);
        if (JsonText.Problem(json.Span) is { } problem)
            return Refused.Invalid(problem);
        SaveView? body;
        try
        {
            body = JsonSerializer.Deserialize(json.Span, InsightJson.Default.SaveView);
        }
        catch (JsonException)
        {
            body = null;
        }

        if (body is not { Name: { } name, Query: { } query })
            return Refused.Invalid("A view is an object with name and query");
        var answer = await views.SaveAsync(caller, name, query, context.RequestAborted);
        return answer.View is { } view ? Results.Json(view, InsightJson.Default.SavedView) : Refused.Invalid(answer.Refusal!);
    }

    private static async Task<IResult> RemoveAsync(HttpContext context, long id, Callers callers, SavedViews views)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind is not CallerKind.User)
            return Refused.Unauthorized();
        return await views.RemoveAsync(caller, id, context.RequestAborted)
            ? Results.NoContent()
            : Results.Json("View not found", statusCode: StatusCodes.Status404NotFound);
    }
}
