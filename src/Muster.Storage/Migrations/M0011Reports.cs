using FluentMigrator;

namespace Muster.Storage.Migrations;

/// <summary>What an update status is the lowest of, when the update last moved, and whether a re-flashed device may exchange its key.</summary>
[Migration(11, "update status per release, key exchange")]
public sealed class M0011Reports(SqlDialect dialect) : SchemaMigration(dialect)
{
    public override void Up() => Do(
    [
        // "12:done,13:downloading"; null where it is not known. Read only together with the device.
        "ALTER TABLE device ADD COLUMN update_releases TEXT",
        "ALTER TABLE device ADD COLUMN update_moved_at BIGINT",
        "ALTER TABLE fleet ADD COLUMN allows_key_exchange INTEGER NOT NULL DEFAULT 1",
    ]);
}
