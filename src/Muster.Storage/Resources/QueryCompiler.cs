using Muster.Core.Access;
using Muster.Core.Query;

namespace Muster.Storage.Resources;

/// <summary>
/// A parsed query, bound to the model and to what the caller may see → one parameterized statement. There is no other way
/// from a query to the database, for reads and for the rows that a write concerns.
/// </summary>
/// <param name="now">Unix ms, for <c>now()</c>.</param>
/// <param name="origin">Scheme and host that links in answers start with.</param>
public sealed class QueryCompiler(ResourceModel model, SqlDialect dialect, ReadScope scope, long now, string origin = "")
{
    /// <summary>A statement whose rows are JSON objects, one column each.</summary>
    /// <exception cref="QueryRefusedException">It cannot be answered.</exception>
    public SqlStatement Rows(ResourceQuery query)
    {
        var compilation = new Compilation(model, dialect, scope, now, origin);
        var root = compilation.NewSource(compilation.Resource(query.Resource));
        var where = compilation.Where(root, query);
        var arranged = compilation.Arrange(root, query.Options, single: query.Key is not null);
        var rows = $"{root.Resource.Table} {root.Alias}{where}{arranged}";
        // A page is cut first; only its rows are written as JSON.
        if (query.Options.Top is not null || query.Options.Skip is not null)
            rows = $"(SELECT {root.Alias}.* FROM {rows}) {root.Alias}";
        return compilation.Parts.Statement($"SELECT {compilation.Json(root, query.Options)} FROM {rows}");
    }

    /// <summary>
    /// A statement that tells beforehand what the expands of <see cref="Rows"/> embed: for each the number of rows, their bytes,
    /// and the most bytes in one row of the answer; null when they embed next to nothing.
    /// </summary>
    /// <exception cref="QueryRefusedException">It cannot be answered.</exception>
    public SqlStatement? Cost(ResourceQuery query)
    {
        if (query.Options.Expand.IsEmpty)
            return null;
        var compilation = new Compilation(model, dialect, scope, now, origin);
        var root = compilation.NewSource(compilation.Resource(query.Resource));
        compilation.CheckExpands(root.Resource, query.Options);
        return compilation.Cost(root, query) is { } cost ? compilation.Parts.Statement(cost) : null;
    }

    /// <summary>A statement that answers with one number.</summary>
    /// <exception cref="QueryRefusedException">It cannot be answered.</exception>
    public SqlStatement Count(ResourceQuery query)
    {
        var compilation = new Compilation(model, dialect, scope, now, origin);
        var resource = compilation.Resource(query.Resource);
        if (resource.Name == "device" && query.Key is null && compilation.DeviceCount(query.Options.Filter) is { } kept)
            return compilation.Parts.Statement(kept);
        var root = compilation.NewSource(resource);
        return compilation.Parts.Statement($"SELECT count(*) FROM {resource.Table} {root.Alias}{compilation.Where(root, query)}");
    }

    /// <summary>A statement whose rows are the ids of what the key and the filter name, in ascending order.</summary>
    /// <exception cref="QueryRefusedException">It cannot be answered.</exception>
    public SqlStatement Ids(ResourceQuery query) => Ids(query, (compilation, root) => compilation.Where(root, query));

    /// <summary>The same for a write, whose caller may name rows that it does not read: a provisioning key its fleet's devices.</summary>
    /// <exception cref="QueryRefusedException">It cannot be answered.</exception>
    public SqlStatement Named(ResourceQuery query) => Ids(query, (compilation, root) => compilation.WhereNamed(root, query));

    private SqlStatement Ids(ResourceQuery query, Func<Compilation, Source, string> where)
    {
        var compilation = new Compilation(model, dialect, scope, now, origin);
        var root = compilation.NewSource(compilation.Resource(query.Resource));
        return compilation.Parts.Statement($"SELECT {root.Alias}.id FROM {root.Resource.Table} {root.Alias}{where(compilation, root)} ORDER BY {root.Alias}.id");
    }
}
