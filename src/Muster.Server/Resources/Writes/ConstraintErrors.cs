using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.Data.Sqlite;
using Muster.Storage;
using Muster.Storage.Resources;
using Npgsql;

namespace Muster.Server.Resources.Writes;

/// <summary>What a broken constraint of the database means to the caller.</summary>
internal sealed class ConstraintErrors(Database database)
{
    private readonly ConcurrentDictionary<string, IReadOnlyList<string>> columnsOfIndex = new(StringComparer.Ordinal);

    /// <summary>The refusal, or null when the exception is none of a constraint.</summary>
    public async ValueTask<RefusedException?> OfAsync(DbException e, Resource resource) => e switch
    {
        PostgresException { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: { } index } => Taken(resource, await ColumnsAsync(index)),
        PostgresException { SqlState: PostgresErrorCodes.ForeignKeyViolation } => Referenced(resource.Name),
        PostgresException { SqlState: PostgresErrorCodes.CheckViolation or PostgresErrorCodes.NotNullViolation } => RefusedException.Invalid("Check constraint violated"),
        PostgresException p when p.SqlState.StartsWith("22", StringComparison.Ordinal) => RefusedException.Invalid("A value is out of range."),
        SqliteException { SqliteExtendedErrorCode: 2067 or 1555 } s => Taken(resource, ColumnsOfMessage(s.Message)),
        SqliteException { SqliteExtendedErrorCode: 787 or 1811 } => Referenced(resource.Name),
        SqliteException { SqliteExtendedErrorCode: 275 or 1299 } => RefusedException.Invalid("Check constraint violated"),
        _ => null,
    };

    public static RefusedException Referenced(string by) => new(StatusCodes.Status409Conflict, $"Data is referenced by {by}.");

    // SDKs look for "unique" in the text and then change the row that is there.
    private static RefusedException Taken(Resource resource, IReadOnlyCollection<string> columns) =>
        new(StatusCodes.Status409Conflict, resource.KeyOn(columns)?.Taken ?? string.Join(" and ", columns.Select(c => $"\"{c}\"")) + " must be unique.");

    // PostgreSQL names the index; its columns stand in the catalogue. (The error's detail would name them too, with the row's values.)
    private async ValueTask<IReadOnlyList<string>> ColumnsAsync(string index)
    {
        if (columnsOfIndex.TryGetValue(index, out var known))
            return known;
        await using var connection = await database.OpenReadAsync();
        await using var command = connection.Statement(
            """
            SELECT a.attname::text FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
            JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey) WHERE c.relname = @p0
            """, index);
        await using var reader = await command.ExecuteReaderAsync();
        List<string> columns = [];
        while (await reader.ReadAsync())
            columns.Add(reader.GetString(0));
        return columnsOfIndex[index] = columns;
    }

    // "SQLite Error 19: 'UNIQUE constraint failed: fleet_tag.fleet_id, fleet_tag.tag_key'."
    private static List<string> ColumnsOfMessage(string message)
    {
        var start = message.IndexOf("failed: ", StringComparison.Ordinal);
        return start < 0 ? [] : [.. message[(start + 8)..].TrimEnd('.', '\'').Split(',').Select(c => c[(c.LastIndexOf('.') + 1)..].Trim())];
    }
}
