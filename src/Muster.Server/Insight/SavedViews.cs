using System.Data.Common;
using System.Text;
using Muster.Core.Access;
using Muster.Core.Text;
using Muster.Storage;

namespace Muster.Server.Insight;

/// <summary>A query of the Devices page under a name of its owner's.</summary>
/// <param name="Query">As in the URL, without the question mark.</param>
internal sealed record SavedView(long Id, string Name, string Query, DateTimeOffset ModifiedAt);

/// <summary>What became of saving a view: the view, or the sentence that says why not.</summary>
internal sealed record SaveAnswer(SavedView? View, string? Refusal);

/// <summary>The saved views of people, each their own.</summary>
internal sealed class SavedViews(Database database, TimeProvider time)
{
    public const int MostPerAccount = 100;
    public const int LongestName = 100;

    /// <summary>Bytes of UTF-8.</summary>
    public const int LongestQuery = 4_096;

    /// <summary>The caller's views by name; none for who is no person.</summary>
    public async Task<IReadOnlyList<SavedView>> ListAsync(Caller caller, CancellationToken cancellation)
    {
        if (Account(caller) is not { } account)
            return [];
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT id, name, query, modified_at FROM saved_view WHERE account_id = @p0 ORDER BY name", account);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<SavedView> views = [];
        while (await reader.ReadAsync(cancellation))
            views.Add(Read(reader));
        return views;
    }

    /// <summary>Keeps a query under a name; what had this name before is replaced.</summary>
    public async Task<SaveAnswer> SaveAsync(Caller caller, string name, string query, CancellationToken cancellation)
    {
        name = name.Trim();
        query = query.TrimStart('?');
        if (Account(caller) is not { } account)
            return new(null, "Only people have views");
        if (name.Length is 0 or > LongestName)
            return new(null, $"A view needs a name of at most {LongestName} characters");
        if (NameRule.Problem(name) is { } problem)
            return new(null, $"The name {problem}");
        if (Encoding.UTF8.GetByteCount(query) > LongestQuery || query.Any(char.IsControl))
            return new(null, $"The query of a view has at most {LongestQuery} bytes and no control characters");
        return await database.WriteAsync(write => SaveAsync(write, account, name, query), cancellation);
    }

    /// <summary>False when the caller has no such view.</summary>
    public async Task<bool> RemoveAsync(Caller caller, long id, CancellationToken cancellation)
    {
        if (Account(caller) is not { } account)
            return false;
        return await database.WriteAsync(
            async write =>
            {
                await using var command = write.Command("DELETE FROM saved_view WHERE id = @p0 AND account_id = @p1", id, account);
                return await command.ExecuteNonQueryAsync() > 0;
            },
            cancellation);
    }

    private async Task<SaveAnswer> SaveAsync(WriteScope write, long account, string name, string query)
    {
        // Holds the account's row, so that two at once do not both take the last place.
        await using var hold = write.Command("UPDATE account SET modified_at = modified_at WHERE id = @p0", account);
        await hold.ExecuteNonQueryAsync();
        await using var count = write.Command("SELECT count(*) FROM saved_view WHERE account_id = @p0 AND name <> @p1", account, name);
        if ((long)(await count.ExecuteScalarAsync())! >= MostPerAccount)
            return new(null, $"There are {MostPerAccount} views already; remove one first");
        await using var command = write.Command(
            """
            INSERT INTO saved_view (account_id, name, query, created_at, modified_at) VALUES (@p0, @p1, @p2, @p3, @p3)
            ON CONFLICT (account_id, name) DO UPDATE SET query = excluded.query, modified_at = excluded.modified_at RETURNING id, name, query, modified_at
            """,
            account, name, query, time.GetUtcNow().ToUnixTimeMilliseconds());
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return new(Read(reader), null);
    }

    private static long? Account(Caller caller) => caller.Kind is CallerKind.User ? caller.SubjectId : null;

    private static SavedView Read(DbDataReader reader) =>
        new(reader.GetInt64(0), reader.GetString(1), reader.GetString(2), DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(3)));
}
