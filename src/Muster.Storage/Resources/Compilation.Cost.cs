using System.Collections.Immutable;
using System.Globalization;
using Muster.Core.Access;
using Muster.Core.Query;

namespace Muster.Storage.Resources;

// What an answer would cost, before it is built: by the query's form, and by the rows that its expands would embed.
internal sealed partial class Compilation
{
    /// <summary>A collection cut to so few rows needs no counting.</summary>
    private const long FewRows = 100;

    /// <summary>Texts longer than this are measured, not assumed.</summary>
    private const int ShortText = 1_000;

    private const int BytesOfField = 64;

    /// <exception cref="QueryRefusedException">The expands of the query go beyond what one answer may embed.</exception>
    public void CheckExpands(Resource root, QueryOptions options)
    {
        var expands = 0;
        Check(root, options, depth: 1, collections: 0);

        void Check(Resource resource, QueryOptions level, int depth, int collections)
        {
            foreach (var expand in level.Expand)
            {
                // An unknown name is refused in its own words.
                if (model.Way(resource, expand.Name) is not { } way)
                    continue;
                if (depth > 1 && sight.Kind == ReadScopeKind.Anonymous)
                    throw QueryRefusedException.Invalid("Log in to use an $expand inside an $expand.");
                if (++expands > QueryBounds.Expands)
                    throw QueryRefusedException.Invalid($"A query has at most {QueryBounds.Expands} expands.");
                if (depth > QueryBounds.ExpandDepth)
                    throw QueryRefusedException.Invalid($"Expands are at most {QueryBounds.ExpandDepth} deep.");
                var inside = collections + (way.IsCollection ? 1 : 0);
                if (inside > QueryBounds.CollectionDepth)
                    throw QueryRefusedException.Invalid($"At most {QueryBounds.CollectionDepth} collections are expanded inside each other.");
                Check(Resource(way.Target), expand.Options, depth + 1, inside);
            }
        }
    }

    /// <summary>
    /// A statement with one row for each expand that can embed any number of rows: how many, their bytes, and the most bytes
    /// in one row of the answer. Counting stops beyond the bound. Null when there is no such expand.
    /// </summary>
    public string? Cost(Source root, ResourceQuery query)
    {
        var parts = new List<string>();
        var rows = query.Options.Top is not null || query.Options.Skip is not null
            ? $"(SELECT {root.Alias}.* FROM {root.Resource.Table} {root.Alias}{Where(root, query)}{Arrange(root, query.Options, single: query.Key is not null)}) {root.Alias}"
            : null;
        var from = rows ?? $"{root.Resource.Table} {root.Alias}";
        var where = rows is null && Where(root, query) is { Length: > 0 } conditions ? conditions[" WHERE ".Length..] : "1 = 1";
        Add(root, query.Options, from, where, isMany: false);
        return parts.Count == 0 ? null : string.Join(" UNION ALL ", parts);

        void Add(Source at, QueryOptions options, string tables, string conditions, bool isMany)
        {
            foreach (var expand in options.Expand)
            {
                if (expand.IsCount)
                    continue;
                var way = Way(at, expand.Name);
                if (way.IsCollection && expand.Options.Top is <= FewRows)
                    continue;
                var (next, join) = Follow(at, way);
                if (expand.Options.Filter is { } filter)
                    join += " AND " + Filter(filter, new Names(next), join);
                var (allTables, all) = ($"{tables}, {next.Resource.Table} {next.Alias}", $"{conditions} AND {join}");
                if (isMany || way.IsCollection)
                {
                    parts.Add(string.Create(CultureInfo.InvariantCulture,
                        $"SELECT CAST(sum(q.n) AS BIGINT), CAST(sum(q.b) AS BIGINT), CAST(max(q.b) AS BIGINT) FROM (SELECT p.r, count(*) AS n, sum(p.w) AS b FROM (SELECT {root.Alias}.id AS r, {Width(next, expand.Options)} AS w FROM {allTables} WHERE {all} LIMIT {QueryBounds.EmbeddedRows + 1}) p GROUP BY p.r) q"));
                }

                Add(next, expand.Options, allTables, all, isMany || way.IsCollection);
            }
        }
    }

    /// <summary>About how many bytes a row shows, as SQL.</summary>
    private string Width(Source source, QueryOptions options)
    {
        ImmutableArray<Field> fields = [.. Selected(source, options)];
        var measured = fields.Where(f => f.Column is not null && f.Type is FieldType.Text or FieldType.Document && f.MaxLength is null or > ShortText)
            .Select(f => $" + coalesce(octet_length({f.Of(source.Alias)}), 0)");
        return string.Create(CultureInfo.InvariantCulture, $"{fields.Length * BytesOfField}") + string.Concat(measured);
    }
}
