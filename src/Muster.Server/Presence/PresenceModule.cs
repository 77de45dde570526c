namespace Muster.Server.Presence;

/// <summary>Partitions, group commit, live feed.</summary>
internal static class PresenceModule
{
    public static WebApplicationBuilder AddPresence(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<LiveFeed>();
        builder.Services.AddSingleton<FleetPresence>();
        return builder;
    }

}
