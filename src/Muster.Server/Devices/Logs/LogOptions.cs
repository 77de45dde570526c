namespace Muster.Server.Devices.Logs;

/// <summary>Bounds of device logs. Settings under <c>Logs:</c>.</summary>
internal sealed class LogOptions
{
    /// <summary>Lines kept per device; older ones go.</summary>
    public int KeepLines { get; set; } = 1000;

    /// <summary>Age after which a line goes.</summary>
    public TimeSpan KeepFor { get; set; } = TimeSpan.FromDays(30);

    /// <summary>Lines that wait to be written, over all devices; at the bound the senders wait.</summary>
    public int MaxWaiting { get; set; } = 20_000;

    /// <summary>How long lines are gathered before they are written, so that logs take few of the database's commits from reports.</summary>
    public TimeSpan Gather { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Rows a second taken of one upload; it may be ten seconds ahead, and is slowed down then.</summary>
    public int RowsPerSecond { get; set; } = 1000;

    /// <summary>An upload without a row for so long is ended; an empty one counts.</summary>
    public TimeSpan UploadIdle { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long the refusal of a deleted or frozen device's logs is held back, so that it stays quiet.</summary>
    public TimeSpan RefusalDelay { get; set; } = TimeSpan.FromSeconds(55);

    /// <summary>People watching logs live, over all devices.</summary>
    public int MaxWatchers { get; set; } = 1000;
}
