using System.Data.Common;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Insight;

/// <summary>A place in a device's history, after which to read on.</summary>
internal readonly record struct HistoryPlace(long At, long Id)
{
    public override string ToString() => $"{At}-{Id}";

    public static HistoryPlace? Parse(string text) =>
        text.Split('-') is [var at, var id] && long.TryParse(at, out var instant) && long.TryParse(id, out var number) ? new(instant, number) : null;
}

/// <summary>Reads the stored transitions (table transition). History outlives its device.</summary>
internal sealed class TransitionHistory(Database database)
{
    private const string Columns = "t.id, t.device_id, t.fleet_id, d.uuid, t.fact, t.from_value, t.to_value, t.at, t.cause";
    private const string From = "FROM transition t LEFT JOIN device d ON d.id = t.device_id";

    /// <summary>Transitions of a device in [from, to), oldest first.</summary>
    public Task<List<TransitionEvent>> OfDeviceAsync(long deviceId, long from, long to, HistoryPlace after, int limit, CancellationToken cancellation) =>
        ReadAsync(
            $"SELECT {Columns} {From} WHERE t.device_id = @p0 AND t.at >= @p1 AND t.at < @p2 AND (t.at > @p3 OR (t.at = @p3 AND t.id > @p4)) ORDER BY t.at, t.id LIMIT {limit}",
            cancellation, deviceId, from, to, after.At, after.Id);

    /// <summary>Transitions of all devices after an id, in the order of the feed.</summary>
    public Task<List<TransitionEvent>> AfterAsync(long id, int limit, CancellationToken cancellation) =>
        ReadAsync($"SELECT {Columns} {From} WHERE t.id > @p0 ORDER BY t.id LIMIT {limit}", cancellation, id);

    /// <summary>Oldest and newest id on record; null when there is none.</summary>
    public async Task<(long Oldest, long Newest)?> RangeAsync(CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        // Two look-ups at the ends of the index; min and max in one SELECT would read all of it on SQLite.
        await using var command = connection.Statement("SELECT (SELECT min(id) FROM transition), (SELECT max(id) FROM transition)");
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) && !reader.IsDBNull(0) ? (reader.GetInt64(0), reader.GetInt64(1)) : null;
    }

    private async Task<List<TransitionEvent>> ReadAsync(string sql, CancellationToken cancellation, params object?[] parameters)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(sql, parameters);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<TransitionEvent> transitions = [];
        while (await reader.ReadAsync(cancellation))
        {
            transitions.Add(new(
                reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), Text(reader, 3) ?? "",
                reader.GetString(4), Text(reader, 5), Text(reader, 6), reader.GetInt64(7), reader.GetString(8)));
        }

        return transitions;
    }

    private static string? Text(DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
}
