using System.Data.Common;
using System.Globalization;
using Muster.Core.Text;

namespace Muster.Storage;

/// <summary>
/// The one seam between Muster and its database: SQLite (embedded default) or PostgreSQL. Everything above it speaks
/// ADO.NET and the SQL both understand; what differs stands in <see cref="SqlDialect"/>.
/// </summary>
public abstract class Database : IAsyncDisposable
{
    /// <summary>What differs in SQL text between the two databases.</summary>
    public abstract SqlDialect Dialect { get; }

    /// <summary>The ADO.NET connection string, for migrations.</summary>
    public abstract string ConnectionString { get; }

    /// <summary>Opens a pooled connection for reading. Never write through it: on SQLite it would fight the one writer.</summary>
    public abstract ValueTask<DbConnection> OpenReadAsync(CancellationToken cancellation = default);

    /// <summary>
    /// Breaks off what runs on a read connection when the token is cancelled, for drivers that cannot do it themselves;
    /// dispose before the connection. The statement then fails with a <see cref="DbException"/>.
    /// </summary>
    public virtual IDisposable? BreakOffWhen(DbConnection connection, CancellationToken cancelled) => null;

    /// <summary>
    /// Runs <paramref name="work"/> in one write transaction and commits it; any exception rolls back.
    /// When the task completes the change is durable as the database promises it (SQLite: WAL, synchronous=FULL).
    /// </summary>
    /// <exception cref="DatabaseAwayException">The database cannot be reached; nothing was written, or (after a broken
    /// commit) it is not known, so the caller must treat the work as unacknowledged.</exception>
    public abstract Task<T> WriteAsync<T>(Func<WriteScope, Task<T>> work, CancellationToken cancellation = default);

    public Task WriteAsync(Func<WriteScope, Task> work, CancellationToken cancellation = default) =>
        WriteAsync(async scope => { await work(scope); return true; }, cancellation);

    /// <summary>Cheap question to the database, for readiness and for the observer clock.</summary>
    /// <exception cref="DatabaseAwayException">It did not answer.</exception>
    public abstract Task ProbeAsync(CancellationToken cancellation = default);

    /// <summary>Whether an exception of a statement says that the database is away, and not that it refused the statement.</summary>
    public abstract bool IsAway(Exception e);

    public abstract ValueTask DisposeAsync();
}

/// <summary>An open write transaction. Commands made here belong to it.</summary>
public sealed class WriteScope(DbConnection connection, DbTransaction transaction, SqlDialect dialect)
{
    public DbConnection Connection { get; } = connection;

    public DbTransaction Transaction { get; } = transaction;

    public SqlDialect Dialect { get; } = dialect;

    public DbCommand Command(string sql, params ReadOnlySpan<object?> parameters)
    {
        var command = Connection.Statement(sql, parameters);
        command.Transaction = Transaction;
        return command;
    }

    /// <summary>
    /// Waits for every other transaction that has taken this turn and not ended yet. What is read afterwards is what they all
    /// left, so a bound that is checked then holds also for those who come at once.
    /// </summary>
    /// <param name="of">Of what kind of thing.</param>
    /// <param name="id">Which of them. Who takes several turns takes them in ascending order.</param>
    public async Task TakeTurnAsync(string of, long id)
    {
        if (Dialect.Turn is not { } turn)
            return;
        await using var command = Command(turn, string.Create(CultureInfo.InvariantCulture, $"{of} {id}"));
        await command.ExecuteNonQueryAsync();
    }
}

/// <summary>The database did not answer or broke off. To a caller over HTTP this is 503.</summary>
public sealed class DatabaseAwayException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// A text that no database of ours keeps (half of a surrogate pair, NUL) was to be written or compared. What is read from
/// callers is checked where it comes in; this is the last door, the same for both databases. To a caller over HTTP it is 400.
/// </summary>
public sealed class UnstorableTextException() : Exception("A text is not valid Unicode, or holds a NUL character.");

public static class Statements
{
    /// <summary>A command with positional parameters, written <c>@p0</c>, <c>@p1</c>, … in the SQL of both databases.</summary>
    public static DbCommand Statement(this DbConnection connection, string sql, params ReadOnlySpan<object?> parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        for (var i = 0; i < parameters.Length; i++)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = $"p{i}";
            parameter.Value = parameters[i] switch
            {
                null => DBNull.Value,
                bool flag => flag ? 1 : 0,
                string text => WireText.IsStorable(text) ? text : throw new UnstorableTextException(),
                var value => value,
            };
            command.Parameters.Add(parameter);
        }

        return command;
    }
}
