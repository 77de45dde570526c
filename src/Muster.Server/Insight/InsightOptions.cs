namespace Muster.Server.Insight;

/// <summary>Settings under <c>Insight</c>.</summary>
public sealed class InsightOptions
{
    /// <summary>Event streams open at once.</summary>
    public int MaxStreams { get; set; } = 1_000;

    /// <summary>Transitions that may wait for one slow reader; beyond, it is cut off and resumes by id.</summary>
    public int StreamBuffer { get; set; } = 4_096;

    /// <summary>An idle stream says so this often, and asks again whether its reader may still read.</summary>
    public TimeSpan StreamIdle { get; set; } = TimeSpan.FromSeconds(15);
}
