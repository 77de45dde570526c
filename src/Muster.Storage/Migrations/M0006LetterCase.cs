using System.Text;
using FluentMigrator;

namespace Muster.Storage.Migrations;

/// <summary>
/// Lower and upper case for all of Unicode, independent of the locale that PostgreSQL was set up with (often "C", which knows
/// A to Z only). SQLite gets functions of the same name from <see cref="Sqlite.SqliteDatabase"/>, by the same table.
/// </summary>
[Migration(6, "letter case")]
public sealed class M0006LetterCase(SqlDialect dialect) : SchemaMigration(dialect)
{
    public override void Up()
    {
        if (Dialect.Name != "postgres")
            return;
        Execute.Sql(Function("lower", Rune.ToLowerInvariant));
        Execute.Sql(Function("upper", Rune.ToUpperInvariant));
    }

    /// <summary>Most texts are ASCII and need no table. A database that is not UTF-8 cannot hold the table, and has its own function.</summary>
    private static string Function(string name, Func<Rune, Rune> map)
    {
        var (from, to) = (new StringBuilder(), new StringBuilder());
        for (var code = 0x80; code <= 0x10FFFF; code = code == 0xD7FF ? 0xE000 : code + 1)
        {
            var (rune, mapped) = (new Rune(code), map(new Rune(code)));
            if (rune != mapped)
            {
                from.Append(rune);
                to.Append(mapped);
            }
        }

        var create = $"CREATE FUNCTION muster_{name}(t text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS";
        return $"""
            DO $do$ BEGIN
            IF current_setting('server_encoding') = 'UTF8' THEN
                {create} $f$ SELECT CASE WHEN octet_length(t) = char_length(t) THEN {name}(t COLLATE "C") ELSE translate({name}(t COLLATE "C"), '{from}', '{to}') END $f$;
            ELSE
                {create} $f$ SELECT {name}(t) $f$;
            END IF;
            END $do$
            """;
    }
}
