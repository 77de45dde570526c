using System.Globalization;
using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Core.Query;
using Muster.Storage;
using Muster.Storage.Resources;

namespace Muster.Tests.Storage.Resources;

/// <summary>Asks a database by URL, as the endpoint does.</summary>
internal static class Asked
{
    public const long Now = 1_795_382_162_000;

    /// <summary>The rows that <c>/v7/…</c> gives to a caller with this scope.</summary>
    public static async Task<JsonArray> AskAsync(this Database database, string url, ReadScope? scope = null)
    {
        var (model, query) = Parse(url);
        var statement = new QueryCompiler(model, database.Dialect, scope ?? ReadScope.Everything, Now).Rows(query);
        await using var connection = await database.OpenReadAsync();
        await using var command = statement.On(connection);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new JsonArray();
        while (await reader.ReadAsync())
            rows.Add(JsonNode.Parse(reader.GetFieldValue<byte[]>(0)));
        return rows;
    }

    public static async Task<string> AskTextAsync(this Database database, string url, ReadScope? scope = null) =>
        (await database.AskAsync(url, scope)).ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }).Replace('"', '\'');

    public static async Task<long> CountAsync(this Database database, string url, ReadScope? scope = null)
    {
        var (model, query) = Parse(url);
        var statement = new QueryCompiler(model, database.Dialect, scope ?? ReadScope.Everything, Now).Count(query);
        await using var connection = await database.OpenReadAsync();
        await using var command = statement.On(connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
    }

    public static async Task<List<long>> IdsAsync(this Database database, string url, ReadScope? scope = null)
    {
        var (model, query) = Parse(url);
        var statement = new QueryCompiler(model, database.Dialect, scope ?? ReadScope.Everything, Now).Ids(query);
        await using var connection = await database.OpenReadAsync();
        await using var command = statement.On(connection);
        await using var reader = await command.ExecuteReaderAsync();
        var ids = new List<long>();
        while (await reader.ReadAsync())
            ids.Add(reader.GetInt64(0));
        return ids;
    }

    public static (ResourceModel Model, ResourceQuery Query) Parse(string url)
    {
        var question = url.IndexOf('?', StringComparison.Ordinal);
        var path = question < 0 ? url : url[..question];
        return (path.StartsWith("/v6/", StringComparison.Ordinal) ? ResourceModel.Version6 : ResourceModel.Version7,
            QueryParser.Parse(path[4..], question < 0 ? "" : url[(question + 1)..]));
    }
}
