using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Muster.Storage.Presence;

/// <summary>
/// A prepared statement bound by position. Through ADO.NET each parameter is looked up by name at every execution,
/// which costs more than the statement itself when thirty columns of ten thousand devices are written in a second.
/// </summary>
internal sealed class SqliteStatement : IDisposable
{
    private readonly sqlite3 handle;
    private readonly sqlite3_stmt statement;

    public SqliteStatement(SqliteConnection connection, string sql)
    {
        handle = connection.Handle ?? throw new InvalidOperationException("The connection is closed.");
        Check(raw.sqlite3_prepare_v2(handle, sql, out statement));
    }

    /// <summary>Id of the row last inserted on this connection.</summary>
    public long LastInsertedId => raw.sqlite3_last_insert_rowid(handle);

    /// <param name="position">From 1.</param>
    public void Bind(int position, long? value) =>
        Check(value is { } number ? raw.sqlite3_bind_int64(statement, position, number) : raw.sqlite3_bind_null(statement, position));

    /// <param name="position">From 1.</param>
    public void Bind(int position, string? value) =>
        Check(value is null ? raw.sqlite3_bind_null(statement, position) : raw.sqlite3_bind_text(statement, position, value));

    /// <summary>Runs the statement to its end and makes it ready for the next values.</summary>
    public void Execute()
    {
        var outcome = raw.sqlite3_step(statement);
        var reset = raw.sqlite3_reset(statement);
        if (outcome is not (raw.SQLITE_DONE or raw.SQLITE_ROW))
            Check(reset);
    }

    public void Dispose() => statement.Dispose();

    private void Check(int outcome) => SqliteException.ThrowExceptionForRC(outcome, handle);
}
