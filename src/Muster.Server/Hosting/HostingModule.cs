using Microsoft.Extensions.Options;
using Muster.Server.Hosting.Https;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Muster.Server.Hosting;

/// <summary>The house around the capabilities: listening, bounds, HTTPS, logs, health and metrics.</summary>
internal static class HostingModule
{
    public static WebApplicationBuilder AddHosting(this WebApplicationBuilder builder)
    {
        AddLogs(builder);
        builder.Services.AddSingleton(services => DataDirectory.Of(services.GetRequiredService<IConfiguration>()));
        builder.Services.AddSingleton<DataDirectoryHold>();
        builder.Services.AddSingleton<DatabaseHold>();
        builder.Services.AddHostedService(services => services.GetRequiredService<DatabaseHold>());
        builder.Services.Configure<ServerLimits>(builder.Configuration.GetSection("Limits"));
        builder.Services.AddSingleton<BodyBudget>();
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(10));

        builder.WebHost.UseUrls(Monitoring.UrlsWith(builder.Configuration));
        builder.Services.AddSingleton<Monitoring>();
        builder.Services.AddSingleton<ServerCertificates>();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ApplicationServices.GetRequiredService<IOptions<ServerLimits>>().Value.Apply(kestrel);
            kestrel.ApplicationServices.GetRequiredService<ServerCertificates>().Apply(kestrel);
        });

        builder.Services.AddOpenTelemetry().ConfigureResource(resource => resource.AddService("muster")).WithMetrics(metrics => metrics
            .AddMeter("Muster.*", "System.Runtime")
            .AddAspNetCoreInstrumentation()
            .AddPrometheusExporter());
        return builder;
    }

    /// <summary>First in the pipeline: later endpoints' exceptions become answers here.</summary>
    public static WebApplication MapHosting(this WebApplication app)
    {
        app.UseKnownProxies();
        app.UseMiddleware<FaultAnswers>();
        app.Use(app.Services.GetRequiredService<Monitoring>().GuardAsync);
        app.UseMiddleware<BodyBound>();
        app.MapHealth();
        app.MapPrometheusScrapingEndpoint("/metrics");
        app.MapGet("/muster/v1/ca.pem", (ServerCertificates certificates) => certificates.AuthorityPem is { } pem
            ? Results.Text(pem, "application/x-pem-file")
            : Results.Json("This server has no certificate authority of its own.", statusCode: StatusCodes.Status404NotFound));
        return app;
    }

    /// <summary>Quiet by default: no line per request. <c>Logging:Console:FormatterName=json</c> gives JSON lines.</summary>
    private static void AddLogs(WebApplicationBuilder builder)
    {
        // Lowest of all sources, so that any setting of the operator wins.
        builder.Configuration.Sources.Insert(0, new Microsoft.Extensions.Configuration.Memory.MemoryConfigurationSource
        {
            InitialData = new Dictionary<string, string?>
            {
                ["Logging:LogLevel:Default"] = "Information",
                ["Logging:LogLevel:Microsoft"] = "Warning",
                // The keys of the pages' cookies lie in a folder that only the owner enters; that is their protection.
                ["Logging:LogLevel:Microsoft.AspNetCore.DataProtection"] = "Error",
                // It would write a failed start, which is told anyway, and make a span and a log scope for each request.
                ["Logging:LogLevel:Microsoft.AspNetCore.Hosting.Diagnostics"] = "None",
                ["Logging:LogLevel:Orleans"] = "Error",
                ["Logging:LogLevel:FluentMigrator"] = "Warning",
                ["Logging:LogLevel:Polly"] = "Warning",
                // A line per request to a device that does not answer.
                ["Logging:LogLevel:Yarp"] = "Error",
                ["Logging:Console:FormatterOptions:SingleLine"] = "true",
                ["Logging:Console:FormatterOptions:UseUtcTimestamp"] = "true",
                ["Logging:Console:FormatterOptions:TimestampFormat"] = "yyyy-MM-ddTHH:mm:ss.fffZ ",
            },
        });
        builder.Logging.ClearProviders().AddConsole();
    }
}

/// <summary>Holds the data directory as long as the server lives.</summary>
internal sealed class DataDirectoryHold(DataDirectory directory) : IDisposable
{
    private readonly IDisposable hold = directory.Hold();

    public void Dispose() => hold.Dispose();
}
