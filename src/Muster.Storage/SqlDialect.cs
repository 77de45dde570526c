namespace Muster.Storage;

/// <summary>
/// SQL that SQLite and PostgreSQL spell differently. Common ground, so that most statements are the same text:
/// ids and instants are BIGINT (instants in Unix milliseconds, UTC), flags are INTEGER 0/1, documents are TEXT holding
/// JSON, binary is <see cref="Blob"/>; parameters are <c>@p0…</c>; both know RETURNING, ON CONFLICT and window functions.
/// </summary>
public abstract class SqlDialect
{
    public abstract string Name { get; }

    /// <summary>Column type and constraint of a generated primary key.</summary>
    public abstract string Identity { get; }

    /// <summary>Column type for bytes.</summary>
    public abstract string Blob { get; }

    /// <summary>A JSON object from alternating keys and values, each given as SQL.</summary>
    public abstract string JsonObject(IEnumerable<(string Key, string Value)> members);

    /// <summary>A JSON array of all rows, in their order; <c>[]</c> when there are none.</summary>
    public abstract string JsonArrayOf(string element);

    /// <summary>An instant (Unix ms) as ISO 8601 text with milliseconds and Z; null stays null.</summary>
    public abstract string IsoInstant(string milliseconds);

    /// <summary>A 0/1 flag as a JSON boolean; null stays null.</summary>
    public abstract string JsonFlag(string flag);

    /// <summary>TEXT holding JSON, embedded as JSON; null stays null.</summary>
    public abstract string JsonDocument(string text);

    /// <summary>A reference as the wire has it: <c>{"__id":n}</c>; null stays null.</summary>
    public abstract string JsonReference(string id);

    /// <summary>What stands before and after a text to write it as a JSON string, quoted and escaped; null stays null.</summary>
    public abstract (string Before, string After) JsonQuote { get; }

    /// <summary>Substring test without wildcards, case-sensitive.</summary>
    public abstract string Contains(string text, string part);

    /// <summary>Where a part begins in a text, from 1; 0 when it is not in it.</summary>
    public abstract string Position(string text, string part);

    /// <summary>Year, month or day (<paramref name="part"/>) of an instant in Unix ms, UTC, as a whole number.</summary>
    public abstract string DatePart(string part, string milliseconds);

    /// <summary>A number without fraction: <c>round</c> (halves away from zero), <c>floor</c> or <c>ceiling</c>.</summary>
    public abstract string Whole(string function, string number);

    /// <summary>
    /// Text in lower case, character by character, for all of Unicode and alike on both databases. Their own <c>lower()</c>
    /// knows A to Z only (SQLite), or what the locale of the database knows (PostgreSQL).
    /// </summary>
    public static string Lower(string text) => $"muster_lower({text})";

    /// <summary>Text in upper case, as <see cref="Lower"/>.</summary>
    public static string Upper(string text) => $"muster_upper({text})";

    /// <summary>A comparison that few rows meet, told to the planner.</summary>
    public abstract string Rare(string comparison);

    /// <summary>The position of NULL in an ORDER BY, the same on both: last ascending, first descending.</summary>
    public abstract string NullsOrder(bool descending);

    /// <summary>Whether a column's value is one of the ids of a parameter made by <see cref="Ids"/>.</summary>
    public abstract string AnyOf(string column, string parameter);

    /// <summary>Value of a parameter that holds any number of ids.</summary>
    public abstract object Ids(IReadOnlyCollection<long> ids);

    /// <summary>
    /// Lets one transaction at a time go on from here to its end, of those that give the same text (<c>@p0</c>). Null where
    /// there is never more than one that writes.
    /// </summary>
    public abstract string? Turn { get; }

    /// <summary>Quoted identifier.</summary>
#pragma warning disable CA1822 // part of the seam
    public string Quote(string identifier) => $"\"{identifier.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
#pragma warning restore CA1822
}
