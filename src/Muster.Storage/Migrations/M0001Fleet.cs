using FluentMigrator;

namespace Muster.Storage.Migrations;

/// <summary>
/// The first schema. Instants are Unix milliseconds (UTC); flags are 0/1; documents are JSON text.
/// Columns of <c>device</c> under "partition" are written by the device's partition only (docs/design.md, promise 4).
/// </summary>
[Migration(1, "fleet, devices, releases, people, presence")]
public sealed class M0001Fleet(SqlDialect dialect) : SchemaMigration(dialect)
{
    private const string Stamps = "created_at BIGINT NOT NULL, modified_at BIGINT NOT NULL";

    public override void Up()
    {
        Do(Statements());
        foreach (var statement in Dialect.Name == "sqlite" ? CountTriggersSqlite() : CountTriggersPostgres())
            Execute.Sql(statement);
    }

    private static IEnumerable<string> Statements()
    {
        // ---- people and access
        yield return $"CREATE TABLE actor (id {{id}}, kind TEXT NOT NULL)";
        yield return $"CREATE TABLE account (id {{id}}, actor_id BIGINT NOT NULL REFERENCES actor(id), username TEXT NOT NULL UNIQUE, email TEXT NOT NULL UNIQUE, password_hash TEXT, token_secret TEXT NOT NULL, is_server_admin INTEGER NOT NULL DEFAULT 0, {Stamps})";
        yield return $"CREATE TABLE organization (id {{id}}, name TEXT NOT NULL, handle TEXT NOT NULL UNIQUE, plan TEXT NOT NULL DEFAULT 'paid', device_allowance INTEGER, {Stamps})";
        yield return $"CREATE TABLE organization_membership (id {{id}}, organization_id BIGINT NOT NULL REFERENCES organization(id) ON DELETE CASCADE, account_id BIGINT NOT NULL REFERENCES account(id) ON DELETE CASCADE, role TEXT NOT NULL, {Stamps}, UNIQUE (organization_id, account_id))";
        yield return "CREATE INDEX ix_membership_account ON organization_membership(account_id)";
        // key_hash: SHA-256 of the key. A key is 128 random bits or more, so a fast hash is enough.
        // roles: space separated; actor decides whom the key speaks for.
        yield return $"CREATE TABLE api_key (id {{id}}, actor_id BIGINT NOT NULL REFERENCES actor(id) ON DELETE CASCADE, key_hash {{blob}} NOT NULL UNIQUE, roles TEXT NOT NULL DEFAULT '', name TEXT, description TEXT, expiry_date BIGINT, {Stamps})";
        yield return "CREATE INDEX ix_api_key_actor ON api_key(actor_id)";
        yield return $"CREATE TABLE public_key (id {{id}}, account_id BIGINT NOT NULL REFERENCES account(id) ON DELETE CASCADE, title TEXT NOT NULL, public_key TEXT NOT NULL, {Stamps})";

        // ---- hardware
        yield return $"CREATE TABLE cpu_architecture (id {{id}}, slug TEXT NOT NULL UNIQUE, {Stamps})";
        yield return $"CREATE TABLE device_type (id {{id}}, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, cpu_architecture_id BIGINT NOT NULL REFERENCES cpu_architecture(id), logo TEXT, contract TEXT, {Stamps})";
        yield return $"CREATE TABLE device_type_alias (id {{id}}, device_type_id BIGINT NOT NULL REFERENCES device_type(id) ON DELETE CASCADE, alias TEXT NOT NULL UNIQUE, {Stamps})";

        // ---- fleets and releases
        yield return $"CREATE TABLE fleet_type (id {{id}}, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, description TEXT, needs_paid_plan INTEGER NOT NULL DEFAULT 0, supports_multicontainer INTEGER NOT NULL DEFAULT 1, supports_web_url INTEGER NOT NULL DEFAULT 1, is_legacy INTEGER NOT NULL DEFAULT 0, requires_payment INTEGER NOT NULL DEFAULT 0, {Stamps})";
        yield return $"CREATE TABLE fleet (id {{id}}, actor_id BIGINT NOT NULL REFERENCES actor(id), uuid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, slug TEXT NOT NULL UNIQUE, organization_id BIGINT NOT NULL REFERENCES organization(id) ON DELETE CASCADE, device_type_id BIGINT NOT NULL REFERENCES device_type(id), fleet_type_id BIGINT NOT NULL REFERENCES fleet_type(id), class TEXT NOT NULL DEFAULT 'fleet', is_host INTEGER NOT NULL DEFAULT 0, is_public INTEGER NOT NULL DEFAULT 0, is_archived INTEGER NOT NULL DEFAULT 0, track_latest INTEGER NOT NULL DEFAULT 1, target_release_id BIGINT, support_access_until BIGINT, {Stamps})";
        yield return "CREATE UNIQUE INDEX ux_fleet_organization_name ON fleet(organization_id, name)";
        yield return $"CREATE TABLE fleet_tag (id {{id}}, fleet_id BIGINT NOT NULL REFERENCES fleet(id) ON DELETE CASCADE, tag_key TEXT NOT NULL, value TEXT NOT NULL DEFAULT '', {Stamps}, UNIQUE (fleet_id, tag_key))";
        yield return $"CREATE TABLE fleet_config_variable (id {{id}}, fleet_id BIGINT NOT NULL REFERENCES fleet(id) ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL, {Stamps}, UNIQUE (fleet_id, name))";
        yield return $"CREATE TABLE fleet_environment_variable (id {{id}}, fleet_id BIGINT NOT NULL REFERENCES fleet(id) ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL, {Stamps}, UNIQUE (fleet_id, name))";
        yield return $"CREATE TABLE build_environment_variable (id {{id}}, fleet_id BIGINT NOT NULL REFERENCES fleet(id) ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL, {Stamps}, UNIQUE (fleet_id, name))";
        yield return $"CREATE TABLE release (id {{id}}, fleet_id BIGINT NOT NULL REFERENCES fleet(id) ON DELETE CASCADE, created_by_account_id BIGINT REFERENCES account(id) ON DELETE SET NULL, \"commit\" TEXT NOT NULL, composition TEXT, contract TEXT, status TEXT NOT NULL, source TEXT NOT NULL DEFAULT 'cloud', build_log TEXT, start_timestamp BIGINT NOT NULL, end_timestamp BIGINT, update_timestamp BIGINT NOT NULL, is_invalidated INTEGER NOT NULL DEFAULT 0, invalidation_reason TEXT, is_passing_tests INTEGER NOT NULL DEFAULT 1, is_final INTEGER NOT NULL DEFAULT 1, is_finalized_at BIGINT, semver_major INTEGER NOT NULL DEFAULT 0, semver_minor INTEGER NOT NULL DEFAULT 0, semver_patch INTEGER NOT NULL DEFAULT 0, semver_prerelease TEXT NOT NULL DEFAULT '', semver_build TEXT NOT NULL DEFAULT '', variant TEXT NOT NULL DEFAULT '', revision INTEGER, known_issue_list TEXT, note TEXT, phase TEXT, {Stamps})";
        yield return "CREATE INDEX ix_release_fleet ON release(fleet_id, status, is_final, is_invalidated)";
        yield return "CREATE UNIQUE INDEX ux_release_fleet_commit_revision ON release(fleet_id, \"commit\", semver_major, semver_minor, semver_patch, semver_prerelease, variant, revision)";
        yield return $"CREATE TABLE release_tag (id {{id}}, release_id BIGINT NOT NULL REFERENCES release(id) ON DELETE CASCADE, tag_key TEXT NOT NULL, value TEXT NOT NULL DEFAULT '', {Stamps}, UNIQUE (release_id, tag_key))";
        yield return $"CREATE TABLE release_asset (id {{id}}, release_id BIGINT NOT NULL REFERENCES release(id) ON DELETE CASCADE, asset_key TEXT NOT NULL, filename TEXT, content_type TEXT, size BIGINT, content {{blob}}, {Stamps}, UNIQUE (release_id, asset_key))";
        yield return $"CREATE TABLE service (id {{id}}, fleet_id BIGINT NOT NULL REFERENCES fleet(id) ON DELETE CASCADE, service_name TEXT NOT NULL, {Stamps}, UNIQUE (fleet_id, service_name))";
        yield return $"CREATE TABLE service_environment_variable (id {{id}}, service_id BIGINT NOT NULL REFERENCES service(id) ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL, {Stamps}, UNIQUE (service_id, name))";
        yield return $"CREATE TABLE service_label (id {{id}}, service_id BIGINT NOT NULL REFERENCES service(id) ON DELETE CASCADE, label_name TEXT NOT NULL, value TEXT NOT NULL, {Stamps}, UNIQUE (service_id, label_name))";
        yield return $"CREATE TABLE image (id {{id}}, service_id BIGINT NOT NULL REFERENCES service(id) ON DELETE CASCADE, location TEXT NOT NULL UNIQUE, content_hash TEXT, contract TEXT, status TEXT NOT NULL, image_size BIGINT, project_type TEXT, dockerfile TEXT, build_log TEXT, error_message TEXT, start_timestamp BIGINT NOT NULL, end_timestamp BIGINT, push_timestamp BIGINT, {Stamps})";
        yield return "CREATE INDEX ix_image_service ON image(service_id)";
        yield return $"CREATE TABLE release_image (id {{id}}, release_id BIGINT NOT NULL REFERENCES release(id) ON DELETE CASCADE, image_id BIGINT NOT NULL REFERENCES image(id) ON DELETE CASCADE, {Stamps}, UNIQUE (release_id, image_id))";
        yield return "CREATE INDEX ix_release_image_image ON release_image(image_id)";
        yield return $"CREATE TABLE image_label (id {{id}}, release_image_id BIGINT NOT NULL REFERENCES release_image(id) ON DELETE CASCADE, label_name TEXT NOT NULL, value TEXT NOT NULL, {Stamps}, UNIQUE (release_image_id, label_name))";
        yield return $"CREATE TABLE image_environment_variable (id {{id}}, release_image_id BIGINT NOT NULL REFERENCES release_image(id) ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL, {Stamps}, UNIQUE (release_image_id, name))";

        // ---- devices
        yield return $"CREATE TABLE service_instance (id {{id}}, service_type TEXT NOT NULL DEFAULT 'vpn', ip_address TEXT NOT NULL, last_heartbeat BIGINT NOT NULL, epoch BIGINT NOT NULL DEFAULT 0, {Stamps})";
        yield return $$"""
            CREATE TABLE device (
                id {id}, actor_id BIGINT NOT NULL REFERENCES actor(id), uuid TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
                fleet_id BIGINT NOT NULL REFERENCES fleet(id) ON DELETE CASCADE, device_type_id BIGINT NOT NULL REFERENCES device_type(id),
                is_active INTEGER NOT NULL DEFAULT 0, activated_at BIGINT, is_frozen INTEGER NOT NULL DEFAULT 0,
                pinned_release_id BIGINT REFERENCES release(id) ON DELETE SET NULL, operated_by_release_id BIGINT REFERENCES release(id) ON DELETE SET NULL,
                managed_by_release_id BIGINT REFERENCES release(id) ON DELETE SET NULL,
                note TEXT, local_id TEXT, is_web_accessible INTEGER NOT NULL DEFAULT 0, is_locked_until BIGINT, support_access_until BIGINT,
                latitude TEXT, longitude TEXT, location TEXT, custom_latitude TEXT, custom_longitude TEXT,
                {{Stamps}},
                -- partition: what the device reported
                status TEXT, provisioning_state TEXT, provisioning_progress INTEGER, download_progress INTEGER,
                os_version TEXT, os_variant TEXT, supervisor_version TEXT, ip_address TEXT, mac_address TEXT, public_address TEXT,
                api_port INTEGER, api_secret TEXT, memory_usage INTEGER, memory_total INTEGER, storage_block_device TEXT, storage_usage INTEGER, storage_total INTEGER,
                cpu_usage INTEGER, cpu_temp INTEGER, cpu_id TEXT, is_undervolted INTEGER NOT NULL DEFAULT 0,
                running_release_id BIGINT REFERENCES release(id) ON DELETE SET NULL,
                -- partition: links
                heartbeat TEXT NOT NULL DEFAULT 'unknown', heartbeat_changed_at BIGINT,
                cloudlink_connected INTEGER NOT NULL DEFAULT 0, cloudlink_changed_at BIGINT, connectivity_changed_at BIGINT,
                service_instance_id BIGINT REFERENCES service_instance(id) ON DELETE SET NULL, cloudlink_epoch BIGINT NOT NULL DEFAULT 0,
                -- partition: answers of the rule
                overall_status TEXT NOT NULL DEFAULT 'inactive', overall_progress INTEGER, status_reason TEXT NOT NULL DEFAULT 'never-seen', status_since BIGINT,
                update_status TEXT, update_status_changed_at BIGINT, update_detail TEXT, silence_window_ms BIGINT NOT NULL DEFAULT 990000, silence_offline_ms BIGINT NOT NULL DEFAULT 15000)
            """;
        yield return "CREATE INDEX ix_device_fleet_status ON device(fleet_id, overall_status, name)";
        yield return "CREATE INDEX ix_device_status ON device(overall_status)";
        yield return "CREATE INDEX ix_device_fleet_heartbeat ON device(fleet_id, heartbeat)";
        yield return "CREATE INDEX ix_device_fleet_update ON device(fleet_id, update_status)";
        yield return "CREATE INDEX ix_device_actor ON device(actor_id)";
        yield return "CREATE INDEX ix_device_name ON device(name)";
        yield return "CREATE INDEX ix_device_pinned ON device(pinned_release_id) WHERE pinned_release_id IS NOT NULL";
        yield return "CREATE INDEX ix_device_running ON device(running_release_id)";
        yield return "CREATE INDEX ix_device_instance ON device(service_instance_id) WHERE service_instance_id IS NOT NULL";
        // Last: of indexes that serve alike, SQLite takes the one made last, and this one also gives the usual order.
        yield return "CREATE INDEX ix_device_fleet_name ON device(fleet_id, name)";
        // Written in batches by the partition, apart from the wide row above. observed_*: on the observer clock, ms.
        yield return "CREATE TABLE device_contact (device_id BIGINT NOT NULL PRIMARY KEY REFERENCES device(id) ON DELETE CASCADE, last_poll_at BIGINT, last_contact_at BIGINT, observed_poll BIGINT, observed_contact BIGINT)";
        yield return $"CREATE TABLE device_tag (id {{id}}, device_id BIGINT NOT NULL REFERENCES device(id) ON DELETE CASCADE, tag_key TEXT NOT NULL, value TEXT NOT NULL DEFAULT '', {Stamps}, UNIQUE (device_id, tag_key))";
        yield return "CREATE INDEX ix_device_tag_key ON device_tag(tag_key, value)";
        yield return $"CREATE TABLE device_config_variable (id {{id}}, device_id BIGINT NOT NULL REFERENCES device(id) ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL, {Stamps}, UNIQUE (device_id, name))";
        yield return $"CREATE TABLE device_environment_variable (id {{id}}, device_id BIGINT NOT NULL REFERENCES device(id) ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL, {Stamps}, UNIQUE (device_id, name))";
        yield return $"CREATE TABLE device_service_environment_variable (id {{id}}, device_id BIGINT NOT NULL REFERENCES device(id) ON DELETE CASCADE, service_id BIGINT NOT NULL REFERENCES service(id) ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL, {Stamps}, UNIQUE (device_id, service_id, name))";
        yield return $"CREATE TABLE image_install (id {{id}}, device_id BIGINT NOT NULL REFERENCES device(id) ON DELETE CASCADE, image_id BIGINT NOT NULL REFERENCES image(id) ON DELETE CASCADE, release_id BIGINT NOT NULL REFERENCES release(id) ON DELETE CASCADE, status TEXT NOT NULL, download_progress INTEGER, install_date BIGINT NOT NULL, {Stamps}, UNIQUE (device_id, image_id))";
        yield return "CREATE INDEX ix_image_install_release ON image_install(release_id)";
        yield return "CREATE INDEX ix_image_install_image ON image_install(image_id)";
        // Every device has every service of its fleet: derived, so it cannot go stale. The id packs both (service below 2^20).
        yield return "CREATE VIEW service_install AS SELECT d.id * 1048576 + s.id AS id, d.id AS device_id, s.id AS service_id, d.created_at AS created_at, d.modified_at AS modified_at FROM device d JOIN service s ON s.fleet_id = d.fleet_id";
        // A deleted device stays quiet: its uuid is remembered, so that its polls are answered 304 (docs/device-protocol.md).
        yield return "CREATE TABLE deleted_device (uuid TEXT NOT NULL PRIMARY KEY, deleted_at BIGINT NOT NULL)";
        yield return $"CREATE TABLE device_log (id {{id}}, device_id BIGINT NOT NULL REFERENCES device(id) ON DELETE CASCADE, at BIGINT NOT NULL, received_at BIGINT NOT NULL, service_id BIGINT, is_system INTEGER NOT NULL, is_stderr INTEGER NOT NULL, message TEXT NOT NULL)";
        yield return "CREATE INDEX ix_device_log_device ON device_log(device_id, id)";
        yield return "CREATE INDEX ix_device_log_received ON device_log(received_at)";

        // ---- presence
        // History. fact: overall_status | heartbeat | cloudlink | update_status | …; id order is feed order. No foreign key: history outlives its device.
        yield return "CREATE TABLE transition (id {id}, device_id BIGINT NOT NULL, fleet_id BIGINT NOT NULL, fact TEXT NOT NULL, from_value TEXT, to_value TEXT, at BIGINT NOT NULL, cause TEXT NOT NULL)";
        yield return "CREATE INDEX ix_transition_device ON transition(device_id, at)";
        yield return "CREATE INDEX ix_transition_at ON transition(at)";
        // Exact counts per fleet, kept by triggers on device: whoever changes a device changes the count in the same transaction.
        yield return "CREATE TABLE fleet_count (fleet_id BIGINT NOT NULL, fact TEXT NOT NULL, value TEXT NOT NULL, devices BIGINT NOT NULL, PRIMARY KEY (fleet_id, fact, value))";
        // One row per node: how long Muster has listened (observer clock, ms), and whether it stopped in order.
        yield return "CREATE TABLE observer_clock (node TEXT NOT NULL PRIMARY KEY, observed BIGINT NOT NULL, written_at BIGINT NOT NULL, resumed_at BIGINT NOT NULL DEFAULT 0, outage BIGINT NOT NULL DEFAULT 0, unclean_at BIGINT NOT NULL DEFAULT 0, stopped_in_order INTEGER NOT NULL DEFAULT 0)";
        yield return "CREATE TABLE setting (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)";
    }

    /// <summary>The facts that are counted, and the columns they stand in.</summary>
    private static readonly (string Fact, string Name, string Column)[] Counted =
    [
        ("overall_status", "overall_status", "overall_status"), ("heartbeat", "heartbeat", "heartbeat"), ("update_status", "update_status", "coalesce({row}update_status, 'none')"),
        ("cloudlink", "cloudlink_connected", "CASE WHEN {row}cloudlink_connected <> 0 THEN 'connected' ELSE 'disconnected' END"),
        ("running_release", "running_release_id", "coalesce(CAST({row}running_release_id AS TEXT), 'none')"),
    ];

    private static string Value(string column, string row) =>
        column.Contains("{row}", StringComparison.Ordinal) ? column.Replace("{row}", row, StringComparison.Ordinal) : row + column;

    private static IEnumerable<string> CountTriggersSqlite()
    {
        foreach (var (fact, name, column) in Counted)
        {
            var (old, @new) = (Value(column, "OLD."), Value(column, "NEW."));
            string Add(string row, string value, int n) =>
                $"INSERT INTO fleet_count (fleet_id, fact, value, devices) VALUES ({row}.fleet_id, '{fact}', {value}, {n}) ON CONFLICT (fleet_id, fact, value) DO UPDATE SET devices = devices + ({n});";
            yield return $"CREATE TRIGGER device_count_insert_{fact} AFTER INSERT ON device BEGIN {Add("NEW", @new, 1)} END";
            yield return $"CREATE TRIGGER device_count_delete_{fact} AFTER DELETE ON device BEGIN {Add("OLD", old, -1)} END";
            // Only statements that name one of these columns pay for the count: most reports don't.
            yield return $"CREATE TRIGGER device_count_update_{fact} AFTER UPDATE OF fleet_id, {name} ON device WHEN OLD.fleet_id <> NEW.fleet_id OR {old} <> {@new} BEGIN {Add("OLD", old, -1)} {Add("NEW", @new, 1)} END";
        }

        // A deleted device or fleet takes its actor, and with it its keys; cascades from a fleet come through here too.
        yield return "CREATE TRIGGER device_gone AFTER DELETE ON device BEGIN DELETE FROM actor WHERE id = OLD.actor_id; INSERT INTO deleted_device (uuid, deleted_at) VALUES (OLD.uuid, CAST(unixepoch('subsec') * 1000 AS INTEGER)) ON CONFLICT (uuid) DO NOTHING; END";
        yield return "CREATE TRIGGER device_back AFTER INSERT ON device BEGIN DELETE FROM deleted_device WHERE uuid = NEW.uuid; END";
        yield return "CREATE TRIGGER fleet_gone AFTER DELETE ON fleet BEGIN DELETE FROM actor WHERE id = OLD.actor_id; DELETE FROM fleet_count WHERE fleet_id = OLD.id; END";
    }

    // Statement level with transition tables: a batch of a thousand devices costs one aggregation, not a thousand row locks.
    private static IEnumerable<string> CountTriggersPostgres()
    {
        string Rows(string table, int n) => string.Join(" UNION ALL ", Counted.Select(c =>
            $"SELECT t.fleet_id, '{c.Fact}' AS fact, {Value(c.Column, "t.")} AS value, {n} AS n FROM {table} t"));
        string Body(string name, string rows) => $"""
            CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                INSERT INTO fleet_count AS c (fleet_id, fact, value, devices)
                SELECT fleet_id, fact, value, sum(n) FROM ({rows}) r GROUP BY fleet_id, fact, value HAVING sum(n) <> 0 ORDER BY fleet_id, fact, value
                ON CONFLICT (fleet_id, fact, value) DO UPDATE SET devices = c.devices + excluded.devices;
                RETURN NULL;
            END $body$
            """;
        yield return Body("device_count_insert", Rows("new_rows", 1));
        yield return Body("device_count_delete", Rows("old_rows", -1));
        yield return Body("device_count_update", Rows("old_rows", -1) + " UNION ALL " + Rows("new_rows", 1));
        yield return """
            CREATE FUNCTION device_gone() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                DELETE FROM actor WHERE id IN (SELECT actor_id FROM old_rows);
                INSERT INTO deleted_device (uuid, deleted_at) SELECT uuid, (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM old_rows ON CONFLICT (uuid) DO NOTHING;
                RETURN NULL;
            END $body$
            """;
        yield return """
            CREATE FUNCTION device_back() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                DELETE FROM deleted_device WHERE uuid IN (SELECT uuid FROM new_rows);
                RETURN NULL;
            END $body$
            """;
        yield return """
            CREATE FUNCTION fleet_gone() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                DELETE FROM actor WHERE id IN (SELECT actor_id FROM old_rows);
                DELETE FROM fleet_count WHERE fleet_id IN (SELECT id FROM old_rows);
                RETURN NULL;
            END $body$
            """;
        // Room in each page for the next version of a row: a report then touches no index.
        yield return "ALTER TABLE device SET (fillfactor = 80)";
        yield return "ALTER TABLE device_contact SET (fillfactor = 70)";
        yield return "CREATE TRIGGER device_gone AFTER DELETE ON device REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION device_gone()";
        yield return "CREATE TRIGGER device_back AFTER INSERT ON device REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION device_back()";
        yield return "CREATE TRIGGER fleet_gone AFTER DELETE ON fleet REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION fleet_gone()";
        yield return "CREATE TRIGGER device_count_insert AFTER INSERT ON device REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION device_count_insert()";
        yield return "CREATE TRIGGER device_count_delete AFTER DELETE ON device REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION device_count_delete()";
        yield return "CREATE TRIGGER device_count_update AFTER UPDATE ON device REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION device_count_update()";
    }
}
