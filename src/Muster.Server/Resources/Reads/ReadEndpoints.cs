using System.Buffers;
using System.Data.Common;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Mvc;
using Muster.Core.Access;
using Muster.Core.Query;
using Muster.Server.Devices.Registration;
using Muster.Server.Presence;
using Muster.Storage;
using Muster.Storage.Resources;

namespace Muster.Server.Resources.Reads;

/// <summary>GET of the resource API: <c>/v7/device?…</c>, <c>/v7/device(1)</c>, <c>/v7/device/$count</c>, and the same under /v6.</summary>
internal static class ReadEndpoints
{
    /// <summary>Bytes after which an answer is broken off. A hundred thousand whole devices are a third of it.</summary>
    private const long LongestAnswer = 1024L * 1024 * 1024;

    public static void MapReads(this IEndpointRouteBuilder routes)
    {
        foreach (var model in new[] { ResourceModel.Version7, ResourceModel.Version6 })
            routes.MapGet($"/{model.Version}/{{**resource}}", (HttpContext context, Callers callers, KeyExchange exchange, Database database, QueryAllowance allowance, [FromServices] FleetPresence presence, TimeProvider time) => ReadAsync(context, model, callers, exchange, database, allowance, presence, time));
        routes.MapGet("/muster/v1/release-assets/{id:long}", ReleaseAssetAsync);
    }

    private static async Task<IResult> ReadAsync(HttpContext context, ResourceModel model, Callers callers, KeyExchange exchange, Database database, QueryAllowance allowance, FleetPresence presence, TimeProvider time)
    {
        var request = ResourceRequest.Of(context, model);
        if (request.Query.Action is not null)
            throw RefusedException.Invalid($"Malformed url: '{request.Target}'");
        var caller = await callers.OfAsync(context);
        if (KeyExchange.IsProvisioning(caller) && KeyExchange.Uuid(request.Query) is { } uuid)
            return Answers.Json(await exchange.FindAsync(caller, uuid, context.RequestAborted) is { } device ? string.Create(CultureInfo.InvariantCulture, $$"""{"d":[{"id":{{device}}}]}""") : """{"d":[]}""");
        if (model.Resource(request.Query.Resource) is null)
            throw RefusedException.Unknown(caller, request.Query.Resource);
        var compiler = Compiler(model, database, caller, time, $"{context.Request.Scheme}://{context.Request.Host}");
        var statement = request.Query.IsCount ? compiler.Count(request.Query) : compiler.Rows(request.Query);
        var cost = request.Query.IsCount ? null : compiler.Cost(request.Query);
        var payer = QueryAllowance.Payer(caller, context);
        if (allowance.Wait(payer, caller) is { } wait)
        {
            context.Response.Headers.RetryAfter = ((int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
            throw new RefusedException(StatusCodes.Status429TooManyRequests, "Your queries have kept the database busy for too long. Narrow them down, and try again later.");
        }

        if (statement.ReadsContacts)
            await presence.RecordContactsAsync(context.RequestAborted);
        var (begun, isLooking) = (time.GetTimestamp(), true);
        using var timeout = new CancellationTokenSource(QueryAllowance.Longest(caller), time);
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, timeout.Token);
        await using var connection = await database.OpenReadAsync(context.RequestAborted);
        using var breakOff = database.BreakOffWhen(connection, ends.Token);
        await using var command = statement.On(connection);
        using var answer = new JsonAnswer(context);
        try
        {
            if (cost is not null)
                await CheckCostAsync(connection, cost, ends.Token);
            if (request.Query.IsCount)
            {
                var count = Convert.ToInt64(await command.ExecuteScalarAsync(ends.Token), CultureInfo.InvariantCulture);
                answer.Body.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $$"""{"d":{{count}}}""")));
                await answer.CompleteAsync(ends.Token);
                return Results.Empty;
            }

            await using var rows = await command.ExecuteReaderAsync(ends.Token);
            // Until here an error is still an answer; from here on rows go out as they come, whatever their number.
            var more = await rows.ReadAsync(ends.Token);
            // Looking is bounded; how long a slow reader takes to fetch the rows is not.
            timeout.CancelAfter(Timeout.InfiniteTimeSpan);
            isLooking = false;
            allowance.Charge(payer, caller, time.GetElapsedTime(begun));
            await WriteRowsAsync(answer, rows, more, ends.Token);
            return Results.Empty;
        }
        catch (Exception e) when (e is DbException or OperationCanceledException && timeout.IsCancellationRequested && !context.Response.HasStarted)
        {
            throw RefusedException.Invalid("The query takes too long. Narrow it down.");
        }
        finally
        {
            if (isLooking)
                allowance.Charge(payer, caller, time.GetElapsedTime(begun));
        }
    }

    /// <summary>Refuses what would embed more than one answer may, before any of it is built.</summary>
    private static async Task CheckCostAsync(DbConnection connection, SqlStatement cost, CancellationToken cancellation)
    {
        await using var command = cost.On(connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var (rows, bytes) = (0L, 0L);
        while (await reader.ReadAsync(cancellation))
        {
            if (await reader.IsDBNullAsync(0, cancellation))
                continue;
            rows += reader.GetInt64(0);
            bytes += reader.GetInt64(1);
            if (rows > QueryBounds.EmbeddedRows)
                throw RefusedException.Invalid(string.Create(CultureInfo.InvariantCulture, $"The expands would embed more than {QueryBounds.EmbeddedRows:N0} rows. Narrow them down with $filter or $top."));
            if (bytes > QueryBounds.EmbeddedBytes || reader.GetInt64(2) > QueryBounds.BytesOfRow)
                throw RefusedException.Invalid("The expands would embed too many bytes. Name the fields with $select, or narrow them down with $filter or $top.");
        }
    }

    private static async Task WriteRowsAsync(JsonAnswer answer, DbDataReader rows, bool more, CancellationToken cancellation)
    {
        var body = answer.Body;
        body.Write("{\"d\":["u8);
        var written = 0L;
        for (var first = true; more; first = false)
        {
            if (!first)
                body.Write(","u8);
            var row = rows.GetFieldValue<byte[]>(0);
            if ((written += row.Length) > LongestAnswer)
                throw new IOException("An answer is longer than answers may be. It was broken off.");
            body.Write(row);
            await answer.BetweenRowsAsync(cancellation);
            more = await rows.ReadAsync(cancellation);
        }

        body.Write("]}"u8);
        await answer.CompleteAsync(cancellation);
    }

    /// <summary>The file of a release asset; its <c>asset.href</c> leads here.</summary>
    private static async Task<IResult> ReleaseAssetAsync(long id, HttpContext context, Callers callers, Database database, TimeProvider time)
    {
        var compiler = Compiler(ResourceModel.Version7, database, await callers.OfAsync(context), time);
        var visible = compiler.Ids(new ResourceQuery("release_asset") { Key = new ResourceKey([new KeyPart(null, new Literal(id))]) });
        await using var connection = await database.OpenReadAsync(context.RequestAborted);
        await using var check = visible.On(connection);
        if (await check.ExecuteScalarAsync(context.RequestAborted) is null)
            return Answers.Empty(StatusCodes.Status404NotFound);
        await using var command = connection.Statement("SELECT content, filename FROM release_asset WHERE id = @p0 AND content IS NOT NULL", id);
        await using var row = await command.ExecuteReaderAsync(context.RequestAborted);
        if (!await row.ReadAsync(context.RequestAborted))
            return Answers.Empty(StatusCodes.Status404NotFound);
        // A file is what people uploaded: never shown as a page of ours.
        return Results.File(row.GetFieldValue<byte[]>(0), "application/octet-stream", await row.IsDBNullAsync(1) ? null : row.GetString(1));
    }

    private static QueryCompiler Compiler(ResourceModel model, Database database, Caller caller, TimeProvider time, string origin = "") =>
        new(model, database.Dialect, ReadScope.Of(caller), time.GetUtcNow().ToUnixTimeMilliseconds(), origin);
}
