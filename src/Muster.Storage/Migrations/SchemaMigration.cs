using FluentMigrator;

namespace Muster.Storage.Migrations;

/// <summary>
/// A migration whose statements are one text for both databases: <c>{id}</c> and <c>{blob}</c> are the dialect's words for
/// a generated key and for bytes. Text sorts by code point, as SQLite and every client do; a prefix search can then use an index.
/// </summary>
public abstract class SchemaMigration(SqlDialect dialect) : ForwardOnlyMigration
{
    protected SqlDialect Dialect => dialect;

    protected void Do(IEnumerable<string> statements)
    {
        var text = dialect.Name == "postgres" ? " TEXT COLLATE \"C\"" : " TEXT";
        foreach (var statement in statements)
        {
            Execute.Sql(statement.Replace("{id}", dialect.Identity, StringComparison.Ordinal).Replace("{blob}", dialect.Blob, StringComparison.Ordinal)
                .Replace(" TEXT", text, StringComparison.Ordinal));
        }
    }
}
