namespace Muster.Server.Cloudlink;

/// <summary>Tunnels as external tunnel servers report them.</summary>
internal static class CloudlinkModule
{
    public static WebApplicationBuilder AddCloudlink(this WebApplicationBuilder builder)
    {
        return builder;
    }

    public static WebApplication MapCloudlink(this WebApplication app)
    {
        return app;
    }
}
