using System.Data;
using System.Data.Common;
using Npgsql;

namespace Muster.Storage.Postgres;

/// <summary>PostgreSQL, for production.</summary>
public sealed class PostgresDatabase : Database
{
    private readonly NpgsqlDataSource source;

    public PostgresDatabase(string connectionString)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString)
        {
            ApplicationName = "muster",
            MaxAutoPrepare = 200,
            AutoPrepareMinUsages = 3,
        };
        ConnectionString = builder.ToString();
        source = NpgsqlDataSource.Create(ConnectionString);
    }

    public override SqlDialect Dialect { get; } = new PostgresDialect();

    /// <summary>A server writes only while it holds the database; null for commands beside it.</summary>
    internal PostgresHold? Hold { get; set; }

    public override string ConnectionString { get; }

    public override async ValueTask<DbConnection> OpenReadAsync(CancellationToken cancellation = default)
    {
        try
        {
            return await source.OpenConnectionAsync(cancellation);
        }
        catch (Exception e) when (IsAway(e))
        {
            throw new DatabaseAwayException("PostgreSQL cannot be reached.", e);
        }
    }

    public override async Task<T> WriteAsync<T>(Func<WriteScope, Task<T>> work, CancellationToken cancellation = default)
    {
        for (var attempt = 1; ; attempt++)
        {
            CheckHold();
            try
            {
                await using var connection = await source.OpenConnectionAsync(cancellation);
                await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellation);
                if (Hold is { } hold)
                    await hold.CheckAsync(connection, transaction);
                var result = await work(new WriteScope(connection, transaction, Dialect));
                await transaction.CommitAsync(CancellationToken.None);
                return result;
            }
            catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure && attempt < 5)
            {
                // Two writers met on the same rows; the loser's work was rolled back whole and is run again.
            }
            catch (Exception e) when (IsAway(e))
            {
                throw new DatabaseAwayException("PostgreSQL cannot be reached.", e);
            }
        }
    }

    public override async Task ProbeAsync(CancellationToken cancellation = default)
    {
        CheckHold();
        try
        {
            await using var command = source.CreateCommand("SELECT 1");
            await command.ExecuteScalarAsync(cancellation);
        }
        catch (Exception e) when (IsAway(e))
        {
            throw new DatabaseAwayException("PostgreSQL cannot be reached.", e);
        }
    }

    private void CheckHold()
    {
        if (Hold is { IsHeld: false })
            throw new DatabaseAwayException("This server has lost its lock on the database.");
    }

    public override ValueTask DisposeAsync() => source.DisposeAsync();

    // A PostgresException is the server's word about a statement, unless it says that it is going or full (57xxx, 53xxx, 08xxx).
    public override bool IsAway(Exception e) => e switch
    {
        PostgresException p => p.SqlState.StartsWith("57P", StringComparison.Ordinal) || p.SqlState.StartsWith("53", StringComparison.Ordinal) || p.SqlState.StartsWith("08", StringComparison.Ordinal),
        NpgsqlException or TimeoutException or System.Net.Sockets.SocketException or IOException => true,
        _ => false,
    };
}
