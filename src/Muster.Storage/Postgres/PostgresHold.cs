using Npgsql;

namespace Muster.Storage.Postgres;

/// <summary>
/// The right of this process to be the only server on a PostgreSQL database: an advisory lock of a session of its own, held for
/// life. When the session is lost, writing stops at once and the lock is taken again; whether somebody else was the server
/// meanwhile shows in the fence, a word in the database that each new holder writes and that every write transaction of a
/// server compares. Two servers can therefore never both write, not even one that was suspended and does not know.
/// </summary>
public sealed class PostgresHold : IAsyncDisposable
{
    // "muster" and a number; any value that nobody else takes. Advisory locks are kept per database.
    private const long ServerLock = 0x6d7573746572_01;
    private const long FenceLock = 0x6d7573746572_02;
    private const string Fence = "server-life";

    private static readonly TimeSpan Pulse = TimeSpan.FromSeconds(1);

    // The former session of a server that was just killed may take a moment to end.
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(200);

    private readonly string connectionString;
    private readonly TimeProvider time;
    private readonly string life = Guid.NewGuid().ToString("N");
    private NpgsqlConnection? session;
    private (int Process, DateTime Began)? former;
    private volatile bool isHeld;
    private volatile bool isFenced;

    private PostgresHold(string connectionString, TimeProvider time)
    {
        this.connectionString = new NpgsqlConnectionStringBuilder(connectionString)
        {
            Pooling = false,
            ApplicationName = "muster-hold",
            CommandTimeout = 3,
            Timeout = 3,
            MaxAutoPrepare = 0,
        }.ToString();
        this.time = time;
    }

    /// <summary>Whether this process may write now.</summary>
    public bool IsHeld => isHeld;

    /// <summary>Takes the database for this process until disposed.</summary>
    /// <exception cref="DatabaseHeldException">Another server has it.</exception>
    /// <exception cref="DatabaseAwayException">It cannot be reached.</exception>
    public static async Task<PostgresHold> TakeAsync(PostgresDatabase database, TimeProvider time)
    {
        var hold = new PostgresHold(database.ConnectionString, time);
        var began = time.GetTimestamp();
        try
        {
            while (!await hold.TryAsync(CancellationToken.None))
            {
                if (time.GetElapsedTime(began) > StartPatience)
                    throw new DatabaseHeldException("Another Muster server uses this PostgreSQL database.");
                await Task.Delay(Retry, time);
            }

            hold.isHeld = true;
        }
        catch (Exception e) when (e is not DatabaseHeldException && database.IsAway(e))
        {
            await hold.DisposeAsync();
            throw new DatabaseAwayException("PostgreSQL cannot be reached.", e);
        }
        catch
        {
            await hold.DisposeAsync();
            throw;
        }

        database.Hold = hold;
        return hold;
    }

    /// <summary>
    /// Ends the writing of whoever was the server before: waits for transactions under way, and has later ones fail. Does
    /// nothing in a database without a schema.
    /// </summary>
    public async Task FenceAsync(CancellationToken cancellation = default)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(cancellation);
        await using (var exists = connection.Statement("SELECT to_regclass('setting') IS NOT NULL"))
        {
            if (await exists.ExecuteScalarAsync(cancellation) is not true)
                return;
        }

        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await using var wait = connection.Statement("SELECT pg_advisory_xact_lock(@p0)", FenceLock);
        wait.CommandTimeout = 30;
        await wait.ExecuteNonQueryAsync(cancellation);
        await using var write = connection.Statement("INSERT INTO setting (name, value) VALUES (@p0, @p1) ON CONFLICT (name) DO UPDATE SET value = excluded.value", Fence, life);
        await write.ExecuteNonQueryAsync(cancellation);
        await transaction.CommitAsync(cancellation);
        isFenced = true;
    }

    /// <summary>Watches the session until cancelled, and takes the lock again when it was lost.</summary>
    /// <param name="changed">Told each time that the hold is lost (false) or had again (true).</param>
    /// <exception cref="DatabaseHeldException">Another server has taken over: this one has to end.</exception>
    public async Task WatchAsync(Action<bool> changed, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(Pulse, time);
        while (await timer.WaitForNextTickAsync(cancellation))
        {
            try
            {
                if (isHeld)
                {
                    await using var ask = session!.Statement("SELECT 1");
                    await ask.ExecuteScalarAsync(cancellation);
                }
                else if (await RegainAsync(cancellation))
                {
                    isHeld = true;
                    changed(true);
                }
            }
            catch (Exception e) when (e is NpgsqlException or InvalidOperationException or TimeoutException or IOException or System.Net.Sockets.SocketException)
            {
                await LetGoAsync();
                if (isHeld)
                {
                    isHeld = false;
                    changed(false);
                }
            }
        }
    }

    /// <summary>Inside a write transaction: holds off a new server until it ends.</summary>
    /// <exception cref="DatabaseAwayException">This process may not write (any more).</exception>
    internal async Task CheckAsync(NpgsqlConnection connection, NpgsqlTransaction transaction)
    {
        if (!isFenced)
            return;
        // Two statements, so that the second sees what was committed before the lock was had; sent together.
        await using var batch = new NpgsqlBatch(connection, transaction);
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT pg_try_advisory_xact_lock_shared($1)") { Parameters = { new NpgsqlParameter<long> { TypedValue = FenceLock } } });
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT value FROM setting WHERE name = $1") { Parameters = { new NpgsqlParameter<string> { TypedValue = Fence } } });
        await using var reader = await batch.ExecuteReaderAsync();
        var free = await reader.ReadAsync() && reader.GetBoolean(0);
        await reader.NextResultAsync();
        if (!free || !await reader.ReadAsync() || reader.GetString(0) != life)
            throw new DatabaseAwayException("Another server has taken over the database.");
    }

    public async ValueTask DisposeAsync()
    {
        isHeld = false;
        await LetGoAsync();
    }

    private async Task<bool> TryAsync(CancellationToken cancellation)
    {
        session ??= await OpenAsync(cancellation);
        await using var take = session.Statement("SELECT pg_try_advisory_lock(@p0)", ServerLock);
        return await take.ExecuteScalarAsync(cancellation) is true;
    }

    private async Task<bool> RegainAsync(CancellationToken cancellation)
    {
        var isTaken = await TryAsync(cancellation);
        await using var read = session!.Statement("SELECT value FROM setting WHERE name = @p0", Fence);
        if (await read.ExecuteScalarAsync(cancellation) as string != life)
        {
            await LetGoAsync();
            throw new DatabaseHeldException("Another Muster server has taken over the PostgreSQL database.");
        }

        if (!isTaken && former is var (process, began))
        {
            // A session of ours whose connection broke off may live on at the other end, and with it the lock.
            await using var end = session!.Statement("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = @p0 AND backend_start = @p1", process, began);
            await end.ExecuteNonQueryAsync(cancellation);
        }

        if (isTaken)
            former = await IdentityAsync(session!, cancellation);
        return isTaken;
    }

    private async Task<NpgsqlConnection> OpenAsync(CancellationToken cancellation)
    {
        var connection = new NpgsqlConnection(connectionString);
        try
        {
            await connection.OpenAsync(cancellation);
            // The other end notices within half a minute when this machine is gone, and frees the lock.
            await using var keepalive = connection.Statement("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3");
            await keepalive.ExecuteNonQueryAsync(cancellation);
            former ??= await IdentityAsync(connection, cancellation);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private static async Task<(int, DateTime)?> IdentityAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var ask = connection.Statement("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()");
        await using var reader = await ask.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? (reader.GetInt32(0), reader.GetDateTime(1)) : null;
    }

    private async Task LetGoAsync()
    {
        if (session is { } lost)
        {
            session = null;
            await lost.DisposeAsync();
        }
    }
}

/// <summary>Another server has the database. The message is one sentence for the operator.</summary>
public sealed class DatabaseHeldException(string message) : Exception(message);
