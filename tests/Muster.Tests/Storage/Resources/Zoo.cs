using Muster.Core.Access;
using Muster.Storage;

namespace Muster.Tests.Storage.Resources;

/// <summary>
/// Two organizations that must not see each other, a public fleet, and devices in known states; the ids are the same on
/// both databases. Written by plain SQL.
/// </summary>
internal static class Zoo
{
    /// <summary>Administrator of organization 1.</summary>
    public static readonly ReadScope Anna = new(ReadScopeKind.Memberships, 1, 101);

    /// <summary>Observer in organization 2.</summary>
    public static readonly ReadScope Bert = new(ReadScopeKind.Memberships, 2, 102);

    /// <summary>Device 1, alpha.</summary>
    public static readonly ReadScope AlphasKey = new(ReadScopeKind.Device, 1, 301);

    /// <summary>A provisioning key of fleet 1.</summary>
    public static readonly ReadScope ProvisioningKey = new(ReadScopeKind.Fleet, 1, 201);

    public static readonly ReadScope Tunnel = new(ReadScopeKind.Service, 0, 103);

    public static readonly ReadScope[] Scopes = [Anna, Bert, AlphasKey, ProvisioningKey, Tunnel, ReadScope.Anonymous, ReadScope.Everything];

    /// <summary>Asks for all rows that a caller may see. Of keys only the caller's own are listed unless the filter names their actor.</summary>
    public static string All(string resource) => resource == "api_key" ? "/v7/api_key?$filter=is_of__actor gt 0" : $"/v7/{resource}";

    public static async Task<Database> CreateAsync(string kind)
    {
        var database = await TestDatabases.CreateAsync(kind);
        await database.WriteAsync(async write =>
        {
            foreach (var statement in Statements)
            {
                await using var command = write.Command(statement.Replace("{blob}", write.Dialect.Blob, StringComparison.Ordinal));
                await command.ExecuteNonQueryAsync();
            }
        });
        return database;
    }

    private static readonly string[] Statements =
    [
        "INSERT INTO actor (id, kind) VALUES (101, 'user'), (102, 'user'), (103, 'service'), (201, 'fleet'), (202, 'fleet'), (203, 'fleet'), (301, 'device'), (302, 'device'), (303, 'device'), (304, 'device'), (305, 'device'), (306, 'device'), (307, 'device')",
        "INSERT INTO account (id, actor_id, username, email, token_secret, created_at, modified_at) VALUES (1, 101, 'anna', 'anna@example.com', 's', 0, 0), (2, 102, 'bert', 'bert@example.com', 's', 0, 0)",
        "INSERT INTO organization (id, name, handle, created_at, modified_at) VALUES (1, 'One', 'one', 0, 0), (2, 'Two', 'two', 0, 0)",
        "INSERT INTO organization_membership (id, organization_id, account_id, role, created_at, modified_at) VALUES (1, 1, 1, 'administrator', 0, 0), (2, 2, 2, 'observer', 0, 0)",
        "INSERT INTO api_key (id, actor_id, key_hash, name, created_at, modified_at) VALUES (1, 101, CAST('a' AS {blob}), 'annas', 0, 0), (2, 102, CAST('b' AS {blob}), 'berts', 0, 0), (3, 201, CAST('c' AS {blob}), 'provisioning', 0, 0), (4, 301, CAST('d' AS {blob}), NULL, 0, 0)",
        "INSERT INTO public_key (id, account_id, title, public_key, created_at, modified_at) VALUES (1, 1, 't', 'k', 0, 0), (2, 2, 't', 'k', 0, 0)",
        "INSERT INTO cpu_architecture (id, slug, created_at, modified_at) VALUES (1, 'aarch64', 0, 0), (2, 'amd64', 0, 0)",
        "INSERT INTO device_type (id, slug, name, cpu_architecture_id, created_at, modified_at) VALUES (1, 'pi', 'Pi', 1, 0, 0), (2, 'nuc', 'NUC', 2, 0, 0)",
        "INSERT INTO device_type_alias (id, device_type_id, alias, created_at, modified_at) VALUES (1, 1, 'pi', 0, 0), (2, 1, 'old-pi', 0, 0), (3, 2, 'nuc', 0, 0)",
        "INSERT INTO fleet_type (id, slug, name, created_at, modified_at) VALUES (1, 'starter', 'Starter', 0, 0)",
        "INSERT INTO fleet (id, actor_id, uuid, name, slug, organization_id, device_type_id, fleet_type_id, is_public, created_at, modified_at) VALUES (1, 201, 'f1', 'zoo', 'one/zoo', 1, 1, 1, 0, 0, 0), (2, 202, 'f2', 'other', 'two/other', 2, 1, 1, 0, 0, 0), (3, 203, 'f3', 'open', 'two/open', 2, 2, 1, 1, 0, 0)",
        "INSERT INTO invite (id, organization_id, fleet_id, invitee, invitee_key, role, token_hash, created_by_account_id, expires_at, created_at, modified_at) VALUES (1, 1, NULL, 'carl', 'carl', 'observer', CAST('e' AS {blob}), 1, 1, 0, 0), (2, 1, 1, 'carl', 'carl', 'observer', CAST('f' AS {blob}), 1, 1, 0, 0), (3, 2, NULL, 'carl', 'carl', 'observer', CAST('g' AS {blob}), 2, 1, 0, 0)",
        "INSERT INTO fleet_tag (id, fleet_id, tag_key, value, created_at, modified_at) VALUES (1, 1, 'k', 'v', 0, 0), (2, 2, 'k', 'v', 0, 0), (3, 3, 'k', 'v', 0, 0)",
        "INSERT INTO fleet_config_variable (id, fleet_id, name, value, created_at, modified_at) VALUES (1, 1, 'RESIN_A', '1', 0, 0), (2, 2, 'RESIN_A', '1', 0, 0), (3, 3, 'RESIN_A', '1', 0, 0)",
        "INSERT INTO release (id, fleet_id, \"commit\", composition, status, start_timestamp, update_timestamp, semver_major, semver_minor, semver_patch, semver_prerelease, variant, revision, created_at, modified_at) VALUES (1, 1, 'aaaa', '{\"services\":{\"main\":{}}}', 'success', 0, 0, 1, 0, 0, '', '', 0, 1000, 0), (2, 1, 'aabb', NULL, 'success', 0, 0, 1, 2, 3, 'rc.1', 'dev', 2, 2000, 0), (3, 1, 'cccc', NULL, 'failed', 0, 0, 2, 0, 0, '', '', NULL, 3000, 0), (4, 2, 'dddd', NULL, 'success', 0, 0, 1, 0, 0, '', '', 0, 0, 0), (5, 3, 'eeee', NULL, 'success', 0, 0, 1, 0, 0, '', '', 0, 0, 0)",
        "UPDATE fleet SET target_release_id = 1 WHERE id = 1",
        "INSERT INTO release_tag (id, release_id, tag_key, value, created_at, modified_at) VALUES (1, 1, 'k', 'v', 0, 0), (2, 4, 'k', 'v', 0, 0)",
        "INSERT INTO service (id, fleet_id, service_name, created_at, modified_at) VALUES (1, 1, 'main', 0, 0), (2, 1, 'sidecar', 0, 0), (3, 2, 'main', 0, 0), (4, 3, 'main', 0, 0)",
        "INSERT INTO service_environment_variable (id, service_id, name, value, created_at, modified_at) VALUES (1, 1, 'S', '1', 0, 0), (2, 3, 'S', '1', 0, 0), (3, 4, 'S', '1', 0, 0)",
        "INSERT INTO image (id, service_id, location, status, image_size, start_timestamp, created_at, modified_at) VALUES (1, 1, 'l1', 'success', 12345678901, 0, 0, 0), (2, 2, 'l2', 'success', 1, 0, 0, 0), (3, 3, 'l3', 'success', 1, 0, 0, 0), (4, 4, 'l4', 'success', 1, 0, 0, 0)",
        "INSERT INTO release_image (id, release_id, image_id, created_at, modified_at) VALUES (1, 1, 1, 0, 0), (2, 1, 2, 0, 0), (3, 4, 3, 0, 0), (4, 5, 4, 0, 0)",
        "INSERT INTO device (id, actor_id, uuid, name, fleet_id, device_type_id, is_active, overall_status, heartbeat, created_at, modified_at) VALUES (1, 301, 'aaa1', 'alpha', 1, 1, 0, 'inactive', 'unknown', 1795382162123, 1795382162123), (2, 302, 'bbb2', 'bravo', 1, 1, 0, 'inactive', 'unknown', 0, 0), (3, 303, 'ccc3', 'charlie', 1, 1, 1, 'reduced-functionality', 'online', 0, 0), (4, 304, 'ddd4', 'delta', 1, 1, 1, 'operational', 'online', 0, 0), (5, 305, 'eee5', 'golf''s', 1, 1, 1, 'updating', 'online', 0, 0), (6, 306, 'fff6', 'Hotel%20&x', 1, 1, 1, 'disconnected', 'offline', 0, 0), (7, 307, '0007', 'stranger', 2, 1, 1, 'operational', 'online', 0, 0)",
        "UPDATE device SET running_release_id = 1, update_status = 'done', api_secret = 'secret' WHERE id IN (3, 4)",
        "UPDATE device SET cloudlink_connected = 1, status_reason = 'all-links-work', cloudlink_changed_at = 1795382162000, api_secret = 'secret' WHERE id IN (4, 7)",
        "UPDATE device SET overall_progress = 45, update_status = 'downloading', pinned_release_id = 2 WHERE id = 5",
        "UPDATE device SET status_reason = 'cloudlink-missing' WHERE id = 3",
        "INSERT INTO device_contact (device_id, last_poll_at, last_contact_at, observed_poll, observed_contact, poll_interval_ms) VALUES (3, 1795382160000, 1795382161000, 160000, 161000, 900000), (4, 1795382160000, 1795382161000, 160000, 161000, 900000)",
        "INSERT INTO observer_clock (node, observed, written_at) VALUES ('1', 161000, 1795382161000)",
        "INSERT INTO device_tag (id, device_id, tag_key, value, created_at, modified_at) VALUES (1, 1, 'site', 'oslo', 0, 0), (2, 2, 'site', 'bergen', 0, 0), (3, 3, 'site', 'oslo', 0, 0), (4, 3, 'rack', '7', 0, 0), (5, 4, 'rack', '7', 0, 0), (6, 7, 'site', 'rome', 0, 0)",
        "INSERT INTO device_config_variable (id, device_id, name, value, created_at, modified_at) VALUES (1, 4, 'BALENA_SUPERVISOR_VPN_CONTROL', 'false', 0, 0), (2, 7, 'BALENA_X', '1', 0, 0)",
        "INSERT INTO device_service_environment_variable (id, device_id, service_id, name, value, created_at, modified_at) VALUES (1, 3, 1, 'SV', 'x', 0, 0), (2, 7, 3, 'SV', 'x', 0, 0)",
        "INSERT INTO image_install (id, device_id, image_id, release_id, status, download_progress, install_date, created_at, modified_at) VALUES (1, 3, 1, 1, 'Running', NULL, 0, 0, 0), (2, 3, 2, 1, 'exited', NULL, 0, 0, 0), (3, 4, 1, 1, 'Running', NULL, 0, 0, 0), (4, 4, 2, 1, 'Running', NULL, 0, 0, 0), (5, 7, 3, 4, 'Running', NULL, 0, 0, 0)",
        "INSERT INTO transition (id, device_id, fleet_id, fact, from_value, to_value, at, cause) VALUES (1, 4, 1, 'overall_status', 'inactive', 'operational', 1795382162000, 'poll'), (2, 7, 2, 'overall_status', 'inactive', 'operational', 1795382162000, 'poll')",
    ];
}
