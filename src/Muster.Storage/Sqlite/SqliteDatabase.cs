using System.Data;
using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Muster.Storage.Sqlite;

/// <summary>The embedded default: one file in WAL mode, one writer at a time, any number of readers.</summary>
public sealed class SqliteDatabase : Database
{
    private readonly SemaphoreSlim writer = new(1, 1);
    private readonly Lazy<SqliteConnection> writeConnection;
    private readonly string readConnectionString;

    public SqliteDatabase(string path)
    {
        var builder = new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = SqliteOpenMode.ReadWriteCreate,
            ForeignKeys = true,
            Pooling = false,
            // How long a writer waits for another process's lock before the file counts as away. Devices wait up to 59 s.
            DefaultTimeout = 10,
        };
        ConnectionString = builder.ToString();
        // Only readers are pooled: a pooled connection keeps its pragmas, and query_only must not reach a writer.
        builder.Pooling = true;
        readConnectionString = builder.ToString();
        writeConnection = new(() =>
        {
            var connection = Cased(new SqliteConnection(ConnectionString));
            connection.Open();
            // FULL: a commit is on the disk before a device hears 200 (promise 2).
            Pragma(connection, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=4000; PRAGMA temp_store=MEMORY;");
            return connection;
        });
    }

    public override SqlDialect Dialect { get; } = new SqliteDialect();

    public override string ConnectionString { get; }

    public override async ValueTask<DbConnection> OpenReadAsync(CancellationToken cancellation = default)
    {
        var connection = Cased(new SqliteConnection(readConnectionString));
        try
        {
            await connection.OpenAsync(cancellation);
            Pragma(connection, "PRAGMA query_only=ON; PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=67108864;");
            return connection;
        }
        catch (SqliteException e)
        {
            await connection.DisposeAsync();
            throw new DatabaseAwayException("The SQLite file cannot be opened.", e);
        }
    }

    // SQLite runs inside the call, and looks at no token.
    public override IDisposable? BreakOffWhen(DbConnection connection, CancellationToken cancelled) =>
        cancelled.Register(() => SQLitePCL.raw.sqlite3_interrupt(((SqliteConnection)connection).Handle));

    public override async Task<T> WriteAsync<T>(Func<WriteScope, Task<T>> work, CancellationToken cancellation = default)
    {
        await writer.WaitAsync(cancellation);
        try
        {
            var connection = writeConnection.Value;
            await using var transaction = connection.BeginTransaction(IsolationLevel.Serializable, deferred: false);
            var result = await work(new WriteScope(connection, transaction, Dialect));
            await transaction.CommitAsync(CancellationToken.None);
            return result;
        }
        catch (SqliteException e) when (IsAway(e))
        {
            throw new DatabaseAwayException("The SQLite file cannot be written.", e);
        }
        finally
        {
            writer.Release();
        }
    }

    // A file that can be read but not written is away too. Nothing is changed, so nothing is synced.
    public override Task ProbeAsync(CancellationToken cancellation = default) => WriteAsync(_ => Task.CompletedTask, cancellation);

    public override async ValueTask DisposeAsync()
    {
        if (writeConnection.IsValueCreated)
            await writeConnection.Value.DisposeAsync();
        using (var pool = new SqliteConnection(readConnectionString))
            SqliteConnection.ClearPool(pool);
        writer.Dispose();
    }

    // BUSY, LOCKED, IOERR, FULL, CANTOPEN, READONLY: the file, not the statement.
    public override bool IsAway(Exception e) => e is SqliteException { SqliteErrorCode: 5 or 6 or 8 or 10 or 13 or 14 };

    /// <summary>SQLite's own lower() and upper() know A to Z only.</summary>
    private static SqliteConnection Cased(SqliteConnection connection)
    {
        connection.CreateFunction<string?, string?>("muster_lower", static text => text?.ToLowerInvariant(), isDeterministic: true);
        connection.CreateFunction<string?, string?>("muster_upper", static text => text?.ToUpperInvariant(), isDeterministic: true);
        return connection;
    }

    private static void Pragma(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
