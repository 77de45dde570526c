using FluentMigrator;

namespace Muster.Storage.Migrations;

/// <summary>A node's own gateways are a service instance like any other; the node's name says which is whose after a restart.</summary>
[Migration(3, "cloudlink gateways")]
public sealed class M0003Cloudlink(SqlDialect dialect) : SchemaMigration(dialect)
{
    public override void Up() => Do(
    [
        "ALTER TABLE service_instance ADD COLUMN node TEXT",
        "CREATE UNIQUE INDEX ux_service_instance_node ON service_instance(node) WHERE node IS NOT NULL",
    ]);
}
