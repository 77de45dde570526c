namespace Muster.Storage.Resources;

public enum QueryRefusal : byte
{
    /// <summary>The query names what does not exist, or compares what cannot be compared: 400.</summary>
    Invalid,
    /// <summary>No such resource, or one of which the caller may see nothing at all: 401, as clients know it.</summary>
    NotPermitted,
}

/// <summary>A query that parsed cannot be answered.</summary>
public sealed class QueryRefusedException(QueryRefusal refusal, string message) : Exception(message)
{
    public QueryRefusal Refusal { get; } = refusal;

    internal static QueryRefusedException Invalid(string message) => new(QueryRefusal.Invalid, message);

    internal static QueryRefusedException NotPermitted(string resource) => new(QueryRefusal.NotPermitted, $"'{resource}' cannot be read.");
}
