using System.Data.Common;
using Muster.Core.Access;
using Muster.Storage;
using Muster.Storage.Resources;

namespace Muster.Server.Resources.Writes;

/// <summary>One write request inside its transaction: who asks for what, and what follows from it.</summary>
internal sealed class Write(WriteScope scope, ResourceModel model, Resource resource, Caller caller, RequestBody body, long now)
{
    public WriteScope Scope { get; } = scope;

    public ResourceModel Model { get; } = model;

    public Resource Resource { get; } = resource;

    public Caller Caller { get; } = caller;

    public RequestBody Body { get; } = body;

    /// <summary>The instant of the request, Unix ms.</summary>
    public long Now { get; } = now;

    /// <summary>Secrets of a new row, by field: shown once, in the answer that made it.</summary>
    public Dictionary<string, string> ShownOnce { get; } = [];

    /// <summary>What others are told after the commit.</summary>
    public Consequences After { get; } = new();

    public async Task<int> DoAsync(string sql, params object?[] parameters)
    {
        await using var command = Scope.Command(sql, parameters);
        return await command.ExecuteNonQueryAsync();
    }

    /// <summary>All rows of a query.</summary>
    public async Task<List<T>> RowsAsync<T>(string sql, Func<DbDataReader, T> read, params object?[] parameters)
    {
        await using var command = Scope.Command(sql, parameters);
        await using var reader = await command.ExecuteReaderAsync();
        List<T> rows = [];
        while (await reader.ReadAsync())
            rows.Add(read(reader));
        return rows;
    }

    /// <summary>The first column of all rows, as ids.</summary>
    public Task<List<long>> IdsAsync(string sql, params object?[] parameters) => RowsAsync(sql, r => r.GetInt64(0), parameters);

    /// <summary>The first column of the first row; null when there is none or it is null.</summary>
    public async Task<long?> NumberAsync(string sql, params object?[] parameters)
    {
        await using var command = Scope.Command(sql, parameters);
        return await command.ExecuteScalarAsync() is { } value and not DBNull ? Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture) : null;
    }

    public async Task<string?> TextAsync(string sql, params object?[] parameters)
    {
        await using var command = Scope.Command(sql, parameters);
        return await command.ExecuteScalarAsync() as string;
    }

    /// <summary>The same statement over many ids, in pieces; <c>{ids}</c> stands for the list. Returns all rows.</summary>
    public async Task<List<T>> RowsOfAsync<T>(IReadOnlyCollection<long> ids, string sql, Func<DbDataReader, T> read)
    {
        List<T> rows = [];
        foreach (var piece in ids.Chunk(2000))
            rows.AddRange(await RowsAsync(sql.Replace("{ids}", string.Join(',', piece), StringComparison.Ordinal), read));
        return rows;
    }

    /// <summary>The same statement over many ids, in pieces; <c>{ids}</c> stands for the list.</summary>
    public async Task DoForAsync(IReadOnlyCollection<long> ids, string sql, params object?[] parameters)
    {
        foreach (var piece in ids.Chunk(2000))
            await DoAsync(sql.Replace("{ids}", string.Join(',', piece), StringComparison.Ordinal), parameters);
    }
}
