using System.Globalization;
using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Storage;

namespace Muster.Server.Resources.Catalog;

/// <summary>What clients ask outside the resource API (docs/resource-api.md, "Outside the resources").</summary>
internal static class CatalogEndpoints
{
    private static readonly string AllTypes = new JsonArray([.. DeviceTypes.All.Select(DeviceTypeDocument.Of)]).ToJsonString();

    public static void MapCatalog(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/config/vars", (string? deviceType, IConfiguration configuration) =>
            Answers.Json(ConfigVariables.For(configuration.GetValue("Presence:PollIntervalFloor", TimeSpan.FromMinutes(10)), deviceType).ToJsonString()));
        routes.MapGet("/device-types/v1", () => Answers.Json(AllTypes));
        routes.MapGet("/device-types/v1/{slug}", TypeOf);
        // No images are kept here: clients take them from where balenaOS is published.
        routes.MapGet("/device-types/v1/{slug}/images/{version}/download-size", (string slug, string version) =>
            Answers.Sentence(StatusCodes.Status404NotFound, $"Device {slug} not found for {version} version"));
        routes.MapPost("/application/{id}/generate-api-key", async (HttpContext context, Callers callers) =>
            (await callers.OfAsync(context)).Kind == CallerKind.User ? Answers.Sentence(StatusCodes.Status404NotFound, "Role 'user-api-key' not found") : Answers.Empty(StatusCodes.Status401Unauthorized));
        routes.MapGet("/access/v1/hostos/{uuid}", HostAccessAsync);
        routes.MapDownloadConfig();
    }

    private static IResult TypeOf(string slug)
    {
        if (!slug.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '+'))
            return Answers.Sentence(StatusCodes.Status400BadRequest, "Invalid device type");
        return DeviceTypes.All.FirstOrDefault(t => t.Slug == slug || t.Aliases.Contains(slug)) is { } type
            ? Answers.Json(DeviceTypeDocument.Of(type).ToJsonString())
            : Answers.Sentence(StatusCodes.Status404NotFound, $"Unknown device type {slug}");
    }

    /// <summary>Whether the caller may log in to a device's host OS: asked by SSH gateways.</summary>
    private static async Task<IResult> HostAccessAsync(HttpContext context, string uuid, Callers callers, Database database)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind != CallerKind.User)
            return Answers.Empty(StatusCodes.Status401Unauthorized);
        await using var connection = await database.OpenReadAsync(context.RequestAborted);
        await using var command = connection.Statement("SELECT f.organization_id FROM device d JOIN fleet f ON f.id = d.fleet_id WHERE d.uuid = @p0", uuid);
        var organization = await command.ExecuteScalarAsync(context.RequestAborted) is { } id ? Convert.ToInt64(id, CultureInfo.InvariantCulture) : (long?)null;
        return Answers.Empty(organization is { } owner && AccessRule.Has(caller, Role.Operator, owner) ? StatusCodes.Status200OK : StatusCodes.Status401Unauthorized);
    }
}
