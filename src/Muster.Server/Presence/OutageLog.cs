using Muster.Storage;
using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>A time in which this node did not listen. Devices could not be heard, so nothing is known of them.</summary>
/// <param name="From">Unix ms. After a stop, when the observer clock was last written down: it may be some seconds early.</param>
/// <param name="To">Unix ms.</param>
/// <param name="Kind">One of the words here.</param>
public sealed record ListeningGap(long From, long To, string Kind)
{
    /// <summary>The process was stopped in order and started again.</summary>
    public const string Stopped = "stopped";

    /// <summary>The process ended without a word: killed, crashed, or the machine lost power.</summary>
    public const string Killed = "killed";

    /// <summary>The process ran, the database could not be reached.</summary>
    public const string Database = "database";

    /// <summary>The process or its machine stood still.</summary>
    public const string Paused = "paused";
}

/// <summary>Writes gaps of listening down when they have ended (table outage), and then tells of them.</summary>
internal sealed class OutageLog(ListeningClock clock, Database database, FleetPresence presence, PresenceOptions options)
{
    /// <summary>Whether some gap is to be written.</summary>
    public bool Owes => clock.EndedGap is not null;

    /// <exception cref="DatabaseAwayException">What is not written stays owed.</exception>
    public async Task WriteAsync()
    {
        while (clock.EndedGap is { } gap)
        {
            await database.WriteAsync(write => PresenceWriter.WriteOutageAsync(write, options.Node, gap.From, gap.To, gap.Kind));
            clock.Forget(gap);
            presence.TellOutageEnded(gap);
        }
    }
}
