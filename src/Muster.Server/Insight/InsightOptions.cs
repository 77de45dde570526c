namespace Muster.Server.Insight;

/// <summary>Settings under <c>Insight</c>.</summary>
public sealed class InsightOptions
{
    /// <summary>Event streams open at once.</summary>
    public int MaxStreams { get; set; } = 1_000;

    /// <summary>Transitions that may wait for one slow reader; beyond, it is cut off and resumes by id.</summary>
    public int StreamBuffer { get; set; } = 4_096;

    /// <summary>How long samples of metrics are kept.</summary>
    public TimeSpan MetricRetention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>Samples of metrics that may wait to be written, one for each device in five minutes; beyond, the oldest are given up. About 100 bytes each.</summary>
    public int MetricBacklog { get; set; } = 1_000_000;

    /// <summary>How long entries of the audit log are kept.</summary>
    public TimeSpan AuditRetention { get; set; } = TimeSpan.FromDays(365);

    /// <summary>Entries of the audit log at most; beyond, the oldest go before their time. About 300 bytes each.</summary>
    public long AuditMost { get; set; } = 5_000_000;

    /// <summary>An idle stream says so this often, and asks again whether its reader may still read.</summary>
    public TimeSpan StreamIdle { get; set; } = TimeSpan.FromSeconds(15);
}
