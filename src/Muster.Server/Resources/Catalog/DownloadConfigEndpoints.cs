using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Server.Resources.Accounts;
using Muster.Storage;

namespace Muster.Server.Resources.Catalog;

/// <summary>A <c>config.json</c> for new devices of a fleet, with a provisioning key of its own.</summary>
internal static class DownloadConfigEndpoints
{
    public static void MapDownloadConfig(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/download-config", (HttpContext context, Callers callers, ApiKeys keys, Database database, IConfiguration configuration) =>
            ConfigAsync(context, context.Request.Query.ToDictionary(q => q.Key, q => q.Value.ToString()), callers, keys, database, configuration));
        routes.MapPost("/download-config", async (HttpContext context, Callers callers, ApiKeys keys, Database database, IConfiguration configuration) =>
        {
            var body = await RequestBody.ReadAsync(context.Request, context.RequestAborted);
            return await ConfigAsync(context, body.Fields.ToDictionary(f => f.Key, f => f.Value.ToString()), callers, keys, database, configuration);
        });
    }

    private static async Task<IResult> ConfigAsync(HttpContext context, Dictionary<string, string> options, Callers callers, ApiKeys keys, Database database, IConfiguration configuration)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind != CallerKind.User)
            return Answers.Empty(StatusCodes.Status401Unauthorized);
        if (options.GetValueOrDefault("version") is not { Length: > 0 })
            throw RefusedException.Invalid("A version is required.");
        if (!long.TryParse(options.GetValueOrDefault("appId"), NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            || await FleetAsync(database, id, context.RequestAborted) is not { } fleet || !AccessRule.Has(caller, Role.Developer, fleet.Organization))
            throw new RefusedException(StatusCodes.Status404NotFound, "You do not have permission to access this application");
        var type = options.GetValueOrDefault("deviceType") is { Length: > 0 } slug ? slug : fleet.DeviceType;
        if (DeviceTypes.All.All(t => t.Slug != type && !t.Aliases.Contains(type)))
            throw new RefusedException(StatusCodes.Status404NotFound, $"Unknown device type {type}");

        var key = ApiKeys.Generate();
        var minutes = int.TryParse(options.GetValueOrDefault("appUpdatePollInterval"), NumberStyles.None, CultureInfo.InvariantCulture, out var asked) ? Math.Clamp(asked, 1, 1440) : 10;
        await database.WriteAsync(write => keys.AddAsync(write, fleet.Actor, key, AccessRule.ProvisioningKey, options.GetValueOrDefault("provisioningKeyName"), "Made for a downloaded config.json"));
        var host = context.Request.Host;
        return Answers.Json(new JsonObject
        {
            ["applicationId"] = id,
            ["deviceType"] = type,
            ["userId"] = caller.SubjectId,
            ["appUpdatePollInterval"] = minutes * 60_000,
            ["listenPort"] = 48484,
            ["vpnPort"] = 443,
            ["apiEndpoint"] = $"{context.Request.Scheme}://{host}",
            ["vpnEndpoint"] = host.Host,
            ["registryEndpoint"] = configuration["Registry:Service"] is { Length: > 0 } registry ? registry : host.Value,
            ["deltaEndpoint"] = $"{context.Request.Scheme}://{host}",
            ["apiKey"] = key,
        }.ToJsonString());
    }

    private static async Task<(long Actor, long Organization, string DeviceType)?> FleetAsync(Database database, long id, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT f.actor_id, f.organization_id, t.slug FROM fleet f JOIN device_type t ON t.id = f.device_type_id WHERE f.id = @p0", id);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? (reader.GetInt64(0), reader.GetInt64(1), reader.GetString(2)) : null;
    }
}
