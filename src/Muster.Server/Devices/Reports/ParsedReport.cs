using Muster.Core.Status;

namespace Muster.Server.Devices.Reports;

/// <summary>How a report's body was judged before anything was looked up.</summary>
internal enum ReportVerdict : byte
{
    Ok,
    /// <summary>Not JSON.</summary>
    Malformed,
    /// <summary>JSON, and a field has a type or a value that it must not have.</summary>
    Invalid,
    /// <summary>No device is named, or something else than one device.</summary>
    NotOneDevice,
}

/// <summary>One service of a release, as reported. The image is its location, with or without digest (v3), or its id (v2).</summary>
/// <param name="Status">The supervisor's word; "" when it is none that we know, so that the one on record stays.</param>
internal readonly record struct ReportedService(string Image, string Status, int? Progress);

/// <summary>One release of an app, as reported.</summary>
internal sealed record ReportedRelease(string Commit, UpdateStatus UpdateStatus, IReadOnlyList<ReportedService> Services);

/// <summary>One app of a device, as reported in v3.</summary>
internal sealed record ReportedApp(string Uuid, string? RunningCommit, IReadOnlyList<ReportedRelease> Releases);

/// <summary>An image install as v2 reports it.</summary>
internal readonly record struct ReportedImage(long ImageId, long ReleaseId, string Status, int? Progress);

/// <summary>A state report as parsed: fields checked and cut to their limits, names of releases and images not yet looked up.</summary>
internal sealed class ParsedReport
{
    public ReportVerdict Verdict { get; set; }

    /// <summary>What is wrong, in one sentence, unless <see cref="ReportVerdict.Ok"/>.</summary>
    public string Problem { get; set; } = "";

    /// <summary>The device that the body names (v3).</summary>
    public string Uuid { get; set; } = "";

    public StateReport Fields { get; set; } = StateReport.Empty;

    /// <summary>Null when the report does not speak of apps.</summary>
    public List<ReportedApp>? Apps { get; set; }

    /// <summary>v2: null when the report does not speak of apps.</summary>
    public List<ReportedImage>? Images { get; set; }

    /// <summary>v2: the commit that runs; an unknown one is passed over, null clears.</summary>
    public Reported<string?> RunningCommit { get; set; }

    /// <summary>v2: the device's wish for its own row.</summary>
    public Reported<string?> Name { get; set; }

    public Reported<string?> Note { get; set; }

    public Reported<long?> PinnedReleaseId { get; set; }

    /// <summary>Always false: "not read", for the reader to return.</summary>
    public bool Refuse(ReportVerdict verdict, string problem)
    {
        Verdict = verdict;
        Problem = problem;
        return false;
    }
}
