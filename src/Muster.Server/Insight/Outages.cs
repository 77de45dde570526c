using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Insight;

/// <summary>A time in which Muster itself did not listen.</summary>
/// <param name="Kind"><c>stopped</c>, <c>killed</c>, <c>database</c> or <c>paused</c> (<see cref="ListeningGap"/>).</param>
internal sealed record Outage(DateTimeOffset From, DateTimeOffset To, string Kind);

/// <summary>The outages of ours on record (table outage), and the news when another one is over.</summary>
internal sealed class Outages
{
    /// <summary>Of more the newest are told.</summary>
    private const int Most = 1_000;

    private readonly Database database;

    public Outages(Database database, FleetPresence presence)
    {
        this.database = database;
        presence.OutageEnded += gap => Ended?.Invoke(Of(gap.From, gap.To, gap.Kind));
    }

    /// <summary>Raised when one is over and written down. Handlers return at once and don't throw.</summary>
    public event Action<Outage>? Ended;

    /// <summary>Those that overlap [from, to), oldest first, whole.</summary>
    public async Task<IReadOnlyList<Outage>> ReadAsync(DateTimeOffset from, DateTimeOffset to, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            $"SELECT from_at, to_at, kind FROM outage WHERE to_at > @p0 AND from_at < @p1 ORDER BY to_at DESC LIMIT {Most}", from.ToUnixTimeMilliseconds(), to.ToUnixTimeMilliseconds());
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<Outage> outages = [];
        while (await reader.ReadAsync(cancellation))
            outages.Add(Of(reader.GetInt64(0), reader.GetInt64(1), reader.GetString(2)));
        outages.Reverse();
        return outages;
    }

    private static Outage Of(long from, long to, string kind) => new(DateTimeOffset.FromUnixTimeMilliseconds(from), DateTimeOffset.FromUnixTimeMilliseconds(to), kind);
}
