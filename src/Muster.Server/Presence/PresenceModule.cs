using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;
using Muster.Storage.Presence;
using Orleans.Configuration;

namespace Muster.Server.Presence;

/// <summary>Partitions, group commit, live feed.</summary>
internal static class PresenceModule
{
    public static WebApplicationBuilder AddPresence(this WebApplicationBuilder builder)
    {
        builder.Services.Configure<PresenceOptions>(builder.Configuration.GetSection("Presence"));
        builder.Services.AddSingleton(services => services.GetRequiredService<IOptions<PresenceOptions>>().Value);
        // Before our own service, so that the silo is there when it starts and still there when it stops.
        builder.UseOrleans(ConfigureSilo);

        builder.Services.AddSingleton<LiveFeed>();
        builder.Services.AddSingleton<PresenceReader>();
        builder.Services.AddSingleton<PresenceMeter>();
        builder.Services.AddSingleton<FleetMemory>();
        builder.Services.AddSingleton<ListeningClock>();
        builder.Services.AddSingleton<GroupCommitter>();
        builder.Services.AddSingleton<PartitionMail>();
        builder.Services.AddSingleton<TurnReads>();
        builder.Services.AddSingleton<Allowances>();
        builder.Services.AddSingleton<ServiceInstances>();
        builder.Services.AddSingleton<InputChanges>();
        builder.Services.AddSingleton<FleetLoader>();
        builder.Services.AddSingleton<Checkpoints>();
        builder.Services.AddSingleton<OutageLog>();
        builder.Services.AddSingleton<PresenceTicker>();
        builder.Services.AddSingleton(services => new FleetPresence(
            services.GetRequiredService<FleetMemory>(), services.GetRequiredService<PartitionMail>(), services.GetRequiredService<InputChanges>(),
            services.GetRequiredService<Allowances>(), services.GetRequiredService<ServiceInstances>(), services.GetRequiredService<GroupCommitter>(),
            services.GetRequiredService<ListeningClock>(), services.GetRequiredService<PresenceMeter>(), services.GetRequiredService<Checkpoints>(),
            services.GetRequiredService<PresenceOptions>(), services.GetRequiredService<TimeProvider>()));
        builder.Services.AddSingleton<PresenceService>();
        builder.Services.AddHostedService(services => services.GetRequiredService<PresenceService>());
        return builder;
    }

    /// <summary>
    /// One silo in this process. It clusters with nobody, so its port is any free one on the loopback, and it has no gateway:
    /// several servers run on one machine.
    /// </summary>
    private static void ConfigureSilo(ISiloBuilder silo)
    {
        var endpoint = new IPEndPoint(IPAddress.Loopback, FreePort());
        silo.UseDevelopmentClustering(endpoint);
        silo.Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = ("muster", "muster"));
        // A turn waits for its commit, and a commit for a slow disk. Whoever cannot wait has a bound of his own.
        silo.Configure<SiloMessagingOptions>(options => options.ResponseTimeout = TimeSpan.FromMinutes(10));
        silo.Configure<EndpointOptions>(options =>
        {
            options.AdvertisedIPAddress = endpoint.Address;
            options.SiloPort = endpoint.Port;
            options.GatewayPort = 0;
        });
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
