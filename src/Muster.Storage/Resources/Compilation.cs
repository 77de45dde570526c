using System.Collections.Immutable;
using System.Text;
using Muster.Core.Access;
using Muster.Core.Query;

namespace Muster.Storage.Resources;

/// <summary>What one statement is composed with. Identifiers come from the model only.</summary>
internal sealed partial class Compilation
{
    private readonly ResourceModel model;
    private readonly SqlDialect dialect;
    private readonly long now;
    private readonly string origin;
    private readonly Sight sight;

    /// <summary>How many computations were compiled whose outcome depends on a row and that can fail.</summary>
    private int computations;

    public Compilation(ResourceModel model, SqlDialect dialect, ReadScope scope, long now, string origin)
    {
        this.model = model;
        this.dialect = dialect;
        this.now = now;
        this.origin = origin;
        sight = new Sight(model, scope, Parts);
    }

    public SqlParts Parts { get; } = new();

    public Resource Resource(string name) => model.Resource(name) ?? throw QueryRefusedException.NotPermitted(name);

    /// <summary>A row of the resource, under a new alias.</summary>
    public Source NewSource(Resource resource) => new(resource, Parts.Alias());

    /// <summary>Everything that a row of the query must meet: visible, its key, its filter.</summary>
    public string Where(Source root, ResourceQuery query) => Where(root, query, sight.Condition(root.Resource, root.Alias));

    /// <summary>The same for the rows that a write names.</summary>
    public string WhereNamed(Source root, ResourceQuery query) => Where(root, query, sight.Named(root.Resource, root.Alias));

    private string Where(Source root, ResourceQuery query, string? visible)
    {
        var conditions = new List<string>();
        if (query.Key is { } key)
            conditions.Add(KeyIs(root, key));
        if (query.Options.Filter is { } filter)
            conditions.Add(Filter(filter, new Names(root), visible));
        if (visible is not null)
            conditions.Add(visible);
        // A list of keys is one's own; the keys of a fleet or a device are found by naming their actor.
        if (root.Resource.Visibility.Anchor == Anchor.ActorKey && query.Key is null && !(query.Options.Filter is { } asked && asked.Names("is_of__actor")))
            conditions.Add(sight.OwnKeys(root.Alias));
        return conditions.Count == 0 ? "" : $" WHERE {string.Join(" AND ", conditions)}";
    }

    /// <summary>
    /// A filter over rows that the caller sees under this condition. Databases choose the order in which they judge
    /// conditions, so that a computation which can fail would tell of other rows by failing: it waits for the condition.
    /// </summary>
    private string Filter(Expression filter, Names names, string? visible)
    {
        var before = computations;
        var condition = Condition(filter, names);
        return visible is null || computations == before ? condition : $"(CASE WHEN {visible} THEN {condition} ELSE (1 = 0) END)";
    }

    /// <summary>ORDER BY, LIMIT and OFFSET; the id comes last, so that pages neither repeat nor lose a row.</summary>
    public string Arrange(Source source, QueryOptions options, bool single = false)
    {
        if (single && options is { OrderBy.Length: 0, Top: null, Skip: null })
            return "";
        var orders = new List<string>();
        var descending = false;
        foreach (var order in options.OrderBy)
        {
            var by = Value(order.By, new Names(source));
            descending = order.Descending;
            orders.Add(by.Sql + (descending ? " DESC" : "") + (by.IsNullable ? " " + dialect.NullsOrder(descending) : ""));
        }

        if (orders.Count == 0 && source.Resource is { Order: { } usual } resource)
            orders.Add(resource.Field(usual)!.Of(source.Alias));
        orders.Add(source.Alias + ".id" + (descending ? " DESC" : ""));
        var text = new StringBuilder(" ORDER BY ").AppendJoin(", ", orders);
        if (options.Top is not null || options.Skip is not null)
            text.Append(" LIMIT ").Append(Parts.Parameter(options.Top ?? long.MaxValue));
        if (options.Skip is { } skip)
            text.Append(" OFFSET ").Append(Parts.Parameter(skip));
        return text.ToString();
    }

    private string KeyIs(Source root, ResourceKey key)
    {
        if (key.Parts is [{ Name: null } id])
            return EqualTo(FieldOperand(root, root.Resource.Fields[0]), id.Value);
        var fields = key.Parts.Select(p => (Field: Field(root, p.Name!), p.Value)).ToList();
        var names = fields.Select(f => f.Field.Name).ToHashSet(StringComparer.Ordinal);
        if (!names.SetEquals(["id"]) && !root.Resource.Keys.Any(k => names.SetEquals(k.Fields)))
            throw QueryRefusedException.Invalid($"'{string.Join(", ", names)}' is no key of '{root.Resource.Name}'.");
        return string.Join(" AND ", fields.Select(f => EqualTo(FieldOperand(root, f.Field), f.Value)));
    }

    private Field Field(Source source, string name)
    {
        var field = model.FieldOrSynonym(source.Resource, name) ?? throw QueryRefusedException.Invalid($"'{source.Resource.Name}' has no property '{name}'.");
        return sight.May(source.Resource, field) ? field : throw QueryRefusedException.NotPermitted(source.Resource.Name);
    }

    /// <summary>A field's value for a row; a secret only for who may read it.</summary>
    private string Sql(Field field, string alias)
    {
        var sql = field.Of(alias);
        if (sql.Contains("{q}", StringComparison.Ordinal))
            sql = sql.Replace("{q}", dialect.JsonQuote.Before, StringComparison.Ordinal).Replace("{/q}", dialect.JsonQuote.After, StringComparison.Ordinal);
        if (sql.Contains("{now}", StringComparison.Ordinal))
            sql = sql.Replace("{now}", Parts.Parameter(now), StringComparison.Ordinal);
        if (sql.Contains("{origin}", StringComparison.Ordinal))
            sql = sql.Replace("{origin}", $"CAST({Parts.Parameter(origin)} AS TEXT)", StringComparison.Ordinal);
        return field.IsSecret ? sight.Secret(sql, alias) : sql;
    }

    /// <summary>From a row along a navigation: the next row, and the condition that joins and shows it.</summary>
    private (Source Next, string Condition) Follow(Source from, Navigation way)
    {
        var next = NewSource(Resource(way.Target));
        var join = way.Join.Replace("{from}", from.Alias, StringComparison.Ordinal).Replace("{to}", next.Alias, StringComparison.Ordinal);
        if (join.Contains("{me}", StringComparison.Ordinal))
            join = join.Replace("{me}", sight.Account, StringComparison.Ordinal).Replace("{mine}", sight.Organizations, StringComparison.Ordinal);
        if (!way.KeepsSight && sight.Condition(next.Resource, next.Alias) is { } visible)
            join += " AND " + visible;
        return (next, join);
    }

    private Navigation Way(Source from, string name)
    {
        var way = model.Way(from.Resource, name) ?? throw QueryRefusedException.Invalid($"'{from.Resource.Name}' has no navigation '{name}'.");
        return sight.MayLeave(from.Resource) ? way : throw QueryRefusedException.NotPermitted(from.Resource.Name);
    }

    /// <summary>What names mean inside a filter: the row itself, and the variables of the lambdas around.</summary>
    private sealed record Names(Source Row)
    {
        private ImmutableDictionary<string, Source> Variables { get; init; } = ImmutableDictionary<string, Source>.Empty;

        public Names With(string variable, Source source) => this with { Variables = Variables.SetItem(variable, source) };

        /// <summary>The row a path starts from, and the parts that are left.</summary>
        public (Source From, ImmutableArray<string> Left) Start(Core.Query.Path path) =>
            path.Parts is [var first, .. { Length: > 0 } rest] && Variables.TryGetValue(first, out var source) ? (source, rest)
            : path.Parts is ["$it", .. { Length: > 0 } self] ? (Row, self)
            : (Row, path.Parts);
    }
}
