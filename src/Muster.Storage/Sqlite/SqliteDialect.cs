namespace Muster.Storage.Sqlite;

public sealed class SqliteDialect : SqlDialect
{
    public override string Name => "sqlite";

    public override string Identity => "INTEGER PRIMARY KEY AUTOINCREMENT";

    public override string Blob => "BLOB";

    public override string JsonObject(IEnumerable<(string Key, string Value)> members) =>
        $"json_object({string.Join(", ", members.Select(m => $"'{m.Key}', {m.Value}"))})";

    public override string JsonArrayOf(string element) => $"json_group_array({element})";

    public override string IsoInstant(string milliseconds) => $"strftime('%Y-%m-%dT%H:%M:%fZ', {milliseconds} / 1000.0, 'unixepoch')";

    public override string JsonFlag(string flag) => $"CASE {flag} WHEN 0 THEN json('false') WHEN 1 THEN json('true') END";

    public override string JsonDocument(string text) => $"json({text})";

    public override string JsonReference(string id) => $"json('{{\"__id\":' || {id} || '}}')";

    public override (string Before, string After) JsonQuote => ("nullif(json_quote(", "), 'null')");

    public override string Contains(string text, string part) => $"instr({text}, {part}) > 0";

    public override string Position(string text, string part) => $"instr({text}, {part})";

    public override string DatePart(string part, string milliseconds) =>
        $"CAST(strftime('{(part switch { "year" => "%Y", "month" => "%m", _ => "%d" })}', {milliseconds} / 1000.0, 'unixepoch') AS INTEGER)";

    // Its own floor() and ceil() are an option of the build.
    public override string Whole(string function, string number) => function switch
    {
        "round" => $"round({number})",
        "floor" => $"(CAST({number} AS INTEGER) - ({number} < CAST({number} AS INTEGER)))",
        _ => $"(CAST({number} AS INTEGER) + ({number} > CAST({number} AS INTEGER)))",
    };

    // SQLite keeps no statistics of its own accord, and would take a range for a quarter of the table.
    public override string Rare(string comparison) => $"likelihood({comparison}, 0.0001)";

    public override string NullsOrder(bool descending) => descending ? "NULLS FIRST" : "NULLS LAST";

    public override string AnyOf(string column, string parameter) => $"{column} IN (SELECT value FROM json_each({parameter}))";

    public override object Ids(IReadOnlyCollection<long> ids) => $"[{string.Join(',', ids)}]";

    public override string? Turn => null;
}
