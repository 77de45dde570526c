using System.Data.Common;
using Muster.Core.History;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Insight;

/// <summary>What a device was over a time: a lane per fact, each without gaps from <see cref="KnownFrom"/> to <see cref="To"/>.</summary>
internal sealed record DeviceTimeline
{
    /// <summary>As asked for.</summary>
    public required DateTimeOffset From { get; init; }

    /// <summary>As asked for, but not after now.</summary>
    public required DateTimeOffset To { get; init; }

    /// <summary>
    /// From when on it is known: not before the device was registered, nor before what is kept of the history, nor (for a
    /// device that changed all the time) before the newest <see cref="DeviceTimelines.MostChanges"/> changes.
    /// </summary>
    public required DateTimeOffset KnownFrom { get; init; }

    public required IReadOnlyList<TimelineInterval> OverallStatus { get; init; }
    public required IReadOnlyList<TimelineInterval> Heartbeat { get; init; }
    public required IReadOnlyList<TimelineInterval> Cloudlink { get; init; }

    /// <summary>The value is <c>none</c> until the device tells one.</summary>
    public required IReadOnlyList<TimelineInterval> UpdateStatus { get; init; }

    /// <summary>Whether some intervals stand for several shorter ones.</summary>
    public required bool IsCondensed { get; init; }

    public required TimelineUptime Uptime { get; init; }

    /// <summary>When Muster itself did not listen; what the lanes show there was not seen.</summary>
    public required IReadOnlyList<Outage> Outages { get; init; }
}

/// <inheritdoc cref="Interval"/>
internal sealed record TimelineInterval(string Value, DateTimeOffset From, DateTimeOffset To, string? Cause, int Condensed);

/// <summary>For how much of the time the device was reachable (<see cref="Core.History.Uptime"/>).</summary>
/// <param name="Share">0 to 1; null when nothing counts.</param>
internal sealed record TimelineUptime(double? Share, long ReachableMs, long CountedMs);

/// <summary>Reads timelines from the stored transitions.</summary>
internal sealed class DeviceTimelines(Database database, Outages outages, PresenceOptions presence, TimeProvider time)
{
    /// <summary>Intervals of one lane in an answer.</summary>
    public const int MostIntervals = 500;

    /// <summary>Changes read for one answer, the newest.</summary>
    public const int MostChanges = 10_000;

    /// <summary>So far beyond the range it is looked for the change that says what held in it.</summary>
    private const int MostBeyond = 200;

    private const string Facts = "'overall_status', 'heartbeat', 'cloudlink', 'update_status'";

    private sealed record Change(string Fact, FactChange Of);

    /// <summary>The timeline of a device in [from, to); null when the device is not on record.</summary>
    public async Task<DeviceTimeline?> ReadAsync(long deviceId, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        if (to > now)
            to = now;
        if (from > to)
            from = to;
        await using var connection = await database.OpenReadAsync(cancellation);
        // The row first: what changes after it was read is found among the changes.
        if (await DeviceAsync(connection, deviceId, cancellation) is not { } device)
            return null;
        var known = Math.Max(from.ToUnixTimeMilliseconds(), Math.Max(device.CreatedAt, now.Add(-presence.HistoryRetention).ToUnixTimeMilliseconds()));
        var end = to.ToUnixTimeMilliseconds();
        var changes = await ChangesAsync(connection, "AND at >= @p1 AND at < @p2 ORDER BY at DESC, id DESC", MostChanges, cancellation, deviceId, known, end);
        if (changes.Count == MostChanges)
            known = changes[^1].Of.At;
        changes.Reverse();
        known = Math.Min(known, end);

        var before = await ChangesAsync(connection, "AND at < @p1 ORDER BY at DESC, id DESC", MostBeyond, cancellation, deviceId, known);
        var after = await ChangesAsync(connection, "AND at >= @p1 ORDER BY at, id", MostBeyond, cancellation, deviceId, end);
        IReadOnlyList<Interval> LaneOf(string fact, string? current)
        {
            Standing? standing = before.Find(c => c.Fact == fact) is { } last ? new(last.Of.To, last.Of.Cause) : null;
            List<FactChange> own = [.. changes.Where(c => c.Fact == fact).Select(c => c.Of)];
            if (standing is null && own.Count == 0)
                standing = after.Find(c => c.Fact == fact) is { } next ? new(next.Of.From, null) : after.Count < MostBeyond ? new(current, null) : null;
            return Lane.Of(standing, own, known, end);
        }

        var (overall, heartbeat) = (LaneOf("overall_status", device.OverallStatus), LaneOf("heartbeat", device.Heartbeat));
        var (cloudlink, update) = (LaneOf("cloudlink", device.Cloudlink), LaneOf("update_status", device.UpdateStatus));
        var away = await outages.ReadAsync(DateTimeOffset.FromUnixTimeMilliseconds(known), to, cancellation);
        var uptime = Uptime.Of(overall, heartbeat, cloudlink, away.Select(o => new Deafness(o.From.ToUnixTimeMilliseconds(), o.To.ToUnixTimeMilliseconds())));
        return new()
        {
            From = from,
            To = to,
            KnownFrom = DateTimeOffset.FromUnixTimeMilliseconds(known),
            OverallStatus = Shown(overall),
            Heartbeat = Shown(heartbeat),
            Cloudlink = Shown(cloudlink),
            UpdateStatus = Shown(update),
            IsCondensed = new[] { overall, heartbeat, cloudlink, update }.Any(lane => lane.Count > MostIntervals),
            Uptime = new(uptime.Share, uptime.Reachable, uptime.Counted),
            Outages = away,
        };
    }

    private static List<TimelineInterval> Shown(IReadOnlyList<Interval> lane) =>
    [
        .. Lane.Condense(lane, MostIntervals)
            .Select(i => new TimelineInterval(i.Value, DateTimeOffset.FromUnixTimeMilliseconds(i.From), DateTimeOffset.FromUnixTimeMilliseconds(i.To), i.Cause, i.Condensed)),
    ];

    private static async Task<(long CreatedAt, string OverallStatus, string Heartbeat, string Cloudlink, string? UpdateStatus)?> DeviceAsync(DbConnection connection, long deviceId, CancellationToken cancellation)
    {
        await using var command = connection.Statement("SELECT created_at, overall_status, heartbeat, cloudlink_connected, update_status FROM device WHERE id = @p0", deviceId);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        if (!await reader.ReadAsync(cancellation))
            return null;
        return (reader.GetInt64(0), reader.GetString(1), reader.GetString(2), reader.GetInt32(3) != 0 ? "connected" : "disconnected", Text(reader, 4));
    }

    private static async Task<List<Change>> ChangesAsync(DbConnection connection, string where, int limit, CancellationToken cancellation, params object?[] parameters)
    {
        await using var command = connection.Statement(
            $"SELECT fact, from_value, to_value, at, cause FROM transition WHERE device_id = @p0 AND fact IN ({Facts}) {where} LIMIT {limit}", parameters);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<Change> changes = [];
        while (await reader.ReadAsync(cancellation))
            changes.Add(new(reader.GetString(0), new(Text(reader, 1), Text(reader, 2), reader.GetInt64(3), reader.GetString(4))));
        return changes;
    }

    private static string? Text(DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
}
