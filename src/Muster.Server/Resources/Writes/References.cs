using Muster.Core.Access;
using Muster.Core.Query;
using Muster.Storage.Resources;

namespace Muster.Server.Resources.Writes;

/// <summary>Rows that a body refers to by id: they must be there, and the caller must see them.</summary>
internal static class References
{
    /// <exception cref="RefusedException">There is no such row, or it is not for the caller: <see cref="Missing"/>.</exception>
    public static async Task CheckAsync(Write write, RowValues row)
    {
        foreach (var name in row.Given)
        {
            if (write.Resource.Field(name) is { Target: { } target, Column: { } column } && row.Number(column) is { } id)
                await CheckAsync(write, name, target, id);
        }
    }

    /// <param name="name">The field that refers to the row.</param>
    /// <param name="target">The resource it refers to.</param>
    /// <exception cref="RefusedException">There is no such row, or it is not for the caller: <see cref="Missing"/>.</exception>
    public static async Task CheckAsync(Write write, string name, string target, long id)
    {
        if (!await IsVisibleAsync(write, write.Model.Resource(target)!, id))
            throw Missing(write, name);
    }

    /// <summary>
    /// One answer for a row that is not there and for one that the caller may not see: 409 with the field's name to whoever
    /// sees everything, else 401.
    /// </summary>
    public static RefusedException Missing(Write write, string name) =>
        write.Caller.IsServerAdmin ? ConstraintErrors.Referenced(name) : RefusedException.NotPermitted();

    private static async Task<bool> IsVisibleAsync(Write write, Resource target, long id)
    {
        var query = new ResourceQuery(target.Name) { Key = new ResourceKey([new KeyPart(null, new Literal(id))]) };
        await using var command = new QueryCompiler(write.Model, write.Scope.Dialect, ReadScope.Of(write.Caller), write.Now).Ids(query).In(write.Scope);
        return await command.ExecuteScalarAsync() is not null;
    }
}
