using Muster.Server.Devices.Logs;
using Muster.Server.Devices.Registration;
using Muster.Server.Devices.Registry;
using Muster.Server.Devices.Reports;
using Muster.Server.Devices.Tags;
using Muster.Server.Devices.Targets;

namespace Muster.Server.Devices;

/// <summary>What a device calls: registration, target state, state reports, logs.</summary>
internal static class DevicesModule
{
    public static WebApplicationBuilder AddDevices(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.Configure<LogOptions>(builder.Configuration.GetSection("Logs"));
        services.Configure<RegistryOptions>(builder.Configuration.GetSection("Registry"));
        services.AddSingleton<FleetRows>().AddSingleton<PollIntervals>().AddSingleton<TargetStateReader>().AddSingleton<DeviceReaders>().AddSingleton<TargetStateEndpoints>();
        services.AddSingleton<ReportResolver>().AddSingleton<OwnRow>().AddSingleton<OsProgress>().AddSingleton<StateReportEndpoints>();
        services.AddSingleton<KeyExchange>().AddSingleton<DeviceRegistry>().AddSingleton<RegistrationEndpoints>();
        services.AddSingleton<DeviceTagEndpoints>().AddSingleton<RegistryTokenEndpoint>().AddSingleton<OsConfigEndpoint>();
        services.AddSingleton<LogFeed>().AddSingleton<LogStore>().AddSingleton<LogUploadEndpoints>().AddSingleton<LogReadEndpoints>().AddSingleton<DeviceClock>().AddSingleton<UpdateSigns>();
        services.AddHostedService(provider => provider.GetRequiredService<LogStore>());
        return builder;
    }

    /// <summary>Before all of the pipeline but the handling of faults, routing included: most requests end here.</summary>
    public static WebApplication UseUnchangedPolls(this WebApplication app)
    {
        app.UseMiddleware<UnchangedPolls>();
        // Named here, or the framework would put it before the line above.
        app.UseRouting();
        return app;
    }

    public static WebApplication MapDevices(this WebApplication app)
    {
        string[] get = ["GET", "HEAD"];
        var services = app.Services;
        // What follows in the pipeline is for people and their browsers; a device's request needs none of it.
        var routes = app.MapGroup("");
        routes.ShortCircuit();
        var targets = services.GetRequiredService<TargetStateEndpoints>();
        routes.MapMethods("/device/v3/{uuid}/state", get, context => targets.GetAsync(context, api: 3));
        routes.MapMethods("/device/v2/{uuid}/state", get, context => targets.GetAsync(context, api: 2));
        routes.MapMethods("/device/v3/fleet/{uuid}/state", get, targets.GetFleetAsync);

        var reports = services.GetRequiredService<StateReportEndpoints>();
        routes.MapMethods("/device/v3/state", ["PATCH"], reports.PatchV3Async);
        routes.MapMethods("/device/v2/{uuid}/state", ["PATCH"], reports.PatchV2Async);

        var registration = services.GetRequiredService<RegistrationEndpoints>();
        routes.MapMethods("/device/register", ["POST"], registration.RegisterAsync);
        routes.MapMethods("/api-key/device/{id}/device-key", ["POST"], registration.AddKeyAsync);

        routes.MapMethods("/device/v3/tags", ["PATCH"], services.GetRequiredService<DeviceTagEndpoints>().PatchAsync);

        var uploads = services.GetRequiredService<LogUploadEndpoints>();
        routes.MapMethods("/device/v2/{uuid}/logs", ["POST"], uploads.PostBatchAsync);
        routes.MapMethods("/device/v2/{uuid}/log-stream", ["POST"], uploads.PostStreamAsync);
        routes.MapMethods("/device/v2/{uuid}/logs", get, services.GetRequiredService<LogReadEndpoints>().GetAsync);

        routes.MapMethods("/os/v1/config", get, services.GetRequiredService<OsConfigEndpoint>().GetAsync);
        routes.MapMethods("/auth/v1/token", get, services.GetRequiredService<RegistryTokenEndpoint>().GetAsync);
        routes.MapMethods("/ping", get, context => DeviceAnswers.PlainAsync(context, "OK"));
        routes.MapMethods("/connectivity-check", get, context => DeviceAnswers.EmptyAsync(context, StatusCodes.Status204NoContent));
        return app;
    }
}
