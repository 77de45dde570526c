using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Muster.Core.Status;

namespace Muster.Server.Dashboard.Devices;

/// <summary>A release as it is shown.</summary>
/// <param name="Version">Null for a release without one; then its commit names it.</param>
public sealed record ShownRelease(long Id, string Commit, string? Version)
{
    public string Words => Version ?? Commit[..Math.Min(7, Commit.Length)];
}

public sealed record ShownTag(string Name, string Value);

/// <summary>A device in the table. Instants are Unix ms, UTC. What no chosen column shows is not read.</summary>
public sealed record DeviceRow
{
    public required long Id { get; init; }
    public required string Uuid { get; init; }
    public required string Name { get; init; }
    public required long FleetId { get; init; }
    public required string Fleet { get; init; }
    public required string Status { get; init; }
    public required string Reason { get; init; }
    public required long? Progress { get; init; }
    public required long? StatusSince { get; init; }
    public required string? Detail { get; init; }
    public required string Heartbeat { get; init; }
    public required long? HeartbeatSince { get; init; }
    public required bool IsConnected { get; init; }
    public required bool IsCloudlinkExpected { get; init; }
    public required long? CloudlinkSince { get; init; }
    public required long? LastContact { get; init; }
    public required string? Update { get; init; }
    public required long? UpdateSince { get; init; }
    public required long? UpdateMoved { get; init; }
    public required ShownRelease? Release { get; init; }
    public required long? TargetRelease { get; init; }
    public required bool IsPinned { get; init; }
    public required string? DeviceType { get; init; }
    public required ImmutableArray<ShownTag> Tags { get; init; }

    /// <summary>The columns that are shown as they are, by key.</summary>
    public required IReadOnlyDictionary<string, string> Plain { get; init; }

    public required long? Created { get; init; }

    /// <summary>What is wrong with its update, as far as the row tells; the Device Summary reads the device's log too.</summary>
    /// <param name="now">Unix ms.</param>
    public UpdateTrouble? Trouble(long now) => UpdateTrouble.Of(
        new(StatusWords.Update(Update) ?? UpdateStatus.None, UpdateSince, UpdateMoved, IsDownloading: Reason == "downloading-images", IsHeard: IsConnected || Heartbeat is "online" or "timeout", IsOnTarget: null, Sign: null), now);

    public bool? IsOnTarget => TargetRelease is null ? null : Release?.Id == TargetRelease;

    public string Cloudlink => IsConnected ? "connected" : IsCloudlinkExpected ? "disconnected" : "not-expected";

    private const string Always =
        "id,uuid,device_name,belongs_to__application,overall_status,muster_status_reason,overall_progress,muster_status_since,provisioning_state,api_heartbeat_state,"
        + "changed_api_heartbeat_state_on__date,is_online,muster_cloudlink_expected,last_connectivity_event,update_status,last_update_status_event,muster_update_moved_at,is_pinned_on__release,created_at";

    /// <summary><c>$select</c> and <c>$expand</c> of a <c>device</c> query that reads such rows.</summary>
    public static string Query(IEnumerable<DeviceColumn> columns)
    {
        HashSet<string> fields = [.. Always.Split(',')];
        HashSet<string> expands = ["belongs_to__application($select=id,slug)"];
        foreach (var column in columns)
        {
            switch (column)
            {
                case { Key: "release" or "target" }:
                    fields.Add("should_be_running__release");
                    expands.Add("is_running__release($select=id,commit,raw_version)");
                    break;
                case { Key: "type" }:
                    expands.Add("is_of__device_type($select=slug)");
                    break;
                case { Kind: ColumnKind.Tag or ColumnKind.TagName }:
                    expands.Add("device_tag($select=tag_key,value;$orderby=tag_key asc)");
                    break;
                case { Kind: ColumnKind.Text or ColumnKind.Number or ColumnKind.Instant, Field: var field } when !field.Contains('/', StringComparison.Ordinal):
                    fields.Add(field);
                    break;
            }
        }

        return $"$select={string.Join(',', fields)}&$expand={string.Join(',', expands)}";
    }

    public static DeviceRow Of(JsonElement row, IEnumerable<DeviceColumn> columns)
    {
        return new()
        {
            Id = row.GetProperty("id").GetInt64(),
            Uuid = Text(row, "uuid")!,
            Name = Text(row, "device_name")!,
            FleetId = First(row, "belongs_to__application") is { } of ? of.GetProperty("id").GetInt64() : 0,
            Fleet = First(row, "belongs_to__application") is { } named ? Text(named, "slug") ?? "" : "",
            Status = Text(row, "overall_status")!,
            Reason = Text(row, "muster_status_reason")!,
            Progress = Number(row, "overall_progress"),
            StatusSince = Instant(row, "muster_status_since"),
            Detail = Text(row, "provisioning_state"),
            Heartbeat = Text(row, "api_heartbeat_state")!,
            HeartbeatSince = Instant(row, "changed_api_heartbeat_state_on__date"),
            IsConnected = row.GetProperty("is_online").GetBoolean(),
            IsCloudlinkExpected = row.GetProperty("muster_cloudlink_expected").GetBoolean(),
            CloudlinkSince = Instant(row, "last_connectivity_event"),
            LastContact = Instant(row, "muster_last_contact_at"),
            Update = Text(row, "update_status"),
            UpdateSince = Instant(row, "last_update_status_event"),
            UpdateMoved = Instant(row, "muster_update_moved_at"),
            Release = First(row, "is_running__release") is { } release ? ReleaseOf(release) : null,
            TargetRelease = Reference(row, "should_be_running__release"),
            IsPinned = Reference(row, "is_pinned_on__release") is not null,
            DeviceType = First(row, "is_of__device_type") is { } type ? Text(type, "slug") : null,
            Tags = row.TryGetProperty("device_tag", out var tags) ? [.. tags.EnumerateArray().Select(t => new ShownTag(Text(t, "tag_key")!, Text(t, "value") ?? ""))] : [],
            Created = Instant(row, "created_at"),
            Plain = columns.Where(c => c.Kind is ColumnKind.Text or ColumnKind.Number && row.TryGetProperty(c.Field, out var value) && value.ValueKind is JsonValueKind.String or JsonValueKind.Number)
                .ToDictionary(c => c.Key, c => row.GetProperty(c.Field).ToString(), StringComparer.Ordinal),
        };
    }

    /// <summary>A value as text: as it is, words as on the wire, instants in ISO 8601, UTC. Empty when there is none.</summary>
    public string TextOf(DeviceColumn column) => column switch
    {
        { Kind: ColumnKind.Tag } => Tags.FirstOrDefault(t => t.Name == column.TagName)?.Value ?? "",
        _ => column.Key switch
        {
            "fleet" => Fleet,
            "status" => Status,
            "reason" => Reason,
            "heartbeat" => Heartbeat,
            "cloudlink" => Cloudlink,
            "update" => Update ?? "",
            "release" => Release?.Words ?? "",
            "target" => IsOnTarget switch { true => "yes", false => "no", null => "" },
            "pinned" => IsPinned ? "yes" : "no",
            "type" => DeviceType ?? "",
            "tags" => string.Join(", ", Tags.Select(t => t.Value.Length == 0 ? t.Name : $"{t.Name}={t.Value}")),
            _ when column.Kind == ColumnKind.Instant => InstantOf(column) is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture) : "",
            _ => Plain.GetValueOrDefault(column.Key, ""),
        },
    };

    /// <summary>As <see cref="TextOf"/>, but statuses and states in the words that people read.</summary>
    public string WordsOf(DeviceColumn column) => column.Key is "status" or "heartbeat" or "cloudlink" or "update" ? column.WordTitle(TextOf(column)) : TextOf(column);

    /// <summary>For a column of instants; Unix ms.</summary>
    public long? InstantOf(DeviceColumn column) => column.Key switch
    {
        "status-since" => StatusSince,
        "heartbeat-since" => HeartbeatSince,
        "cloudlink-since" => CloudlinkSince,
        "update-since" => UpdateSince,
        "last-contact" => LastContact,
        "created" => Created,
        _ => null,
    };

    private static ShownRelease ReleaseOf(JsonElement release)
    {
        var version = Text(release, "raw_version");
        // A release that was never given a version counts as 0.0.0; its commit says more.
        return new(release.GetProperty("id").GetInt64(), Text(release, "commit")!, version is null || version.StartsWith("0.0.0", StringComparison.Ordinal) ? null : version);
    }

    private static JsonElement? First(JsonElement row, string name) =>
        row.TryGetProperty(name, out var rows) && rows.ValueKind == JsonValueKind.Array && rows.GetArrayLength() > 0 ? rows[0] : null;

    private static long? Reference(JsonElement row, string name) =>
        row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object ? value.GetProperty("__id").GetInt64() : null;

    private static string? Text(JsonElement row, string name) => row.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static long? Number(JsonElement row, string name) => row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt64() : null;

    private static long? Instant(JsonElement row, string name) => row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetDateTimeOffset().ToUnixTimeMilliseconds() : null;
}
