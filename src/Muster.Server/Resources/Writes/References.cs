using Muster.Core.Access;
using Muster.Core.Query;
using Muster.Storage.Resources;

namespace Muster.Server.Resources.Writes;

/// <summary>Rows that a body refers to by id: they must be there, and the caller must see them.</summary>
internal static class References
{
    /// <exception cref="RefusedException">409: there is no such row. 401: it is not for the caller.</exception>
    public static async Task CheckAsync(Write write, RowValues row)
    {
        foreach (var name in row.Given)
        {
            if (write.Resource.Field(name) is not { Target: { } targetName, Column: { } column } || row.Number(column) is not { } id)
                continue;
            var target = write.Model.Resource(targetName)!;
            if (await write.NumberAsync($"SELECT 1 FROM {target.Table} WHERE id = @p0", id) is null)
                throw ConstraintErrors.Referenced(name);
            // An account may be named by who does not see it yet: that is how somebody becomes a member.
            if (target.Name != "user" && !await IsVisibleAsync(write, target, id))
                throw RefusedException.NotPermitted();
        }
    }

    private static async Task<bool> IsVisibleAsync(Write write, Resource target, long id)
    {
        var query = new ResourceQuery(target.Name) { Key = new ResourceKey([new KeyPart(null, new Literal(id))]) };
        await using var command = new QueryCompiler(write.Model, write.Scope.Dialect, ReadScope.Of(write.Caller), write.Now).Ids(query).In(write.Scope);
        return await command.ExecuteScalarAsync() is not null;
    }
}
