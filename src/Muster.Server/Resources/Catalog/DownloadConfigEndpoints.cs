using System.Globalization;
using Muster.Core.Access;

namespace Muster.Server.Resources.Catalog;

/// <summary>A <c>config.json</c> for new devices of a fleet, with a provisioning key of its own.</summary>
internal static class DownloadConfigEndpoints
{
    public static void MapDownloadConfig(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/download-config", (HttpContext context, Callers callers, DeviceConfigs configs, TimeProvider time) =>
            ConfigAsync(context, context.Request.Query.ToDictionary(q => q.Key, q => q.Value.ToString()), callers, configs, time));
        routes.MapPost("/download-config", async (HttpContext context, Callers callers, DeviceConfigs configs, TimeProvider time) =>
        {
            await callers.OfAsync(context); // who is known may send more
            var body = await RequestBody.ReadAsync(context.Request, context.RequestAborted);
            // Options may stand in the query too; the body's win.
            var options = context.Request.Query.ToDictionary(q => q.Key, q => q.Value.ToString());
            foreach (var (name, value) in body.Fields)
                options[name] = value.ToString();
            return await ConfigAsync(context, options, callers, configs, time);
        });
    }

    private static async Task<IResult> ConfigAsync(HttpContext context, Dictionary<string, string> options, Callers callers, DeviceConfigs configs, TimeProvider time)
    {
        var caller = await callers.OfAsync(context);
        if (caller.Kind != CallerKind.User)
            return Answers.Empty(StatusCodes.Status401Unauthorized);
        if (options.GetValueOrDefault("version") is not { Length: > 0 } version)
            throw RefusedException.Invalid("A version is required.");
        _ = long.TryParse(options.GetValueOrDefault("appId"), NumberStyles.None, CultureInfo.InvariantCulture, out var fleet);
        var wish = new DeviceConfigWish(fleet, new Uri($"{context.Request.Scheme}://{context.Request.Host}"))
        {
            DeviceType = options.GetValueOrDefault("deviceType"),
            KeyName = Limited(options, "provisioningKeyName"),
            KeyExpiresAt = Expiry(options.GetValueOrDefault("provisioningKeyExpiryDate"), time),
            IsDevelopment = options.GetValueOrDefault("developmentMode") is { Length: > 0 } mode ? IsOn(mode, "developmentMode") : version.EndsWith(".dev", StringComparison.Ordinal),
            SecureBoot = options.GetValueOrDefault("secureboot") is { Length: > 0 } secure && IsOn(secure, "secureboot"),
        };
        if (Limited(options, "provisioningKeyDescription") is { } description)
            wish = wish with { KeyDescription = description };
        if (int.TryParse(options.GetValueOrDefault("appUpdatePollInterval"), NumberStyles.None, CultureInfo.InvariantCulture, out var minutes))
            wish = wish with { PollMinutes = minutes };
        var network = options.GetValueOrDefault("network");
        if (network is not (null or "" or "ethernet" or "wifi"))
            throw RefusedException.Invalid("\"network\" must be ethernet or wifi.");
        if (network == "wifi" && options.GetValueOrDefault("wifiSsid") is not { Length: > 0 })
            throw RefusedException.Invalid("\"wifiSsid\" is required for a wifi network.");
        if (network == "wifi")
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

    private static string? Limited(Dictionary<string, string> options, string name) => options.GetValueOrDefault(name) switch
    {
        null or "" => null,
        { Length: > 255 } => throw RefusedException.Invalid($"\"{name}\" has at most 255 characters."),
        var text => text,
    };

    // A key that has expired already would only be found out by the device that does not come up.
    private static long? Expiry(string? text, TimeProvider time) =>
        string.IsNullOrEmpty(text) ? null
        : !WireInstant.TryParse(text, out var at) ? throw RefusedException.Invalid("Key expiry date should be a valid date")
        : at <= time.GetUtcNow().ToUnixTimeMilliseconds() ? throw RefusedException.Invalid("\"provisioningKeyExpiryDate\" must be in the future.")
        : at;

    private static bool IsOn(string text, string name) => text.ToLowerInvariant() switch
    {
        "true" or "on" or "1" => true,
        "false" or "off" or "0" => false,
        _ => throw RefusedException.Invalid($"\"{name}\" must be true or false."),
    };
}
