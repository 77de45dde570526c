using FluentMigrator;

namespace Muster.Storage.Migrations;

/// <summary>
/// Log-ins of people, so that each can be listed and ended. A token from before this migration names no row; it gets one
/// (<c>adopted</c>) when it is first used. Such a row is marked when it ends rather than deleted: its token would be adopted again.
/// </summary>
[Migration(7, "sessions")]
public sealed class M0007Sessions(SqlDialect dialect) : SchemaMigration(dialect)
{
    public override void Up()
    {
        Do(Tables);
        Do(Dialect.Name == "postgres" ? AccountGonePostgres : AccountGoneSqlite);
    }

    private static readonly string[] Tables =
    [
        "CREATE TABLE account_session (id {id}, account_id BIGINT NOT NULL REFERENCES account(id) ON DELETE CASCADE, token_id TEXT NOT NULL UNIQUE, adopted INTEGER NOT NULL DEFAULT 0, created_at BIGINT NOT NULL, last_used_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, ended_at BIGINT, from_address TEXT, client TEXT)",
        "CREATE INDEX ix_account_session_account ON account_session(account_id, last_used_at)",
    ];

    // As with devices and fleets: who is deleted takes its actor, and with it its keys.
    private static readonly string[] AccountGoneSqlite = ["CREATE TRIGGER account_gone AFTER DELETE ON account BEGIN DELETE FROM actor WHERE id = OLD.actor_id; END"];

    private static readonly string[] AccountGonePostgres =
    [
        """
        CREATE FUNCTION account_gone() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            DELETE FROM actor WHERE id = OLD.actor_id;
            RETURN NULL;
        END $body$
        """,
        "CREATE TRIGGER account_gone AFTER DELETE ON account FOR EACH ROW EXECUTE FUNCTION account_gone()",
    ];
}
