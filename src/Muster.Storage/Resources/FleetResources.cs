using System.Collections.Frozen;
using System.Collections.Immutable;
using static Muster.Storage.Resources.Describe;

namespace Muster.Storage.Resources;

/// <summary>Fleets, releases and what they are made of; the hardware catalogue.</summary>
internal static class FleetResources
{
    /// <summary>Longest value of a variable, tag or label.</summary>
    private const int LongestValue = 1 << 20;

    private const string Semver = "{t}.semver_major || '.' || {t}.semver_minor || '.' || {t}.semver_patch || CASE WHEN {t}.semver_prerelease = '' THEN '' ELSE '-' || {t}.semver_prerelease END";

    /// <summary>What follows "+": build metadata, the variant, and the revision from the second on.</summary>
    private const string Build = "trim({t}.semver_build || CASE WHEN {t}.variant = '' THEN '' ELSE '.' || {t}.variant END || CASE WHEN {t}.revision > 0 THEN '.rev' || {t}.revision ELSE '' END, '.')";

    /// <summary>A draft carries the instant of its making in place of a revision.</summary>
    private const string Draft = "CASE WHEN {t}.revision IS NOT NULL THEN '' WHEN {t}.semver_prerelease = '' THEN '-' || {t}.created_at ELSE '.' || {t}.created_at END";

    private const string RawVersion = $"({Semver} || {Draft} || CASE WHEN {Build} = '' THEN '' ELSE '+' || {Build} END)";

    /// <summary>
    /// Clients call a device type supported when it has a host fleet with a final release. Muster keeps no OS images, and takes
    /// each type of its catalogue to have such a fleet, with a release of no version.
    /// </summary>
    private static readonly FrozenDictionary<string, string> HostFleet = new Dictionary<string, string>
    {
        ["id"] = "-{h}.id",
        ["actor_id"] = "0",
        ["uuid"] = "''",
        ["name"] = "{h}.slug",
        ["slug"] = "'balena_os/' || {h}.slug",
        ["organization_id"] = "0",
        ["device_type_id"] = "{h}.id",
        ["fleet_type_id"] = "0",
        ["class"] = "'app'",
        ["is_host"] = "1",
        ["is_public"] = "1",
        ["is_archived"] = "0",
        ["track_latest"] = "1",
        ["allows_key_exchange"] = "0",
        ["created_at"] = "{h}.created_at",
        ["modified_at"] = "{h}.modified_at",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, string> HostRelease = new Dictionary<string, string>
    {
        ["id"] = "-{h}.id",
        ["fleet_id"] = "-{h}.id",
        ["commit"] = "''",
        ["status"] = "'success'",
        ["source"] = "'cloud'",
        ["is_final"] = "1",
        ["is_invalidated"] = "0",
        ["is_passing_tests"] = "1",
        ["semver_major"] = "0",
        ["semver_minor"] = "0",
        ["semver_patch"] = "0",
        ["semver_prerelease"] = "''",
        ["semver_build"] = "''",
        ["variant"] = "''",
        ["revision"] = "0",
        ["start_timestamp"] = "{h}.created_at",
        ["update_timestamp"] = "{h}.created_at",
        ["created_at"] = "{h}.created_at",
        ["modified_at"] = "{h}.modified_at",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    public static IEnumerable<Resource> All()
    {
        yield return new Resource("application", "fleet", new(Anchor.Fleet, WithPublicFleets: true))
        {
            Fields =
            [
                Id, CreatedAt, ModifiedAt,
                Reference("actor", "actor_id", "actor", "is_of__application"),
                Flag("should_track_latest_release", "track_latest").Writable(),
                Text("is_of__class", "class").AtFirst().UpTo(10).Else("fleet"),
                Reference("organization", "organization_id", "organization").AtFirst().Required(),
                Text("app_name", "name").Writable().Required().UpTo(100, 4).Named(),
                Text("slug"),
                Reference("is_for__device_type", "device_type_id", "device_type", "is_default_for__application").Writable().Required(),
                Reference("should_be_running__release", "target_release_id", "release", "should_be_running_on__application").Nullable().Writable(),
                Reference("application_type", "fleet_type_id", "application_type").Writable(),
                Flag("is_host").AtFirst(),
                Flag("is_archived").Writable(),
                Text("uuid").AtFirst().UpTo(32, 32),
                Flag("is_public").Writable(),
                Instant("is_accessible_by_support_until__date", "support_access_until").Nullable().Writable().OnRequest(),
                Flag("muster_allows_key_exchange", "allows_key_exchange").Writable().OnRequest(),
            ],
            Ways =
            [
                // Fleets the caller reaches as a member, in contrast to public ones.
                new("is_directly_accessible_by__user", "user", "{to}.id = {me} AND {from}.organization_id IN ({mine})", IsCollection: true) { KeepsSight = true },
            ],
            HostRow = HostFleet,
            Keys = [Key("slug"), Key("uuid"), new(["organization", "app_name"], ["organization_id", "name"], ["slug"])],
        };
        yield return Tags("application_tag", "fleet_tag", "application", "fleet_id", withPublicFleets: true);
        yield return Variables("application_config_variable", "fleet_config_variable", "application", "fleet_id");
        yield return Variables("application_environment_variable", "fleet_environment_variable", "application", "fleet_id");
        yield return Variables("build_environment_variable", "build_environment_variable", "application", "fleet_id", notForDevices: true);
        yield return new Resource("application_type", "fleet_type", new(Anchor.Everyone) { NotForDevices = true })
        {
            Fields = Row(
                Text("name"), Text("slug"), Text("description").Nullable(), Flag("supports_multicontainer"), Flag("supports_web_url"),
                Flag("is_legacy"), Flag("requires_payment"), Flag("muster_needs_paid_plan", "needs_paid_plan")),
            Keys = [Key("slug")],
        };

        yield return new Resource("release", "release", Visibility.As("belongs_to__application", withPublicFleets: true))
        {
            Fields = Row(
                Reference("belongs_to__application", "fleet_id", "application", "owns__release").AtFirst().Required(),
                Text("commit").AtFirst().Required().UpTo(255, 1).Named(),
                Document("composition").Nullable().AtFirst(),
                Text("status").Writable().Required().UpTo(30, 1),
                Text("source").AtFirst().Required().UpTo(30, 1).Named(),
                Text("build_log").Nullable().Writable().UpTo(LongestValue),
                Flag("is_invalidated").Writable(),
                Instant("start_timestamp").Writable().Required(),
                Instant("end_timestamp").Nullable().Writable(),
                Instant("update_timestamp"),
                Computed("release_version", FieldType.Text, "CAST(NULL AS TEXT)"),
                Document("contract").Nullable().AtFirst(),
                Flag("is_passing_tests").Writable(),
                Instant("is_finalized_at__date", "is_finalized_at").Nullable(),
                Text("phase").Nullable().Writable().UpTo(30).Named(),
                Flag("is_final").Writable(),
                Computed("semver", FieldType.Text, $"({Semver})") with { IsNullable = false, Write = FieldWrite.Always, MaxLength = 255 },
                Number("semver_major"), Number("semver_minor"), Number("semver_patch"),
                Text("semver_prerelease"), Text("semver_build"),
                Text("variant").Writable().UpTo(255).Named(),
                Number("revision").Nullable(),
                Computed("raw_version", FieldType.Text, RawVersion) with { IsNullable = false },
                Computed("version", FieldType.Document, VersionDocument) with { IsNullable = false },
                Text("known_issue_list").Nullable().Writable().UpTo(LongestValue),
                Text("note").Nullable().Writable().UpTo(LongestValue),
                Text("invalidation_reason").Nullable().Writable().UpTo(255),
                Reference("is_created_by__user", "created_by_account_id", "user", "creates__release").Nullable().OnRequest()),
            HostRow = HostRelease,
            Keys =
            [
                new(["belongs_to__application", "commit", "semver_major", "semver_minor", "semver_patch", "semver_prerelease", "variant", "revision"],
                    ["fleet_id", "commit", "semver_major", "semver_minor", "semver_patch", "semver_prerelease", "variant", "revision"]),
            ],
        };
        yield return Tags("release_tag", "release_tag", "release", "release_id", withPublicFleets: true);
        yield return new Resource("release_asset", "release_asset", Visibility.As("release", withPublicFleets: true))
        {
            Fields = Row(
                Reference("release", "release_id", "release").AtFirst().Required(),
                Text("asset_key").Writable().Required().UpTo(255, 1).Named(),
                Computed("asset", FieldType.Document, AssetDocument)),
            Keys = [Key(("release", "release_id"), ("asset_key", "asset_key"))],
        };
        yield return new Resource("service", "service", Visibility.As("application", withPublicFleets: true))
        {
            Fields = Row(
                Reference("application", "fleet_id", "application").AtFirst().Required(),
                Text("service_name").Writable().Required().UpTo(255, 1).Named()),
            Keys = [Key(("application", "fleet_id"), ("service_name", "service_name"))],
        };
        yield return Variables("service_environment_variable", "service_environment_variable", "service", "service_id");
        yield return Labels("service_label", "service_label", "service", "service_id");
        yield return new Resource("image", "image", Visibility.As("is_a_build_of__service", withPublicFleets: true))
        {
            Fields = Row(
                Text("build_log").Nullable().Writable().UpTo(LongestValue),
                Document("contract").Nullable().Writable(),
                Text("content_hash").Nullable().Writable().UpTo(71),
                Text("dockerfile").Nullable().Writable().UpTo(LongestValue),
                Instant("end_timestamp").Nullable().Writable(),
                Text("error_message").Nullable().Writable().UpTo(LongestValue),
                Size("image_size").Nullable().Writable(),
                Reference("is_a_build_of__service", "service_id", "service", "is_built_by__image").AtFirst().Required(),
                Text("is_stored_at__image_location", "location"),
                Text("project_type").Nullable().Writable().UpTo(255),
                Instant("push_timestamp").Nullable().Writable(),
                Instant("start_timestamp").Writable().Required(),
                Text("status").Writable().Required().UpTo(30, 1)),
            Keys = [new(["is_stored_at__image_location"], ["location"])],
        };
        yield return new Resource("release_image", "release_image", Visibility.As("is_part_of__release", withPublicFleets: true))
        {
            Synonyms = ["image__is_part_of__release"],
            Fields = Row(
                Reference("image", "image_id", "image").AtFirst().Required(),
                Reference("is_part_of__release", "release_id", "release").AtFirst().Required()),
            Keys = [Key(("image", "image_id"), ("is_part_of__release", "release_id"))],
        };
        yield return Labels("image_label", "image_label", "release_image", "release_image_id");
        yield return Variables("image_environment_variable", "image_environment_variable", "release_image", "release_image_id");

        yield return new Resource("device_type", "device_type", new(Anchor.Everyone))
        {
            Fields = Row(
                Reference("is_of__cpu_architecture", "cpu_architecture_id", "cpu_architecture", "is_supported_by__device_type"),
                Text("slug"), Text("name"), Text("logo").Nullable(), Document("contract").Nullable(),
                Computed("belongs_to__device_family", FieldType.Reference, "CAST(NULL AS BIGINT)")),
            Ways = [new("is_default_for__application", "application", "{to}.device_type_id = {from}.id", IsCollection: true) { ReverseOf = "is_for__device_type", HostsBy = "is_host" }],
            Keys = [Key("slug")],
        };
        yield return new Resource("device_type_alias", "device_type_alias", new(Anchor.Everyone))
        {
            Fields = Row(
                Text("is_referenced_by__alias", "alias"),
                Reference("device_type", "device_type_id", "device_type")),
            Keys = [new(["is_referenced_by__alias"], ["alias"])],
        };
        yield return new Resource("cpu_architecture", "cpu_architecture", new(Anchor.Everyone))
        {
            Fields = Row(Text("slug")),
            Keys = [Key("slug")],
        };
    }

    public static Resource Tags(string name, string table, string owner, string column, bool withPublicFleets = false) =>
        new(name, table, Visibility.As(owner, withPublicFleets))
        {
            Fields = Row(
                Reference(owner, column, owner).AtFirst().Required(),
                Text("tag_key").AtFirst().Required().UpTo(100, 1).Named(),
                Text("value").Writable().UpTo(LongestValue).Else("")),
            Keys = [Key((owner, column), ("tag_key", "tag_key"))],
        };

    public static Resource Variables(string name, string table, string owner, string column, bool notForDevices = false) =>
        new(name, table, Visibility.As(owner) with { NotForDevices = notForDevices })
        {
            Fields = Row(
                Reference(owner, column, owner).AtFirst().Required(),
                Text("name").AtFirst().Required().UpTo(255, 1).Named(),
                Text("value").Writable().Required().UpTo(LongestValue)),
            Keys = [Key((owner, column), ("name", "name"))],
        };

    private static Resource Labels(string name, string table, string owner, string column) =>
        new(name, table, Visibility.As(owner))
        {
            Fields = Row(
                Reference(owner, column, owner).AtFirst().Required(),
                Text("label_name").AtFirst().Required().UpTo(255, 1).Named(),
                Text("value").Writable().Required().UpTo(LongestValue)),
            Keys = [Key((owner, column), ("label_name", "label_name"))],
        };

    // {q}…{/q} quotes a text as JSON in the database's own way; {origin} is scheme and host of the server.
    private const string VersionDocument =
        $"'{{\"raw\":' || {{q}}{RawVersion}{{/q}} || ',\"major\":' || {{t}}.semver_major || ',\"minor\":' || {{t}}.semver_minor || ',\"patch\":' || {{t}}.semver_patch" +
        $" || ',\"version\":' || {{q}}({Semver}){{/q}} || ',\"prerelease\":[' || CASE WHEN {{t}}.semver_prerelease = '' THEN '' ELSE replace({{q}}{{t}}.semver_prerelease{{/q}}, '.', '\",\"') END" +
        $" || '],\"build\":[' || CASE WHEN {Build} = '' THEN '' ELSE replace({{q}}{Build}{{/q}}, '.', '\",\"') END || ']}}'";

    private const string AssetDocument =
        "CASE WHEN {t}.content IS NULL THEN NULL ELSE '{\"filename\":' || coalesce({q}{t}.filename{/q}, 'null') || ',\"href\":' || {q}{origin} || '/muster/v1/release-assets/' || {t}.id{/q} || ',\"content_type\":' || coalesce({q}{t}.content_type{/q}, 'null') || ',\"size\":' || coalesce({t}.size, 0) || '}' END";
}
