using Muster.Server.Resources.Accounts;
using Muster.Server.Resources.Reads;

namespace Muster.Server.Resources;

/// <summary>What people and SDKs call: the resource API, accounts and keys.</summary>
internal static class ResourcesModule
{
    public static WebApplicationBuilder AddResources(this WebApplicationBuilder builder)
    {
        builder.AddAccounts();
        return builder;
    }

    public static WebApplication MapResources(this WebApplication app)
    {
        var routes = app.MapGroup("").AddEndpointFilter<RefusalFilter>();
        routes.MapAccounts();
        routes.MapReads();
        return app;
    }
}
