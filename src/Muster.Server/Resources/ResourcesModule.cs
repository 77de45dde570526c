using Muster.Server.Presence;
using Muster.Server.Resources.Accounts;
using Muster.Server.Resources.Catalog;
using Muster.Server.Resources.Connections;
using Muster.Server.Resources.Reads;
using Muster.Server.Resources.Writes;
using Muster.Storage;

namespace Muster.Server.Resources;

/// <summary>What people and SDKs call: the resource API, accounts and keys.</summary>
internal static class ResourcesModule
{
    public static WebApplicationBuilder AddResources(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<OpenConnections>();
        builder.Services.AddHostedService<ConnectionWatch>();
        builder.AddAccounts();
        builder.AddWrites();
        builder.Services.AddSingleton<DeviceEdits>();
        builder.Services.AddSingleton(services => new ResourceAccess(
            services.GetRequiredService<Database>(), services.GetRequiredService<Writer>(), services.GetRequiredService<FleetPresence>(), services.GetRequiredService<TimeProvider>()));
        builder.Services.AddSingleton<DeviceConfigs>();
        builder.Services.AddSingleton<QueryAllowance>();
        return builder;
    }

    public static WebApplication MapResources(this WebApplication app)
    {
        var routes = app.MapGroup("").AddEndpointFilter<RefusalFilter>();
        routes.MapAccounts();
        routes.MapReads();
        routes.MapWrites();
        routes.MapCatalog();
        return app;
    }
}
