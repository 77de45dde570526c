namespace Muster.Server.Cloudlink;

/// <summary>Tunnels as external tunnel servers report them, and the way through them to a device (protocol/cloudlink.md).</summary>
internal static class CloudlinkModule
{
    public static WebApplicationBuilder AddCloudlink(this WebApplicationBuilder builder)
    {
        builder.Services.Configure<CloudlinkOptions>(builder.Configuration.GetSection("Cloudlink"));
        builder.Services.AddSingleton<DenialDelay>();
        builder.Services.AddSingleton<DeviceTunnel>();
        builder.Services.AddSingleton<SupervisorClient>();
        builder.Services.AddSingleton<ConnectedDevices>();
        builder.Services.AddSingleton(services => new DeviceActions(services.GetRequiredService<ConnectedDevices>(), services.GetRequiredService<SupervisorClient>(), services.GetRequiredService<TimeProvider>()));
        builder.Services.AddHostedService<UpdateNudges>();
        return builder;
    }

    public static WebApplication MapCloudlink(this WebApplication app)
    {
        app.MapTunnelServers();
        app.MapSupervisorProxy();
        app.MapFleetRestart();
        return app;
    }
}
