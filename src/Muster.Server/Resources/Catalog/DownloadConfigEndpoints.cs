using System.Globalization;
using Muster.Core.Access;

namespace Muster.Server.Resources.Catalog;

/// <summary>A <c>config.json</c> for new devices of a fleet, with a provisioning key of its own.</summary>
internal static class DownloadConfigEndpoints
{
    public static void MapDownloadConfig(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/download-config", (HttpContext context, Callers callers, DeviceConfigs configs) =>
            ConfigAsync(context, context.Request.Query.ToDictionary(q => q.Key, q => q.Value.ToString()), callers, configs));
        routes.MapPost("/download-config", async (HttpContext context, Callers callers, DeviceConfigs configs) =>
        {
            var body = await RequestBody.ReadAsync(context.Request, context.RequestAborted);
            return await ConfigAsync(context, body.Fields.ToDictionary(f => f.Key, f => f.Value.ToString()), callers, configs);
        });
    }

    private static async Task<IResult> ConfigAsync(HttpContext context, Dictionary<string, string> options, Callers callers, DeviceConfigs configs)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind != CallerKind.User)
            return Answers.Empty(StatusCodes.Status401Unauthorized);
        if (options.GetValueOrDefault("version") is not { Length: > 0 })
            throw RefusedException.Invalid("A version is required.");
        _ = long.TryParse(options.GetValueOrDefault("appId"), NumberStyles.None, CultureInfo.InvariantCulture, out var fleet);
        var wish = new DeviceConfigWish(fleet, new Uri($"{context.Request.Scheme}://{context.Request.Host}"))
        {
            DeviceType = options.GetValueOrDefault("deviceType"),
            KeyName = options.GetValueOrDefault("provisioningKeyName"),
        };
        if (int.TryParse(options.GetValueOrDefault("appUpdatePollInterval"), NumberStyles.None, CultureInfo.InvariantCulture, out var minutes))
            wish = wish with { PollMinutes = minutes };
        if (options.GetValueOrDefault("network") == "wifi")
            wish = wish with { WifiSsid = options.GetValueOrDefault("wifiSsid"), WifiKey = options.GetValueOrDefault("wifiKey") };
        try
        {
            return await configs.MakeAsync(caller, wish, context.RequestAborted) is { } config
                ? Answers.Json(config.Document.ToJsonString())
                : throw new RefusedException(StatusCodes.Status404NotFound, "You do not have permission to access this application");
        }
        catch (ArgumentException e)
        {
            throw new RefusedException(StatusCodes.Status404NotFound, e.Message);
        }
    }
}
