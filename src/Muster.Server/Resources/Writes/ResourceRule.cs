using Muster.Core.Access;
using Muster.Storage.Resources;

namespace Muster.Server.Resources.Writes;

/// <summary>
/// What a resource asks for beyond its description. Each step runs inside the request's transaction; to refuse, throw
/// <see cref="RefusedException"/>: everything is rolled back. This base is the rule of resources that ask for nothing.
/// </summary>
internal class ResourceRule
{
    public static readonly ResourceRule None = new();

    /// <summary>Before a row is inserted: check, complete.</summary>
    public virtual Task CreatingAsync(Write write, RowValues row) => Task.CompletedTask;

    public virtual Task CreatedAsync(Write write, RowValues row, long id) => Task.CompletedTask;

    /// <summary>Before rows are updated: check, complete, or take fields out to handle them here.</summary>
    public virtual Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids) => Task.CompletedTask;

    public virtual Task ChangedAsync(Write write, RowValues row, IReadOnlyList<long> ids) => Task.CompletedTask;

    /// <summary>Before rows are deleted, with what hangs on them.</summary>
    public virtual Task RemovingAsync(Write write, IReadOnlyList<long> ids) => Task.CompletedTask;

    public virtual Task RemovedAsync(Write write, IReadOnlyList<long> ids) => Task.CompletedTask;

    /// <summary>No row answers to what was asked for.</summary>
    public virtual void NothingToRemove()
    {
    }

    /// <summary>After a write: no owner of these rows may have more of them, or more text in them, than it may.</summary>
    protected static async Task BoundAsync(Write write, IReadOnlyList<long> ids, int most = OwnerBounds.MostEntries)
    {
        var resource = write.Resource;
        var owner = resource.Fields.First(field => field is { Type: FieldType.Reference, Column: not null }).Column;
        var owners = await write.RowsOfAsync(ids, $"SELECT DISTINCT {owner} FROM {resource.Table} WHERE id IN ({{ids}})", r => r.GetInt64(0));
        foreach (var id in owners.Distinct().Order())
            await write.Scope.TakeTurnAsync(resource.Table, id);
        var (size, characters) = resource.Field("value") is null ? ("0", "") : ("sum(length(value))", $", with {OwnerBounds.MostCharacters} characters in their values");
        var over = await write.RowsOfAsync(owners,
            $"SELECT 1 FROM {resource.Table} WHERE {owner} IN ({{ids}}) GROUP BY {owner} HAVING count(*) > {most} OR {size} > {OwnerBounds.MostCharacters}",
            r => r.GetInt32(0));
        if (over.Count > 0)
            throw RefusedException.Invalid($"There can be at most {most} of {resource.Name} with one owner{characters}.");
    }
}
