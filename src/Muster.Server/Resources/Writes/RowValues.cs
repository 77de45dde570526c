using Muster.Storage.Resources;

namespace Muster.Server.Resources.Writes;

/// <summary>
/// The values a write gives to a row, by column (fields that are not stored, such as <c>semver</c>, by their name), as the
/// database takes them: ids, numbers, flags and instants as <see cref="long"/>, the rest as text.
/// </summary>
internal sealed class RowValues
{
    private readonly Dictionary<string, object?> values = new(StringComparer.Ordinal);
    private readonly List<string> given = [];

    /// <summary>The names on the wire of the fields that the body gave.</summary>
    public IReadOnlyList<string> Given => given;

    public IEnumerable<KeyValuePair<string, object?>> Columns => values;

    public int Count => values.Count;

    public object? this[string column]
    {
        get => values.GetValueOrDefault(column);
        set => values[column] = value;
    }

    public bool Has(string column) => values.ContainsKey(column);

    public string? Text(string column) => (string?)values.GetValueOrDefault(column);

    public long? Number(string column) => (long?)values.GetValueOrDefault(column);

    /// <summary>A flag's value; null when it is not given.</summary>
    public bool? Flag(string column) => Number(column) is { } value ? value != 0 : null;

    public void Give(Field field, object? value)
    {
        values[field.Column ?? field.Name] = value;
        given.Add(field.Name);
    }

    /// <summary>Sets a value that is not there yet.</summary>
    public void Default(string column, object? value) => values.TryAdd(column, value);

    /// <summary>Takes a value out, for a rule that handles it itself.</summary>
    public object? Take(string column) => values.Remove(column, out var value) ? value : null;
}
