namespace Muster.Server.Dashboard.Parts;

/// <summary>
/// How a status or a link's state looks: a word, a sign and a colour. The sign and the word carry it without the colour.
/// The words are those of the statuses' specification, capitals included; pages, files and documentation take them from here.
/// </summary>
/// <param name="Class">Ends of the CSS classes <c>tone-…</c>.</param>
/// <param name="Icon">Of Bootstrap Icons.</param>
public sealed record StatusLook(string Word, string Class, string Icon)
{
    /// <summary>The overall statuses in the order in which people look for trouble.</summary>
    public static readonly IReadOnlyList<string> OverallWords =
        ["operational", "updating", "configuring", "post-provisioning", "reduced-functionality", "disconnected", "frozen", "inactive"];

    /// <summary>The steps of an update, in their order.</summary>
    public static readonly IReadOnlyList<string> UpdateWords = ["downloading", "downloaded", "applying changes", "rejected", "aborted", "done"];

    /// <param name="status">The word of the wire.</param>
    public static StatusLook Overall(string status) => status switch
    {
        "operational" => new("Operational", "good", "check-circle-fill"),
        "reduced-functionality" => new("Reduced Functionality", "warn", "exclamation-triangle-fill"),
        "disconnected" => new("Disconnected", "bad", "x-circle-fill"),
        "configuring" => new("Configuring", "busy", "gear-fill"),
        "updating" => new("Updating", "busy", "arrow-down-circle-fill"),
        "post-provisioning" => new("Post Provisioning", "new", "box-seam-fill"),
        "inactive" => new("Inactive", "off", "dash-circle"),
        "frozen" => new("Frozen", "ice", "snow"),
        _ => new(status, "off", "question-circle"),
    };

    public static StatusLook Heartbeat(string state) => state switch
    {
        "online" => new("Online", "good", "check-circle-fill"),
        "timeout" => new("Timeout", "warn", "clock-fill"),
        "offline" => new("Offline", "bad", "x-circle-fill"),
        _ => new("Unknown", "off", "question-circle-fill"),
    };

    /// <param name="expected">False when configuration switches the cloudlink off.</param>
    public static StatusLook Cloudlink(bool connected, bool expected) => (connected, expected) switch
    {
        (true, _) => new("Connected", "good", "check-circle-fill"),
        (false, true) => new("Disconnected", "bad", "x-circle-fill"),
        _ => new("Not expected", "off", "slash-circle"),
    };

    public static StatusLook Update(string? status) => status switch
    {
        "downloading" => new("Downloading", "busy", "arrow-down-circle"),
        "downloaded" => new("Downloaded", "busy", "inbox-fill"),
        "applying changes" => new("Applying Changes", "busy", "gear-wide-connected"),
        "rejected" => new("Rejected", "bad", "slash-circle-fill"),
        "aborted" => new("Aborted", "bad", "stop-circle-fill"),
        "done" => new("Done", "good", "check2-circle"),
        _ => new("—", "off", "dash"),
    };
}
