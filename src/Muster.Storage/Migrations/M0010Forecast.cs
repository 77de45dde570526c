using FluentMigrator;

namespace Muster.Storage.Migrations;

/// <summary>
/// What the forecast rests on: the poll interval that each device knows of, the observer clock on the wall clock, and the
/// silence that is allowed beyond an interval. Also the further tunnels of a device.
/// </summary>
[Migration(10, "known poll intervals, forecast on the observer clock, tunnels at several servers")]
public sealed class M0010Forecast(SqlDialect dialect) : SchemaMigration(dialect)
{
    public override void Up() => Do(
    [
        "ALTER TABLE device_contact ADD COLUMN poll_interval_ms BIGINT",
        "ALTER TABLE observer_clock ADD COLUMN resumed_at_wall BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE observer_clock ADD COLUMN margin_ms BIGINT NOT NULL DEFAULT 90000",
        "ALTER TABLE observer_clock ADD COLUMN offline_after_ms BIGINT NOT NULL DEFAULT 15000",
        "ALTER TABLE device ADD COLUMN tunnels_elsewhere TEXT",
        // Nothing is told from the interval that a device is asked for, and does not know of yet.
        "ALTER TABLE device DROP COLUMN silence_window_ms",
        "ALTER TABLE device DROP COLUMN silence_offline_ms",
    ]);
}
