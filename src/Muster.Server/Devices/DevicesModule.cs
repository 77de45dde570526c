namespace Muster.Server.Devices;

/// <summary>What a device calls: registration, target state, state reports, logs.</summary>
internal static class DevicesModule
{
    public static WebApplicationBuilder AddDevices(this WebApplicationBuilder builder)
    {
        return builder;
    }

    public static WebApplication MapDevices(this WebApplication app)
    {
        return app;
    }
}
