using Muster.Core.Presence;
using Muster.Core.Status;
using static Muster.Storage.Resources.Describe;

namespace Muster.Storage.Resources;

/// <summary>Devices and what hangs on them.</summary>
internal static class DeviceResources
{
    /// <summary>The pinned release, else the fleet's target.</summary>
    private const string TargetRelease = "coalesce({t}.pinned_release_id, (SELECT tf.target_release_id FROM fleet tf WHERE tf.id = {t}.fleet_id))";

    /// <summary>
    /// When continued silence changes the status, in SQL: <see cref="SilenceForecast"/> on the observer clock
    /// (<see cref="ObserverClock.SilenceLasts"/>), and the clock on the wall (<see cref="ObserverClock.WallOf"/>). A test
    /// holds both together. {now} is the Unix ms of the question. Each LIMIT with the WHERE around it keeps SQLite from writing
    /// the inner expressions out wherever the outer ones name them, which would take longer than the query.
    /// </summary>
    private static readonly string StatusChangesAt =
        $$"""
        (SELECT CASE WHEN due.wall < {now} THEN {now} ELSE due.wall END
         FROM (SELECT CASE WHEN o.contact > o.resumed_at OR (o.contact = o.resumed_at AND o.last_contact_at >= o.resumed_at_wall) THEN o.last_contact_at + o.at - o.contact ELSE o.resumed_at_wall + o.at - o.resumed_at END AS wall
          FROM (SELECT s.*,
            CASE WHEN {t}.heartbeat = 'unknown' THEN CASE WHEN {{ChangesWith(HeartbeatState.Offline)}} THEN s.contact_lasts + s.offline_after_ms END
             WHEN {t}.heartbeat = 'offline' THEN NULL
             WHEN {{ChangesWith(HeartbeatState.Timeout)}} THEN s.poll_lasts
             WHEN NOT ({{ChangesWith(HeartbeatState.Offline)}}) THEN NULL
             WHEN s.poll_lasts + s.offline_after_ms < s.contact_lasts THEN s.contact_lasts
             ELSE s.poll_lasts + s.offline_after_ms END AS at
           FROM (SELECT k.*, {{SilenceLasts("poll")}} AS poll_lasts, {{SilenceLasts("contact")}} AS contact_lasts
            FROM (SELECT coalesce(dc.observed_poll, -1) AS poll, coalesce(dc.observed_contact, -1) AS contact, dc.last_contact_at, coalesce(dc.poll_interval_ms, 0) + oc.margin_ms AS silence,
              oc.resumed_at, oc.resumed_at_wall, oc.unclean_at, oc.outage + {{ObserverClock.RetryPatience}} AS patience, oc.offline_after_ms
             FROM device_contact dc CROSS JOIN observer_clock oc
             WHERE dc.device_id = {t}.id AND dc.last_contact_at IS NOT NULL AND oc.node = (SELECT last.node FROM observer_clock last ORDER BY last.written_at DESC, last.node LIMIT 1)) k LIMIT 1) s WHERE s.poll_lasts IS NOT NULL LIMIT 1) o WHERE o.at IS NOT NULL LIMIT 1) due WHERE due.wall IS NOT NULL)
        """;

    private const string CloudlinkControls = $"('BALENA_{ConfigValues.CloudlinkControl}', 'RESIN_{ConfigValues.CloudlinkControl}')";

    /// <summary>
    /// False when configuration switches the tunnel off, as <see cref="ConfigValues.CloudlinkExpected"/> has it. Few devices
    /// and fleets have the variable at all; which do is found once and not for each row.
    /// </summary>
    private static readonly string CloudlinkExpected =
        $"(CASE WHEN {{t}}.fleet_id NOT IN (SELECT fc.fleet_id FROM fleet_config_variable fc WHERE fc.name IN {CloudlinkControls})" +
        $" AND {{t}}.id NOT IN (SELECT dv.device_id FROM device_config_variable dv WHERE dv.name IN {CloudlinkControls}) THEN 1" +
        $" WHEN coalesce({Variable("device", "{t}.id", "BALENA_")}, {Variable("device", "{t}.id", "RESIN_")}, {Variable("fleet", "{t}.fleet_id", "BALENA_")}, {Variable("fleet", "{t}.fleet_id", "RESIN_")}) = 'false' THEN 0 ELSE 1 END)";

    /// <summary>Words of /v6 for an overall status, as <see cref="LegacyStatus"/> has them.</summary>
    private static readonly string OldStatus =
        $"CASE {string.Concat(Enum.GetValues<OverallStatus>().Select(OldWord))} ELSE {{t}}.overall_status END";

    public static IEnumerable<Resource> All()
    {
        yield return Device(
            Reference("actor", "actor_id", "actor", "is_of__device"),
            Computed("overall_status", FieldType.Text, "{t}.overall_status") with { IsNullable = false },
            Reference("is_pinned_on__release", "pinned_release_id", "release", "is_pinned_to__device").Nullable().Writable(),
            Computed("should_be_running__release", FieldType.Reference, TargetRelease) with { Target = "release", Reverse = "should_be_running_on__device" },
            Reference("should_be_managed_by__release", "managed_by_release_id", "release", "should_manage__device").Nullable().Writable());

        yield return FleetResources.Tags("device_tag", "device_tag", "device", "device_id");
        yield return FleetResources.Variables("device_config_variable", "device_config_variable", "device", "device_id");
        yield return FleetResources.Variables("device_environment_variable", "device_environment_variable", "device", "device_id");
        yield return new Resource("device_service_environment_variable", "device_service_environment_variable", Visibility.As("device"))
        {
            Fields = Row(
                new Field("service_install", FieldType.Reference, "({t}.device_id * 1048576 + {t}.service_id)")
                {
                    Write = FieldWrite.Create,
                    IsRequired = true,
                    EqualTo = ServiceInstallParts,
                },
                Text("name").AtFirst().Required().UpTo(255, 1).Named(),
                Text("value").Writable().Required().UpTo(1 << 20),
                Reference("device", "device_id", "device").OnRequest(),
                Reference("service", "service_id", "service").OnRequest()),
            Ways =
            [
                new("service_install", "service_install", "{to}.device_id = {from}.device_id AND {to}.service_id = {from}.service_id", IsCollection: false) { KeepsSight = true },
            ],
            Keys = [new(["service_install", "name"], ["device_id", "service_id", "name"], ["device", "service", "name"])],
        };
        yield return new Resource("service_install", "service_install", Visibility.As("device"))
        {
            Fields =
            [
                Id with { EqualTo = ServiceInstallParts }, CreatedAt, ModifiedAt,
                Reference("device", "device_id", "device"),
                Reference("installs__service", "service_id", "service"),
            ],
            Ways =
            [
                new("device_service_environment_variable", "device_service_environment_variable", "{to}.device_id = {from}.device_id AND {to}.service_id = {from}.service_id", IsCollection: true) { KeepsSight = true },
            ],
            Keys = [Key(("device", "device_id"), ("installs__service", "service_id"))],
        };
        yield return new Resource("image_install", "image_install", Visibility.As("device"))
        {
            Fields = Row(
                Reference("device", "device_id", "device"),
                Reference("installs__image", "image_id", "image"),
                Reference("is_provided_by__release", "release_id", "release", "provides__image_install"),
                Text("status"),
                Number("download_progress").Nullable(),
                Instant("install_date")),
            Keys = [Key(("device", "device_id"), ("installs__image", "image_id"))],
        };
        yield return new Resource("service_instance", "service_instance", new(Anchor.Authenticated) { NotForDevices = true })
        {
            Fields = Row(Text("service_type"), Text("ip_address").Writable().Required().UpTo(255, 1), Instant("last_heartbeat")),
        };
        // The device's transitions, under the name that the SDK asks for.
        yield return new Resource("device_history", "transition", new(Anchor.Past, Parent: "belongs_to__application"))
        {
            Fields =
            [
                Id,
                Instant("created_at", "at"),
                Reference("tracks__device", "device_id", "device", "device_history"),
                Computed("uuid", FieldType.Text, "(SELECT hd.uuid FROM device hd WHERE hd.id = {t}.device_id)") with { EqualTo = "{t}.device_id = (SELECT hd.id FROM device hd WHERE hd.uuid = {v})" },
                Reference("belongs_to__application", "fleet_id", "application", "device_history"),
                Text("muster_fact", "fact"),
                Text("muster_from", "from_value").Nullable(),
                Text("muster_to", "to_value").Nullable(),
                Text("muster_cause", "cause"),
            ],
        };
    }

    /// <summary>The device as /v6 names it: the pin is called should_be_running__release, and the statuses have older words.</summary>
    public static Resource OfVersion6() => Device(
        Number("actor", "actor_id"),
        Computed("overall_status", FieldType.Text, OldStatus) with { IsNullable = false },
        Reference("should_be_running__release", "pinned_release_id", "release").Nullable().Writable(),
        Computed("logs_channel", FieldType.Text, "CAST(NULL AS TEXT)"),
        Computed("vpn_address", FieldType.Text, "CAST(NULL AS TEXT)"),
        Computed("is_managed_by__device", FieldType.Reference, "CAST(NULL AS BIGINT)"));

    private const string ServiceInstallParts = "({t}.device_id = ({v} >> 20) AND {t}.service_id = ({v} & 1048575))";

    private static Resource Device(params ReadOnlySpan<Field> ofVersion) => new("device", "device", new(Anchor.Device, Parent: "belongs_to__application"))
    {
        Fields =
        [
            Id, CreatedAt, ModifiedAt,
            Text("api_heartbeat_state", "heartbeat"),
            Instant("changed_api_heartbeat_state_on__date", "heartbeat_changed_at").Nullable(),
            Text("uuid").AtFirst().UpTo(62, 32),
            Text("local_id").Nullable(),
            Text("device_name", "name").Writable().UpTo(255, 1),
            Text("note").Nullable().Writable().UpTo(1 << 20),
            Reference("is_of__device_type", "device_type_id", "device_type", "describes__device").Writable().Required(),
            Reference("belongs_to__application", "fleet_id", "application", "owns__device").Writable().Required(),
            Flag("is_online", "cloudlink_connected"),
            Instant("last_connectivity_event", "connectivity_changed_at").Nullable(),
            Flag("is_connected_to_vpn", "cloudlink_connected"),
            Instant("last_vpn_event", "cloudlink_changed_at").Nullable(),
            Instant("is_locked_until__date", "is_locked_until").Nullable().Writable(),
            Text("public_address").Nullable(),
            Text("ip_address").Nullable(),
            Text("mac_address").Nullable(),
            Flag("is_web_accessible").Writable(),
            Number("memory_usage").Nullable(),
            Number("memory_total").Nullable(),
            Text("storage_block_device").Nullable(),
            Number("storage_usage").Nullable(),
            Number("storage_total").Nullable(),
            Number("cpu_usage").Nullable(),
            Number("cpu_temp").Nullable(),
            Flag("is_undervolted"),
            Text("cpu_id").Nullable(),
            Reference("is_running__release", "running_release_id", "release", "is_running_on__device").Nullable(),
            Number("download_progress").Nullable(),
            Text("status").Nullable(),
            Text("os_version").Nullable(),
            Text("os_variant").Nullable(),
            Number("overall_progress").Nullable(),
            Text("supervisor_version").Nullable(),
            Number("provisioning_progress").Nullable(),
            Text("provisioning_state").Nullable(),
            Number("api_port").Nullable(),
            Text("api_secret").Nullable() with { IsSecret = true },
            Reference("is_managed_by__service_instance", "service_instance_id", "service_instance", "manages__device").Nullable(),
            Reference("should_be_operated_by__release", "operated_by_release_id", "release", "should_operate__device").Nullable().Writable(),
            Text("update_status").Nullable(),
            Instant("last_update_status_event", "update_status_changed_at").Nullable(),
            Flag("is_active").Writable(),
            Flag("is_frozen"),
            Text("latitude").Nullable(),
            Text("longitude").Nullable(),
            Text("location").Nullable(),
            Text("custom_latitude").Nullable().Writable().UpTo(255),
            Text("custom_longitude").Nullable().Writable().UpTo(255),
            Instant("is_accessible_by_support_until__date", "support_access_until").Nullable().Writable().OnRequest(),
            Text("muster_status_reason", "status_reason"),
            Instant("muster_status_since", "status_since").Nullable(),
            Computed("muster_status_changes_at", FieldType.Instant, StatusChangesAt),
            Computed("muster_last_contact_at", FieldType.Instant, "(SELECT coalesce(dc.last_contact_at, dc.last_poll_at) FROM device_contact dc WHERE dc.device_id = {t}.id)"),
            Text("muster_update_detail", "update_detail").Nullable(),
            Instant("muster_update_moved_at", "update_moved_at").Nullable().OnRequest(),
            Computed("muster_cloudlink_expected", FieldType.Flag, CloudlinkExpected) with { IsNullable = false },
            .. ofVersion,
        ],
        Keys = [Key("uuid")],
        Order = "device_name",
    };

    private static string Variable(string of, string id, string prefix) =>
        $"(SELECT cv.value FROM {of}_config_variable cv WHERE cv.{of}_id = {id} AND cv.name = '{prefix}{ConfigValues.CloudlinkControl}')";

    private static string OldWord(OverallStatus status) =>
        $" WHEN {{t}}.overall_status = '{status.Word()}' THEN CASE WHEN {{t}}.overall_progress IS NULL THEN '{LegacyStatus.Word(status, null)}' ELSE '{LegacyStatus.Word(status, 0)}' END";

    /// <summary><see cref="ObserverClock.SilenceLasts"/> since the instant in a column.</summary>
    private static string SilenceLasts(string since)
    {
        var patient = $"k.resumed_at + CASE WHEN k.{since} <= k.unclean_at OR k.silence < k.patience THEN k.silence ELSE k.patience END";
        return $"CASE WHEN k.{since} >= k.resumed_at OR k.{since} + k.silence >= {patient} THEN k.{since} + k.silence ELSE {patient} END";
    }

    private static string ChangesWith(HeartbeatState heartbeat)
    {
        string Reasons(bool cloudlinkConnected) => string.Join(", ", Enum.GetValues<StatusReason>()
            .Where(reason => SilenceForecast.ChangesWith(reason, cloudlinkConnected) == heartbeat).Select(reason => $"'{reason.Word()}'"));
        return $"CASE WHEN {{t}}.cloudlink_connected <> 0 THEN {{t}}.status_reason IN ({Reasons(true)}) ELSE {{t}}.status_reason IN ({Reasons(false)}) END";
    }
}
