using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Muster.Storage.Resources;

/// <summary>Fields that together occur once; each key is also an alternate key in URLs.</summary>
/// <param name="Columns">The columns of the unique index, to recognise a violation.</param>
/// <param name="Words">The names in the 409 text, where they are not the fields' names.</param>
public sealed record NaturalKey(ImmutableArray<string> Fields, ImmutableArray<string> Columns, ImmutableArray<string>? Words = null)
{
    /// <summary>The body of a 409, as clients match it (/unique/i).</summary>
    public string Taken => string.Join(" and ", (Words ?? Fields).Select(f => $"\"{f}\"")) + " must be unique.";
}

/// <summary>One resource of the wire, described once for reads and writes.</summary>
/// <param name="Name">Name in URLs.</param>
/// <param name="Table">Table or view it is read from.</param>
public sealed record Resource(string Name, string Table, Visibility Visibility)
{
    private readonly FrozenDictionary<string, Field> byName = FrozenDictionary<string, Field>.Empty;

    /// <summary>Other names in URLs.</summary>
    public ImmutableArray<string> Synonyms { get; init; } = [];

    /// <summary>In the order of a row without <c>$select</c>. The first is the id.</summary>
    public ImmutableArray<Field> Fields
    {
        get;
        init
        {
            field = value;
            byName = value.ToFrozenDictionary(f => f.Name, StringComparer.Ordinal);
        }
    }

    /// <summary>Ways that no reference describes.</summary>
    public ImmutableArray<Navigation> Ways { get; init; } = [];

    /// <summary>
    /// The row that each device type (alias <c>{h}</c>) is taken to have here for its OS, column by column, where a filter asks
    /// for the host fleets of types; other columns are null. Null: none. These rows are stored and shown nowhere.
    /// </summary>
    public FrozenDictionary<string, string>? HostRow { get; init; }

    public ImmutableArray<NaturalKey> Keys { get; init; } = [];

    /// <summary>The field that orders rows when no order is asked for (an index must serve it); then the id.</summary>
    public string? Order { get; init; }

    /// <summary>The field of this name, or null.</summary>
    public Field? Field(string name) => byName.GetValueOrDefault(name);

    /// <summary>The natural key whose unique index has exactly these columns, or null.</summary>
    public NaturalKey? KeyOn(IEnumerable<string> columns)
    {
        var set = columns.ToHashSet(StringComparer.Ordinal);
        return Keys.FirstOrDefault(k => set.SetEquals(k.Columns));
    }
}
