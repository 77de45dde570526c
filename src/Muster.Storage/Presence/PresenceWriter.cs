using Muster.Core.Presence;
using Muster.Storage.Sqlite;

namespace Muster.Storage.Presence;

/// <summary>
/// Writes what partitions decided, many devices in one transaction, with prepared statements. A device stands at most
/// once in a batch. Not thread-safe: there is one committer per node.
/// </summary>
public abstract class PresenceWriter : IDisposable
{
    public static PresenceWriter For(Database database) => database is SqliteDatabase ? new SqlitePresenceWriter() : new PostgresPresenceWriter();

    /// <summary>The groups of columns in which two states of one device differ.</summary>
    public static DeviceColumns Difference(DeviceState before, DeviceState after) => DeviceColumn.Difference(before, after);

    /// <summary>Writes device rows, image installs, contact times and transitions.</summary>
    /// <param name="transitionIds">Takes the ids of the transitions, in the order of the changes and of each one's transitions.</param>
    public abstract Task WriteAsync(WriteScope write, IReadOnlyList<DeviceChange> changes, List<long> transitionIds);

    /// <summary>Writes contact times; those of devices that are gone, and those older than what is on record, are passed over.</summary>
    public abstract Task WriteAsync(WriteScope write, IReadOnlyList<ContactRow> contacts);

    /// <summary>Writes a node's observer clock, and what the node allows a device beyond its poll interval: reads foretell from both.</summary>
    /// <param name="beyond">Margin of the window, and from timeout to offline.</param>
    public static async Task WriteAsync(WriteScope write, string node, ObserverCheckpoint clock, SilenceLimits beyond)
    {
        await using var command = write.Command(
            """
            INSERT INTO observer_clock (node, observed, resumed_at, outage, unclean_at, written_at, stopped_in_order, resumed_at_wall, margin_ms, offline_after_ms)
            VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9)
            ON CONFLICT (node) DO UPDATE SET observed = excluded.observed, resumed_at = excluded.resumed_at, outage = excluded.outage,
                unclean_at = excluded.unclean_at, written_at = excluded.written_at, stopped_in_order = excluded.stopped_in_order,
                resumed_at_wall = excluded.resumed_at_wall, margin_ms = excluded.margin_ms, offline_after_ms = excluded.offline_after_ms
            """,
            node, clock.Observed, clock.ResumedAt, clock.Outage, clock.UncleanAt, clock.WrittenAt, clock.StoppedInOrder, clock.ResumedAtWall, beyond.Window, beyond.OfflineAfter);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Writes down a time (Unix ms) in which a node did not listen; written twice, it stands once.</summary>
    public static async Task WriteOutageAsync(WriteScope write, string node, long from, long to, string kind)
    {
        await using var command = write.Command(
            """
            INSERT INTO outage (node, from_at, to_at, kind) VALUES (@p0, @p1, @p2, @p3)
            ON CONFLICT (node, from_at) DO UPDATE SET to_at = excluded.to_at, kind = excluded.kind
            """,
            node, from, to, kind);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Deletes the outages that ended before an instant (Unix ms).</summary>
    public static async Task PruneOutagesAsync(WriteScope write, long before)
    {
        await using var command = write.Command("DELETE FROM outage WHERE to_at < @p0", before);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Deletes the oldest transitions from before an instant (Unix ms), at most <paramref name="limit"/>; returns how many.</summary>
    public static async Task<int> PruneTransitionsAsync(WriteScope write, long before, int limit)
    {
        await using var command = write.Command(
            $"DELETE FROM transition WHERE id IN (SELECT id FROM transition WHERE at < @p0 ORDER BY at LIMIT {limit})", before);
        return await command.ExecuteNonQueryAsync();
    }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }
}
