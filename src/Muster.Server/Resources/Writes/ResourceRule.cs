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
}
