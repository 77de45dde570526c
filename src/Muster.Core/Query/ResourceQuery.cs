using System.Collections.Immutable;

namespace Muster.Core.Query;

/// <summary>What a request of the resource API asks for: <c>/v7/device(uuid='…')?$select=…</c>, parsed and not yet bound to the model.</summary>
/// <param name="Resource">Name or synonym of a resource, as written.</param>
public sealed record ResourceQuery(string Resource)
{
    /// <summary>The key in parentheses; null for the collection.</summary>
    public ResourceKey? Key { get; init; }

    /// <summary><c>…/$count</c></summary>
    public bool IsCount { get; init; }

    /// <summary>What stands after the key: <c>canAccess</c> of <c>device(1)/canAccess</c>; else null.</summary>
    public string? Action { get; init; }

    public QueryOptions Options { get; init; } = QueryOptions.None;

    /// <summary>Options that are not the dialect's, such as <c>returnResource</c>; decoded.</summary>
    public ImmutableDictionary<string, string> Extras { get; init; } = ImmutableDictionary<string, string>.Empty;
}

/// <summary>An id, or an alternate key of one or more named parts in any order.</summary>
/// <param name="Parts">A single part without name is the id.</param>
public sealed record ResourceKey(ImmutableArray<KeyPart> Parts);

public readonly record struct KeyPart(string? Name, Literal Value);

/// <summary>Options of a query or of one expand.</summary>
public sealed record QueryOptions
{
    public static readonly QueryOptions None = new();

    /// <summary>Null: what a row shows by default.</summary>
    public ImmutableArray<string>? Select { get; init; }

    public Expression? Filter { get; init; }

    public ImmutableArray<Expand> Expand { get; init; } = [];

    public ImmutableArray<Order> OrderBy { get; init; } = [];

    public long? Top { get; init; }

    public long? Skip { get; init; }
}

/// <summary>Rows to embed under the name of a navigation; or only their number (<c>owns__device/$count</c>).</summary>
public sealed record Expand(string Name, bool IsCount, QueryOptions Options);

public readonly record struct Order(Expression By, bool Descending);

/// <summary>The text is not of the dialect, or beyond its bounds.</summary>
public sealed class QuerySyntaxException(string message, int position) : Exception(message)
{
    /// <summary>Where in the decoded part of the URL.</summary>
    public int Position { get; } = position;
}
