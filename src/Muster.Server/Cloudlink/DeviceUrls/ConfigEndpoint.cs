namespace Muster.Server.Cloudlink.DeviceUrls;

/// <summary><c>GET /config</c>: what an SDK asks the server about itself. Muster has one thing to tell: below which domain devices have public addresses.</summary>
internal static class ConfigEndpoint
{
    public static void MapConfig(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/config", (DeviceSites urls) => Results.Json(new Dictionary<string, string?> { ["deviceUrlsBase"] = urls.Domain ?? "" }));
}
