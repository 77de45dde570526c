namespace Muster.EndToEnd.Tests.Faults;

/// <summary>
/// Windows short enough to lapse several times in a test, and wide beside the devices' rhythm, so that a slow machine
/// does not make a living device late.
/// </summary>
internal static class FaultSettings
{
    public static readonly string[] ShortWindows =
    [
        "--Presence:DefaultPollInterval=00:00:03",
        "--Presence:PollIntervalFloor=00:00:01",
        "--Presence:TimeoutMargin=00:00:05",
        "--Presence:OfflineAfter=00:00:02",
    ];

    /// <summary>How often a living device polls.</summary>
    public static readonly TimeSpan Rhythm = TimeSpan.FromMilliseconds(500);

    /// <summary>Longer than interval, margin and the way to offline together.</summary>
    public static readonly TimeSpan LongerThanEveryTimeout = TimeSpan.FromSeconds(14);

    /// <summary>Until a silent device must have been found out, on any machine.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
}
