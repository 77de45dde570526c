using FluentMigrator;

namespace Muster.Storage.Migrations;

/// <summary>Invites to an organization, or to a fleet of it; and the roles as rows, because clients name them by id.</summary>
[Migration(8, "invites")]
public sealed class M0008Invites(SqlDialect dialect) : SchemaMigration(dialect)
{
    private const string Stamps = "created_at BIGINT NOT NULL, modified_at BIGINT NOT NULL";

    public override void Up() => Do(
    [
        $"CREATE TABLE membership_role (id {{id}}, name TEXT NOT NULL UNIQUE, {Stamps})",
        "INSERT INTO membership_role (id, name, created_at, modified_at) VALUES (1, 'observer', 0, 0), (2, 'operator', 0, 0), (3, 'developer', 0, 0), (4, 'administrator', 0, 0)",
        // invitee: e-mail address or user name as typed; invitee_key: the same in lower case. token_hash: SHA-256.
        $"CREATE TABLE invite (id {{id}}, organization_id BIGINT NOT NULL REFERENCES organization(id) ON DELETE CASCADE, fleet_id BIGINT REFERENCES fleet(id) ON DELETE CASCADE, invitee TEXT NOT NULL, invitee_key TEXT NOT NULL, role TEXT NOT NULL, message TEXT, token_hash {{blob}} NOT NULL UNIQUE, created_by_account_id BIGINT NOT NULL REFERENCES account(id) ON DELETE CASCADE, expires_at BIGINT NOT NULL, {Stamps})",
        "CREATE INDEX ix_invite_organization ON invite(organization_id, invitee_key)",
        "CREATE INDEX ix_invite_invitee ON invite(invitee_key)",
        "CREATE INDEX ix_invite_creator ON invite(created_by_account_id)",
        "CREATE INDEX ix_invite_fleet ON invite(fleet_id) WHERE fleet_id IS NOT NULL",
    ]);
}
