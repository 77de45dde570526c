namespace Muster.Server.Cloudlink.Terminals;

/// <summary>Settings under <c>Cloudlink:Terminal</c>: the terminal on a device's page.</summary>
public sealed class TerminalOptions
{
    public bool Enabled { get; set; } = true;

    /// <summary>Who Muster logs in as there.</summary>
    public string User { get; set; } = "root";

    /// <summary>Terminals at once; more are refused.</summary>
    public int MaxSessions { get; set; } = 100;

    /// <summary>Terminals of one person at once; more are refused.</summary>
    public int MaxPerPerson { get; set; } = 10;

    /// <summary>A terminal in which nobody typed for so long ends; the person is warned a minute before.</summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromMinutes(30);
}
