using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Server.Resources.Reads;
using Muster.Storage.Resources;

namespace Muster.Server.Resources.Writes;

/// <summary>POST, PATCH, PUT and DELETE of the resource API (docs/resource-api.md, "Answers and bodies").</summary>
internal static class WriteEndpoints
{
    public static WebApplicationBuilder AddWrites(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<ResourceRules>();
        builder.Services.AddSingleton<ConstraintErrors>();
        builder.Services.AddSingleton<Writer>();
        return builder;
    }

    public static void MapWrites(this IEndpointRouteBuilder routes)
    {
        foreach (var model in (ResourceModel[])[ResourceModel.Version7, ResourceModel.Version6])
        {
            var pattern = $"/{model.Version}/{{**rest}}";
            routes.MapPost(pattern, (HttpContext context, Callers callers, Writer writer) => PostAsync(context, model, callers, writer));
            routes.MapPatch(pattern, (HttpContext context, Callers callers, Writer writer) => PatchAsync(context, model, callers, writer));
            routes.MapPut(pattern, (HttpContext context, Callers callers, Writer writer) => PutAsync(context, model, callers, writer));
            routes.MapDelete(pattern, (HttpContext context, Callers callers, Writer writer) => DeleteAsync(context, model, callers, writer));
            routes.MapMethods(pattern, ["OPTIONS"], () => Answers.Empty());
        }
    }

    private static async Task<IResult> PostAsync(HttpContext context, ResourceModel model, Callers callers, Writer writer)
    {
        var caller = await callers.OfAsync(context);
        if (ResourceRequest.Of(context, model).Query is { Action: { } action })
            return await CanAccessAsync(context, model, caller, writer, action);
        var request = await WriteRequest.ReadAsync(context, model, caller, Act.Create);
        if (request.Query.Key is not null)
            throw RefusedException.Invalid("A new row has no key yet.");
        var (id, json) = await writer.CreateAsync(request);
        // A tunnel server is told its id only.
        var onlyId = request.Resource.Name == "service_instance" || request.Query.Extras.GetValueOrDefault("returnResource") == "false";
        return Answers.Json(onlyId ? $$"""{"id":{{id}}}""" : json, StatusCodes.Status201Created);
    }

    private static async Task<IResult> PatchAsync(HttpContext context, ResourceModel model, Callers callers, Writer writer)
    {
        await writer.ChangeAsync(await WriteRequest.ReadAsync(context, model, await callers.OfAsync(context), Act.Change), context.RequestAborted);
        return Done(model);
    }

    private static async Task<IResult> PutAsync(HttpContext context, ResourceModel model, Callers callers, Writer writer)
    {
        var id = await writer.PutAsync(await WriteRequest.ReadAsync(context, model, await callers.OfAsync(context), Act.Change));
        return id is null ? Done(model) : Answers.Json($$"""{"id":{{id}}}""", StatusCodes.Status201Created);
    }

    private static async Task<IResult> DeleteAsync(HttpContext context, ResourceModel model, Callers callers, Writer writer)
    {
        await writer.RemoveAsync(await WriteRequest.ReadAsync(context, model, await callers.OfAsync(context), Act.Delete));
        return Done(model);
    }

    /// <summary>Whether the caller may reach a device through its tunnel: asked by tunnel servers with the key of whoever wants in.</summary>
    private static async Task<IResult> CanAccessAsync(HttpContext context, ResourceModel model, Caller caller, Writer writer, string action)
    {
        if (action != "canAccess")
            throw RefusedException.NotPermitted();
        var request = await WriteRequest.ReadAsync(context, model, caller, Act.Reach);
        if (request.Resource.Name != "device")
            throw RefusedException.NotPermitted();
        var ids = await writer.ReachableAsync(request);
        if (ids.Count == 0)
            throw RefusedException.NotPermitted();
        return Answers.Json(new JsonObject { ["d"] = new JsonArray([.. ids.Select(id => (JsonNode)new JsonObject { ["id"] = id })]) }.ToJsonString());
    }

    // Clients of /v7 expect an empty body, those of /v6 the word.
    private static IResult Done(ResourceModel model) => model.Version == "v6" ? Answers.Sentence(StatusCodes.Status200OK, "OK") : Answers.Empty();
}
