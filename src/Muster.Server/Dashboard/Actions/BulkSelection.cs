namespace Muster.Server.Dashboard.Actions;

/// <summary>The devices that a bulk action is about: those that were ticked, or all that match a filter when the action begins.</summary>
/// <param name="Ids">Null when a filter says which.</param>
/// <param name="Filter">The value of <c>$filter</c> of a <c>device</c> query, escaped as in its URL; empty for all that the person sees.</param>
/// <param name="Count">How many there are, as the person was told.</param>
public sealed record BulkSelection(IReadOnlyList<long>? Ids, string? Filter, long Count)
{
    public static BulkSelection Of(IReadOnlyList<long> ids) => new(ids, null, ids.Count);

    public static BulkSelection Matching(string filter, long count) => new(null, filter, count);
}
