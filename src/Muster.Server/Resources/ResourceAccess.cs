using System.Buffers;
using System.Data.Common;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Core.Query;
using Muster.Server.Presence;
using Muster.Server.Resources.Writes;
using Muster.Storage;
using Muster.Storage.Resources;

namespace Muster.Server.Resources;

/// <summary>
/// The resource API for the pages of this server: the same dialect, rules, roles and consequences as over HTTP, without the
/// way over HTTP. A path is what stands after <c>/v7/</c>: <c>device?$filter=…</c>, <c>device(uuid='…')</c>; values in it are
/// escaped as in a URL (<see cref="Text"/>).
/// </summary>
public sealed class ResourceAccess
{
    /// <summary>How long one question of a page may keep the database busy.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(15);

    private readonly Database database;
    private readonly Writer writer;
    private readonly FleetPresence presence;
    private readonly TimeProvider time;

    internal ResourceAccess(Database database, Writer writer, FleetPresence presence, TimeProvider time)
    {
        this.database = database;
        this.writer = writer;
        this.presence = presence;
        this.time = time;
    }

    /// <summary>A string literal of the dialect, escaped for a path: <c>'it''s'</c>.</summary>
    public static string Text(string value) => Uri.EscapeDataString($"'{value.Replace("'", "''", StringComparison.Ordinal)}'");

    /// <summary>The rows that the caller may see.</summary>
    /// <exception cref="ResourceRefusedException">The path is not of the dialect, or the question takes too long.</exception>
    /// <exception cref="DatabaseAwayException">The database is away.</exception>
    public Task<List<JsonElement>> ReadAsync(Caller caller, string path, CancellationToken cancellation = default) =>
        BoundedAsync(
            async ends =>
            {
                List<JsonElement> rows = [];
                await foreach (var row in StreamAsync(caller, path, ends))
                    rows.Add(JsonElement.Parse(row.Span));
                return rows;
            },
            cancellation);

    /// <summary>The rows that the caller may see, each as JSON in UTF-8, while they are read.</summary>
    /// <exception cref="ResourceRefusedException">The path is not of the dialect.</exception>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> StreamAsync(Caller caller, string path, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation = default)
    {
        var statement = Refusing(() => Compiler(caller).Rows(Query(path)));
        if (statement.ReadsContacts)
            await presence.RecordContactsAsync(cancellation);
        await using var connection = await database.OpenReadAsync(cancellation);
        using var breakOff = database.BreakOffWhen(connection, cancellation);
        await using var command = statement.On(connection);
        await using var rows = await command.ExecuteReaderAsync(cancellation);
        while (await rows.ReadAsync(cancellation))
            yield return rows.GetFieldValue<byte[]>(0);
    }

    /// <summary>How many rows of <paramref name="path"/> the caller may see.</summary>
    /// <param name="path">With <c>$count</c>: <c>device/$count?$filter=…</c>.</param>
    /// <exception cref="ResourceRefusedException">The path is not of the dialect, or the question takes too long.</exception>
    public Task<long> CountAsync(Caller caller, string path, CancellationToken cancellation = default)
    {
        var statement = Refusing(() => Compiler(caller).Count(Query(path)));
        return BoundedAsync(
            async ends =>
            {
                if (statement.ReadsContacts)
                    await presence.RecordContactsAsync(ends);
                await using var connection = await database.OpenReadAsync(ends);
                using var breakOff = database.BreakOffWhen(connection, ends);
                await using var command = statement.On(connection);
                return Convert.ToInt64(await command.ExecuteScalarAsync(ends), CultureInfo.InvariantCulture);
            },
            cancellation);
    }

    /// <summary>POST: a new row, as a read would show it.</summary>
    /// <exception cref="ResourceRefusedException">Nothing was written; the message says why.</exception>
    public Task<JsonElement> CreateAsync(Caller caller, string resource, JsonObject fields) =>
        RefusingAsync(async () => JsonElement.Parse((await writer.CreateAsync(Request(caller, resource, fields, Act.Create))).Json));

    /// <summary>PATCH: changes every row that the path names and the caller may change. None at all is no error.</summary>
    /// <exception cref="ResourceRefusedException">Nothing was written; the message says why.</exception>
    public Task ChangeAsync(Caller caller, string path, JsonObject fields, CancellationToken cancellation = default) =>
        RefusingAsync(async () =>
        {
            await writer.ChangeAsync(Request(caller, path, fields, Act.Change), cancellation);
            return true;
        });

    /// <summary>PUT: the row with this natural key, changed when it is there and made when it is not.</summary>
    /// <exception cref="ResourceRefusedException">Nothing was written; the message says why.</exception>
    public Task PutAsync(Caller caller, string path, JsonObject fields) =>
        RefusingAsync(() => writer.PutAsync(Request(caller, path, fields, Act.Change)));

    /// <summary>DELETE: every row that the path names and the caller may delete, with all that hangs on it.</summary>
    /// <exception cref="ResourceRefusedException">Nothing was written; the message says why.</exception>
    public Task RemoveAsync(Caller caller, string path) =>
        RefusingAsync(async () =>
        {
            await writer.RemoveAsync(Request(caller, path, [], Act.Delete));
            return true;
        });

    private async Task<T> BoundedAsync<T>(Func<CancellationToken, Task<T>> question, CancellationToken cancellation)
    {
        using var timeout = new CancellationTokenSource(Longest, time);
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancellation, timeout.Token);
        try
        {
            return await question(ends.Token);
        }
        catch (Exception e) when (timeout.IsCancellationRequested && !cancellation.IsCancellationRequested && e is (DbException or OperationCanceledException))
        {
            throw new ResourceRefusedException("The question takes too long. Narrow it down.");
        }
        catch (Exception e) when (database.IsAway(e))
        {
            throw new DatabaseAwayException("The database broke off.", e);
        }
    }

    private QueryCompiler Compiler(Caller caller) =>
        new(ResourceModel.Version7, database.Dialect, ReadScope.Of(caller), time.GetUtcNow().ToUnixTimeMilliseconds());

    private static ResourceQuery Query(string path)
    {
        var question = path.IndexOf('?', StringComparison.Ordinal);
        return QueryParser.Parse(question < 0 ? path : path[..question], question < 0 ? "" : path[(question + 1)..]);
    }

    private static WriteRequest Request(Caller caller, string path, JsonObject fields, Act act)
    {
        var query = Query(path);
        var resource = ResourceModel.Version7.Resource(query.Resource) ?? throw RefusedException.NotPermitted();
        if (!AccessRule.AllowsSomewhere(caller, resource.Name, act, []))
            throw RefusedException.NotPermitted();
        return new(ResourceModel.Version7, resource, query, caller, RequestBody.Of(fields));
    }

    private static T Refusing<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is RefusedException or QueryRefusedException or QuerySyntaxException)
        {
            throw Refused(e);
        }
    }

    private static async Task<T> RefusingAsync<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (Exception e) when (e is RefusedException or QueryRefusedException or QuerySyntaxException)
        {
            throw Refused(e);
        }
    }

    private static ResourceRefusedException Refused(Exception e) => new(e switch
    {
        RefusedException { Status: StatusCodes.Status401Unauthorized } => "Your role does not allow this.",
        RefusedException { Sentence: { } sentence } => sentence,
        RefusedException => "The input was not accepted.",
        _ => e.Message,
    });
}

/// <summary>A question or a change of a page that was refused; the message is one sentence for the person who asked.</summary>
public sealed class ResourceRefusedException(string message) : Exception(message);
