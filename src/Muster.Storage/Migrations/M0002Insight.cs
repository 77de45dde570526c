using FluentMigrator;

namespace Muster.Storage.Migrations;

/// <summary>What the dashboard reads beside the devices: recent changes per fleet, outages of ours, metrics, saved views.</summary>
[Migration(2, "fleet overview, outages, metrics, saved views")]
public sealed class M0002Insight(SqlDialect dialect) : SchemaMigration(dialect)
{
    public override void Up() => Do(
    [
        // The changes of a fleet's last hour and its last change, from the index alone. Only changes of the status pay for it.
        "CREATE INDEX ix_transition_fleet_status ON transition(fleet_id, at, from_value, to_value) WHERE fact = 'overall_status'",
        // Pinned devices by what they run: what corrects the kept count of devices on the fleet's target.
        "CREATE INDEX ix_device_fleet_pin ON device(fleet_id, pinned_release_id, running_release_id) WHERE pinned_release_id IS NOT NULL",
        // Intervals (Unix ms) in which a node of Muster did not listen.
        "CREATE TABLE outage (node TEXT NOT NULL, from_at BIGINT NOT NULL, to_at BIGINT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (node, from_at))",
        "CREATE INDEX ix_outage_to ON outage(to_at)",
        // By time first: what is written and what is deleted lies together, whatever the number of devices. One device is
        // read by looking up each of its instants, which are known: they are multiples of the bucket.
        $"CREATE TABLE device_metric (at BIGINT NOT NULL, device_id BIGINT NOT NULL, cpu_usage INTEGER, cpu_temp INTEGER, memory_usage INTEGER, memory_total INTEGER, storage_usage INTEGER, storage_total INTEGER, PRIMARY KEY (at, device_id)){(Dialect.Name == "sqlite" ? " WITHOUT ROWID" : "")}",
        "CREATE TABLE saved_view (id {id}, account_id BIGINT NOT NULL REFERENCES account(id) ON DELETE CASCADE, name TEXT NOT NULL, query TEXT NOT NULL, created_at BIGINT NOT NULL, modified_at BIGINT NOT NULL, UNIQUE (account_id, name))",
    ]);
}
