namespace Muster.Core.Query;

/// <summary>Bounds of one query (DESIGN.md, promise 9). The widest query a known client sends is far inside.</summary>
public static class QueryBounds
{
    /// <summary>Characters of path and query together.</summary>
    public const int Length = 64 * 1024;

    /// <summary>Parentheses, negations, lambdas and expands inside each other.</summary>
    public const int Depth = 24;

    /// <summary>Expressions, selected names, expands and orders together.</summary>
    public const int Nodes = 4000;
}
