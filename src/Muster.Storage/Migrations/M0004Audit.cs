using FluentMigrator;

namespace Muster.Storage.Migrations;

/// <summary>
/// Who did what, actions that wait for their device, and what devices answered when they were examined. The audit names
/// people and devices by value: it outlives them.
/// </summary>
[Migration(4, "audit, queued actions, health checks")]
public sealed class M0004Audit(SqlDialect dialect) : SchemaMigration(dialect)
{
    private const string Who = "who_kind TEXT NOT NULL, who_id BIGINT NOT NULL";

    public override void Up() => Do(
    [
        // outcome: null while it goes on. node and life: whose word the outcome would be.
        $"CREATE TABLE audit (id {{id}}, at BIGINT NOT NULL, {Who}, who TEXT NOT NULL, what TEXT NOT NULL, device_id BIGINT, device_uuid TEXT, device_name TEXT, fleet_id BIGINT, organization_id BIGINT, from_address TEXT, detail TEXT, outcome TEXT, ended_at BIGINT, node TEXT NOT NULL, life TEXT NOT NULL)",
        "CREATE INDEX ix_audit_at ON audit(at, id)",
        "CREATE INDEX ix_audit_organization ON audit(organization_id, at, id)",
        "CREATE INDEX ix_audit_device ON audit(device_uuid, at, id)",
        "CREATE INDEX ix_audit_who ON audit(who_kind, who_id, at, id)",
        "CREATE INDEX ix_audit_open ON audit(node) WHERE outcome IS NULL",

        // The device is no foreign key: what became of its actions is told also when it is gone.
        "CREATE TABLE queued_action (id {id}, device_id BIGINT NOT NULL, device_uuid TEXT NOT NULL, organization_id BIGINT NOT NULL, account_id BIGINT NOT NULL, who TEXT NOT NULL, from_address TEXT, idempotency_key TEXT, method TEXT NOT NULL, path TEXT NOT NULL, data TEXT, state TEXT NOT NULL, queued_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, begun_at BIGINT, ended_at BIGINT, node TEXT, life TEXT, result_status INTEGER, result_body TEXT, sentence TEXT)",
        "CREATE INDEX ix_queued_action_device ON queued_action(device_id, id)",
        "CREATE INDEX ix_queued_action_organization ON queued_action(organization_id, id)",
        "CREATE INDEX ix_queued_action_waiting ON queued_action(device_id, id) WHERE state = 'queued'",
        "CREATE INDEX ix_queued_action_expiry ON queued_action(expires_at) WHERE state = 'queued'",
        "CREATE INDEX ix_queued_action_running ON queued_action(device_id) WHERE state = 'running'",
        "CREATE INDEX ix_queued_action_ended ON queued_action(ended_at) WHERE ended_at IS NOT NULL",
        "CREATE UNIQUE INDEX ux_queued_action_key ON queued_action(account_id, idempotency_key, device_id) WHERE idempotency_key IS NOT NULL",

        $"CREATE TABLE health_check (id {{id}}, device_id BIGINT NOT NULL REFERENCES device(id) ON DELETE CASCADE, at BIGINT NOT NULL, took BIGINT NOT NULL, {Who}, who TEXT NOT NULL, level TEXT NOT NULL, checks TEXT NOT NULL)",
        "CREATE INDEX ix_health_check_device ON health_check(device_id, id)",
        "CREATE INDEX ix_health_check_at ON health_check(at)",
        $"CREATE TABLE diagnostics (id {{id}}, device_id BIGINT NOT NULL REFERENCES device(id) ON DELETE CASCADE, at BIGINT NOT NULL, took BIGINT NOT NULL, {Who}, who TEXT NOT NULL, size BIGINT NOT NULL, content {{blob}} NOT NULL)",
        "CREATE INDEX ix_diagnostics_device ON diagnostics(device_id, id)",
        "CREATE INDEX ix_diagnostics_at ON diagnostics(at)",
    ]);
}
