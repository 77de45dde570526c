using System.Collections.Concurrent;
using System.Threading.Channels;
using Muster.Core.Access;

namespace Muster.Server.Resources.Connections;

/// <summary>
/// The one place that knows what is open now, and with which credential: requests, streams, tunnels, terminals, pages, jobs.
/// Everything enters here before it serves its first byte. Bounded by what bounds each kind.
/// </summary>
public sealed class OpenConnections(TimeProvider time)
{
    private readonly ConcurrentDictionary<OpenConnection, bool> open = new();

    /// <summary>Told once however often it is said.</summary>
    private readonly Channel<bool> news = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>How much is open now.</summary>
    public int Count => open.Count;

    internal ChannelReader<bool> News => news.Reader;

    /// <summary>Enters something that stays open while <paramref name="right"/> holds. Dispose the result when it is over.</summary>
    /// <param name="what">In a word or two.</param>
    /// <param name="credential">What it was opened with.</param>
    /// <param name="right">
    /// Asked again after every change of rights, and every few seconds. Quick, and from memory where that can be: what it does
    /// not know (the database is away) it throws, and the connection stays.
    /// </param>
    /// <param name="cut">Ends it by force; returns at once.</param>
    public OpenConnection Enter(string what, Credential credential, Func<CancellationToken, ValueTask<bool>> right, Action cut)
    {
        var connection = new OpenConnection(this, what, credential, time.GetTimestamp(), right, cut);
        open[connection] = true;
        return connection;
    }

    /// <summary>Somebody's right may have changed: all are asked for anew, soon.</summary>
    public void Look() => news.Writer.TryWrite(true);

    /// <summary>What is open now.</summary>
    public IReadOnlyCollection<OpenConnection> List() => [.. open.Keys];

    internal void Leave(OpenConnection connection) => open.TryRemove(connection, out _);
}
