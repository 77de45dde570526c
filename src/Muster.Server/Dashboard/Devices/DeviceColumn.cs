using System.Collections.Immutable;
using Muster.Core.Status;
using Muster.Server.Dashboard.Parts;

namespace Muster.Server.Dashboard.Devices;

/// <summary>What a column's values are: which operators fit them, and how they are compared.</summary>
public enum ColumnKind
{
    Text,
    /// <summary>One of a few words.</summary>
    Word,
    Instant,
    Number,
    /// <summary>The value of one tag.</summary>
    Tag,
    /// <summary>The names of all tags.</summary>
    TagName,
    /// <summary>The values of all tags.</summary>
    TagValue,
}

/// <summary>A column of the Devices page, as its address, its filters and its chooser name it.</summary>
/// <param name="Key">In the address: <c>status</c>, <c>heartbeat-since</c>, <c>tag:site</c>.</param>
/// <param name="Title">What people read.</param>
/// <param name="Field">In the query dialect, as the API names it.</param>
public sealed record DeviceColumn(string Key, string Title, ColumnKind Kind, string Field)
{
    private const string TagPrefix = "tag:";

    /// <summary>For <see cref="ColumnKind.Word"/>: the words, as on the wire, and what people read.</summary>
    public ImmutableArray<(string Word, string Title)> Words { get; init; } = [];

    /// <summary>Can be filtered by, and is no column of its own.</summary>
    public bool IsFilterOnly { get; init; }

    /// <summary>What the rows are ordered by when it is not the field.</summary>
    public string? Order { get; init; }

    /// <summary>Shown when nothing else was chosen.</summary>
    public bool IsUsual { get; init; }

    /// <summary>Of the live feed: a change of one of these facts can change the value.</summary>
    public ImmutableArray<string> Facts { get; init; } = [];

    /// <summary>For <see cref="ColumnKind.Tag"/>: the name of the tag.</summary>
    public string TagName => Key[TagPrefix.Length..];

    public static readonly ImmutableArray<DeviceColumn> All =
    [
        new("name", "Name", ColumnKind.Text, "device_name") { IsUsual = true },
        new("uuid", "UUID", ColumnKind.Text, "uuid") { IsUsual = true },
        new("fleet", "Fleet", ColumnKind.Text, "belongs_to__application/slug") { IsUsual = true },
        new("status", "Status", ColumnKind.Word, "overall_status") { IsUsual = true, Words = Of(StatusLook.OverallWords, w => StatusLook.Overall(w).Word), Facts = ["overall_status"] },
        new("reason", "Reason", ColumnKind.Word, "muster_status_reason") { Words = Of(Enum.GetValues<StatusReason>().Select(r => r.Word()), DeviceReason.InFewWords), Facts = AnyFact },
        new("progress", "Progress", ColumnKind.Number, "overall_progress"),
        new("status-since", "Status since", ColumnKind.Instant, "muster_status_since") { Facts = ["overall_status"] },
        new("detail", "OS update detail", ColumnKind.Text, "provisioning_state"),
        new("heartbeat", "Heartbeat", ColumnKind.Word, "api_heartbeat_state") { IsUsual = true, Words = Of(Enum.GetValues<HeartbeatState>().Select(s => s.Word()), w => StatusLook.Heartbeat(w).Word), Facts = ["heartbeat"] },
        new("heartbeat-since", "Heartbeat since", ColumnKind.Instant, "changed_api_heartbeat_state_on__date") { Facts = ["heartbeat"] },
        new("cloudlink", "Cloudlink", ColumnKind.Word, "is_online") { IsUsual = true, Words = [("connected", "Connected"), ("disconnected", "Disconnected"), ("not-expected", "Not expected")], Facts = ["cloudlink"] },
        new("cloudlink-since", "Cloudlink last connected", ColumnKind.Instant, "last_connectivity_event") { Facts = ["cloudlink"] },
        new("last-contact", "Last contact", ColumnKind.Instant, "muster_last_contact_at"),
        new("update", "Update Status", ColumnKind.Word, "update_status") { IsUsual = true, Words = [.. Of(StatusLook.UpdateWords, w => StatusLook.Update(w).Word), (None, "None")], Facts = ["update_status"] },
        new("update-since", "Update Status Duration", ColumnKind.Instant, "last_update_status_event") { IsUsual = true, Facts = ["update_status"] },
        new("release", "Release", ColumnKind.Text, "is_running__release") { IsUsual = true, Facts = ["running_release"] },
        new("target", "On target", ColumnKind.Word, "is_running__release") { Words = [("yes", "On its target release"), ("no", "Not on its target release"), (None, "Without target release")], Order = "should_be_running__release", Facts = ["running_release"] },
        new("pinned", "Pinned", ColumnKind.Word, "is_pinned_on__release") { Words = [("yes", "Pinned"), ("no", "Not pinned")] },
        new("os", "OS version", ColumnKind.Text, "os_version") { IsUsual = true },
        new("variant", "OS variant", ColumnKind.Text, "os_variant"),
        new("supervisor", "Supervisor", ColumnKind.Text, "supervisor_version") { IsUsual = true },
        new("type", "Device type", ColumnKind.Text, "is_of__device_type/slug"),
        new("tags", "Tags", ColumnKind.TagName, "") { Order = "device_tag/$count" },
        new("tag-name", "Tag name", ColumnKind.TagName, "") { IsFilterOnly = true },
        new("tag-value", "Tag value", ColumnKind.TagValue, "") { IsFilterOnly = true },
        new("ip", "IP address", ColumnKind.Text, "ip_address"),
        new("public-ip", "Public address", ColumnKind.Text, "public_address"),
        new("mac", "MAC address", ColumnKind.Text, "mac_address"),
        new("note", "Note", ColumnKind.Text, "note"),
        new("cpu", "CPU %", ColumnKind.Number, "cpu_usage"),
        new("temperature", "Temperature °C", ColumnKind.Number, "cpu_temp"),
        new("memory", "Memory used MB", ColumnKind.Number, "memory_usage"),
        new("storage", "Storage used MB", ColumnKind.Number, "storage_usage"),
        new("created", "Created", ColumnKind.Instant, "created_at"),
    ];

    /// <summary>For a value that is not there, among words.</summary>
    public const string None = "none";

    private static readonly Dictionary<string, DeviceColumn> ByKey = All.ToDictionary(c => c.Key, StringComparer.Ordinal);

    private static ImmutableArray<string> AnyFact => ["overall_status", "heartbeat", "cloudlink", "is_active", "is_frozen"];

    public static ImmutableArray<DeviceColumn> Usual { get; } = [.. All.Where(c => c.IsUsual)];

    /// <summary>The column of a tag.</summary>
    public static DeviceColumn OfTag(string name) => new(TagPrefix + name, name, ColumnKind.Tag, "");

    /// <summary>The column with this key; null when there is none.</summary>
    public static DeviceColumn? Find(string key) =>
        ByKey.TryGetValue(key, out var column) ? column
        : key.StartsWith(TagPrefix, StringComparison.Ordinal) && key.Length is > 4 and <= 104 ? OfTag(key[TagPrefix.Length..])
        : null;

    public string WordTitle(string word) => Words.FirstOrDefault(w => w.Word == word).Title ?? word;

    private static ImmutableArray<(string, string)> Of(IEnumerable<string> words, Func<string, string> title) => [.. words.Select(w => (w, title(w)))];
}

/// <summary>A reason of the status rule in few words; its sentence is the explanation's.</summary>
public static class DeviceReason
{
    public static string InFewWords(string reason) => reason switch
    {
        "never-seen" => "never seen",
        "deactivated" => "deactivated",
        "frozen" => "outside the plan",
        "provisioning" => "remove medium, boot",
        "not-polled-yet" => "not polled yet",
        "no-heartbeat-no-cloudlink" => "nothing heard",
        "os-configuration" => "OS or configuration",
        "downloading-images" => "downloading images",
        "heartbeat-missing" => "no heartbeat",
        "cloudlink-missing" => "no cloudlink",
        "all-links-work" => "all links work",
        "cloudlink-not-expected" => "cloudlink off by configuration",
        _ => reason,
    };
}
