namespace Muster.Server.Insight;

/// <summary>History, explanations, overview and the event stream: what Muster adds under <c>/muster/v1</c>.</summary>
internal static class InsightModule
{
    public static WebApplicationBuilder AddInsight(this WebApplicationBuilder builder)
    {
        builder.Services.Configure<InsightOptions>(builder.Configuration.GetSection("Insight"));
        builder.Services.AddSingleton<Sight>();
        builder.Services.AddSingleton<TransitionHistory>();
        builder.Services.AddSingleton<EventStreams>();
        builder.Services.AddSingleton<FleetOverviews>();
        builder.Services.AddSingleton<Outages>();
        builder.Services.AddSingleton<DeviceTimelines>();
        return builder;
    }

    public static WebApplication MapInsight(this WebApplication app)
    {
        var routes = app.MapGroup("/muster/v1");
        routes.MapDeviceStatus();
        routes.MapDeviceHistory();
        routes.MapDeviceTimeline();
        routes.MapFleetOverview();
        routes.MapOutages();
        routes.MapEventStream();
        return app;
    }
}
