using FluentMigrator.Runner;
using Microsoft.Extensions.DependencyInjection;
using Muster.Storage.Postgres;

namespace Muster.Storage.Migrations;

/// <summary>Brings a database to the newest schema. Forward only: a migration is never undone, a later one mends it.</summary>
public static class Migrator
{
    public static void Migrate(Database database)
    {
        using var services = new ServiceCollection()
            .AddFluentMigratorCore()
            .ConfigureRunner(runner =>
            {
                if (database is PostgresDatabase)
                    runner.AddPostgres();
                else
                    runner.AddSQLite();
                runner.WithGlobalConnectionString(database.ConnectionString)
                    .ScanIn(typeof(Migrator).Assembly).For.Migrations();
            })
            .AddSingleton(database.Dialect)
            .BuildServiceProvider(validateScopes: false);
        using var scope = services.CreateScope();
        scope.ServiceProvider.GetRequiredService<IMigrationRunner>().MigrateUp();
    }
}
