using Microsoft.Extensions.Options;
using Muster.Server.Presence;

namespace Muster.Server.Insight;

/// <summary>History, explanations, overview and the event stream: what Muster adds under <c>/muster/v1</c>.</summary>
internal static class InsightModule
{
    public static WebApplicationBuilder AddInsight(this WebApplicationBuilder builder)
    {
        builder.Services.Configure<InsightOptions>(builder.Configuration.GetSection("Insight"));
        builder.Services.AddSingleton<Sight>();
        builder.Services.AddSingleton<TransitionHistory>();
        builder.Services.AddSingleton<UpdateTroubles>().AddSingleton<DeviceHealth>();
        builder.Services.AddSingleton<EventStreams>();
        builder.Services.AddSingleton<FleetOverviews>();
        builder.Services.AddSingleton<Outages>();
        builder.Services.AddSingleton<DeviceTimelines>();
        builder.Services.AddSingleton(services => new MetricSamples(services.GetRequiredService<IOptions<InsightOptions>>().Value.MetricBacklog));
        builder.Services.AddSingleton<ICommitWatcher>(services => services.GetRequiredService<MetricSamples>());
        builder.Services.AddSingleton<MetricWriter>();
        builder.Services.AddHostedService(services => services.GetRequiredService<MetricWriter>());
        builder.Services.AddSingleton<DeviceMetrics>();
        builder.Services.AddSingleton<SavedViews>();
        builder.Services.AddSingleton<AuditLog>();
        builder.Services.AddHostedService(services => services.GetRequiredService<AuditLog>());
        builder.Services.AddSingleton<AuditQuestions>();
        return builder;
    }

    public static WebApplication MapInsight(this WebApplication app)
    {
        var routes = app.MapGroup("/muster/v1");
        routes.MapDeviceStatus();
        routes.MapDeviceHealth();
        routes.MapDeviceHistory();
        routes.MapDevicePast();
        routes.MapFleetOverview();
        routes.MapOutages();
        routes.MapSavedViews();
        routes.MapAudit();
        routes.MapEventStream();
        return app;
    }
}
