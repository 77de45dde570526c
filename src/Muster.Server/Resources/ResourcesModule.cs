namespace Muster.Server.Resources;

/// <summary>What people and SDKs call: the resource API, accounts and keys.</summary>
internal static class ResourcesModule
{
    public static WebApplicationBuilder AddResources(this WebApplicationBuilder builder)
    {
        return builder;
    }

    public static WebApplication MapResources(this WebApplication app)
    {
        return app;
    }
}
