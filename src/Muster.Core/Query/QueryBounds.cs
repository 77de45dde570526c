namespace Muster.Core.Query;

/// <summary>Bounds of one query (docs/design.md, promise 9). The widest query a known client sends is far inside.</summary>
public static class QueryBounds
{
    /// <summary>Characters of path and query together.</summary>
    public const int Length = 64 * 1024;

    /// <summary>Parentheses, negations, lambdas and expands inside each other.</summary>
    public const int Depth = 24;

    /// <summary>Expressions, selected names, expands and orders together.</summary>
    public const int Nodes = 4000;

    /// <summary>Expands inside each other. Clients embed four deep.</summary>
    public const int ExpandDepth = 5;

    /// <summary>Collections inside each other: devices of a fleet, with what they run, is two.</summary>
    public const int CollectionDepth = 3;

    /// <summary>Expands of one query, at all levels.</summary>
    public const int Expands = 40;

    /// <summary>Rows embedded in one answer.</summary>
    public const int EmbeddedRows = 250_000;

    /// <summary>Bytes embedded in one row, which the database holds in memory as one.</summary>
    public const long BytesOfRow = 64L * 1024 * 1024;

    /// <summary>Bytes embedded in one answer.</summary>
    public const long EmbeddedBytes = 256L * 1024 * 1024;
}
