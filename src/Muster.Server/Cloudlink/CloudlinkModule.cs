using Microsoft.Extensions.Options;
using Muster.Server.Cloudlink.Access;
using Muster.Server.Cloudlink.Actions;
using Muster.Server.Cloudlink.DeviceUrls;
using Muster.Server.Cloudlink.Diagnostics;
using Muster.Server.Cloudlink.OpenVpn;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Cloudlink.Ssh;
using Muster.Server.Cloudlink.Terminals;
using Muster.Server.Cloudlink.TunnelServers;
using Muster.Server.Cloudlink.WebSockets;
using Muster.Server.Hosting;
using Muster.Server.Insight;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Cloudlink;

/// <summary>Tunnels to devices, of gateways of our own and of external tunnel servers, and what goes through them (docs/device-protocol.md, "Tunnels").</summary>
internal static class CloudlinkModule
{
    public static WebApplicationBuilder AddCloudlink(this WebApplicationBuilder builder)
    {
        builder.Services.Configure<CloudlinkOptions>(builder.Configuration.GetSection("Cloudlink"));
        builder.Services.AddSingleton(services => new DenialDelay(services.GetRequiredService<IOptions<CloudlinkOptions>>().Value.DenyDelay, services.GetRequiredService<TimeProvider>()));
        builder.Services.AddSingleton(services => new LoginAdmission(services.GetRequiredService<IOptions<CloudlinkOptions>>(), services.GetRequiredService<TimeProvider>(), Random.Shared.NextDouble));
        builder.Services.AddSingleton<GatewayInstance>();
        builder.Services.AddSingleton<CloudlinkSessions>();
        builder.Services.AddHostedService(services => services.GetRequiredService<CloudlinkSessions>());
        builder.Services.AddSingleton<CloudlinkMeter>();
        builder.AddOpenVpn();
        builder.Services.AddSingleton<ProxyTunnel>();
        builder.Services.AddSingleton<DeviceTunnel>();
        builder.Services.AddSingleton<ReachRight>();
        builder.Services.AddSingleton<ExternalSessions>();
        builder.Services.AddSingleton(services => DeviceSshKey.OpenOrCreate(services.GetRequiredService<DataDirectory>()));
        builder.Services.Configure<SshOptions>(builder.Configuration.GetSection("Cloudlink:Ssh"));
        builder.Services.AddSingleton<SshFiles>().AddSingleton<SshPeople>().AddSingleton<SshDoor>();
        builder.Services.AddHostedService<SshGateway>();
        builder.Services.AddSingleton<SupervisorClient>();
        builder.Services.AddSingleton<ConnectedDevices>();
        builder.Services.AddSingleton<AuditedCalls>();
        builder.Services.AddSingleton<QueuedActions>();
        builder.Services.AddSingleton<LinksUp>();
        builder.Services.AddSingleton<ICommitWatcher>(services => services.GetRequiredService<LinksUp>());
        builder.Services.AddSingleton<ActionQueue>();
        builder.Services.AddSingleton<QueuedCalls>();
        builder.Services.AddHostedService(services => services.GetRequiredService<ActionQueue>());
        builder.Services.AddSingleton(services => new DeviceActions(
            services.GetRequiredService<ConnectedDevices>(), services.GetRequiredService<AuditedCalls>(),
            services.GetRequiredService<AuditLog>(), services.GetRequiredService<ActionQueue>(), services.GetRequiredService<QueuedActions>(),
            services.GetRequiredService<IOptions<CloudlinkOptions>>()));
        builder.Services.AddHostedService<UpdateNudges>();
        builder.Services.AddSingleton<Examinations>();
        builder.Services.AddSingleton(services => new HealthChecks(
            services.GetRequiredService<Examinations>(), services.GetRequiredService<DeviceHealth>(), services.GetRequiredService<AuditLog>(), services.GetRequiredService<Database>(),
            services.GetRequiredService<IOptions<CloudlinkOptions>>(), services.GetRequiredService<TimeProvider>()));
        builder.Services.AddSingleton(services => new DeviceDiagnostics(
            services.GetRequiredService<Examinations>(), services.GetRequiredService<FleetPresence>(), services.GetRequiredService<DeviceHealth>(), services.GetRequiredService<UpdateTroubles>(), services.GetRequiredService<TransitionHistory>(),
            services.GetRequiredService<AuditLog>(), services.GetRequiredService<Database>(), services.GetRequiredService<IOptions<CloudlinkOptions>>(), services.GetRequiredService<TimeProvider>()));
        builder.Services.Configure<TunnelOptions>(builder.Configuration.GetSection("Cloudlink:Tunnel"));
        builder.Services.AddSingleton<ClientTunnels>();
        builder.Services.AddSingleton<TunnelListener>();
        builder.Services.Configure<TerminalOptions>(builder.Configuration.GetSection("Cloudlink:Terminal"));
        builder.Services.AddSingleton<KnownDevices>();
        builder.Services.AddSingleton<DeviceTerminals>();
        builder.Services.Configure<DeviceUrlOptions>(builder.Configuration.GetSection("Cloudlink:DeviceUrls"));
        builder.Services.AddHttpForwarder();
        builder.Services.AddSingleton<DeviceSites>();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ApplicationServices.GetRequiredService<TunnelListener>().Apply(kestrel));
        builder.Services.AddSingleton<WebSocketGateway>();
        builder.Services.AddHostedService(services => services.GetRequiredService<WebSocketGateway>());
        return builder;
    }

    private static void AddOpenVpn(this WebApplicationBuilder builder)
    {
        var options = builder.Configuration.GetSection("Cloudlink:OpenVpn").Get<OpenVpnOptions>() ?? new();
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton<OpenVpnEndpoint>();
        if (options.IsOn)
            builder.Services.AddHostedService<OpenVpnGateway>();
    }

    /// <summary>Before all that Muster answers itself: names of devices are none of its own.</summary>
    public static WebApplication UseDeviceSites(this WebApplication app)
    {
        var urls = app.Services.GetRequiredService<DeviceSites>();
        if (urls.Domain is not null)
            app.Use(next => context => urls.ServeAsync(context, next));
        return app;
    }

    public static WebApplication MapCloudlink(this WebApplication app)
    {
        app.MapConfig();
        app.MapTunnelServers();
        app.MapSupervisorProxy();
        app.MapFleetRestart();
        app.MapActions();
        app.MapExaminations();
        app.MapWebSockets();
        return app;
    }
}
