using Muster.Server.Cloudlink;
using Muster.Server.Dashboard;
using Muster.Server.Devices;
using Muster.Server.Hosting;
using Muster.Server.Insight;
using Muster.Server.Presence;
using Muster.Server.Resources;
using Muster.Storage;
using Muster.Storage.Migrations;
using Muster.Storage.Postgres;
using Muster.Storage.Sqlite;

namespace Muster.Server;

/// <summary>The map of the server: which capability registers what, and where its endpoints are mapped.</summary>
internal static class ServerHost
{
    public const string DefaultUrl = "http://127.0.0.1:8080";

    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        // No watching of appsettings.json: settings are read at start, and a watcher costs an inotify instance.
        // Name and place of the assets are the server's own, whichever process hosts it from whichever folder.
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            Args = ["--hostBuilder:reloadConfigOnChange=false", .. args],
            ApplicationName = "muster",
            WebRootPath = Path.Combine(AppContext.BaseDirectory, "wwwroot"),
        });
        builder.Services.AddSingleton(TimeProvider.System);
        configure?.Invoke(builder);

        builder.AddHosting();
        builder.Services.AddSingleton(_ => OpenDatabase(builder.Configuration));
        builder.AddDemo();
        builder.AddPresence();
        builder.AddDevices();
        builder.AddResources();
        builder.AddCloudlink();
        builder.AddInsight();
        builder.AddDashboard();

        var app = builder.Build();
        // Before the first look at the database: a second server on one directory must not even migrate it.
        app.Services.GetRequiredService<DataDirectoryHold>();
        var database = app.Services.GetRequiredService<Database>();
        database.ProbeAsync().GetAwaiter().GetResult();
        var hold = app.Services.GetRequiredService<DatabaseHold>();
        hold.TakeAsync().GetAwaiter().GetResult();
        Migrator.Migrate(database);
        hold.FenceAsync().GetAwaiter().GetResult();

        app.MapHosting();
        app.UseDeviceSites();
        app.UseUnchangedPolls();
        app.MapDevices();
        app.MapResources();
        app.MapCloudlink();
        app.MapInsight();
        app.MapDashboard();
        return app;
    }

    /// <summary><c>--database</c> names PostgreSQL; without it, a SQLite file in the data directory.</summary>
    /// <exception cref="SettingException"><c>--database</c> is no connection string.</exception>
    public static Database OpenDatabase(IConfiguration configuration)
    {
        if (configuration["database"] is not { Length: > 0 } connection)
            return new SqliteDatabase(DataDirectory.Of(configuration).PrivateFile("muster.db"));
        try
        {
            return new PostgresDatabase(connection);
        }
        catch (ArgumentException e)
        {
            throw new SettingException($"--database is no PostgreSQL connection string: {e.Message}", e);
        }
    }
}
