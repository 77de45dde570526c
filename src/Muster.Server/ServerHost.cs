using Muster.Server.Cloudlink;
using Muster.Server.Devices;
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
    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        builder.Services.AddSingleton(TimeProvider.System);
        configure?.Invoke(builder);

        builder.Services.AddSingleton(OpenDatabase(builder.Configuration));
        builder.AddPresence();
        builder.AddDevices();
        builder.AddResources();
        builder.AddCloudlink();
        builder.AddInsight();

        var app = builder.Build();
        Migrator.Migrate(app.Services.GetRequiredService<Database>());

        app.MapDevices();
        app.MapResources();
        app.MapCloudlink();
        app.MapInsight();
        return app;
    }

    /// <summary><c>--database</c> names PostgreSQL; without it, a SQLite file in the data directory.</summary>
    public static Database OpenDatabase(IConfiguration configuration)
    {
        if (configuration["database"] is { Length: > 0 } connection)
            return new PostgresDatabase(connection);
        var data = Directory.CreateDirectory(configuration["data"] ?? "data");
        return new SqliteDatabase(Path.Combine(data.FullName, "muster.db"));
    }
}
