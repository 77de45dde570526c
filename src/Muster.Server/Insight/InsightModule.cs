namespace Muster.Server.Insight;

/// <summary>History, explanations and the event stream.</summary>
internal static class InsightModule
{
    public static WebApplicationBuilder AddInsight(this WebApplicationBuilder builder)
    {
        return builder;
    }

    public static WebApplication MapInsight(this WebApplication app)
    {
        return app;
    }
}
