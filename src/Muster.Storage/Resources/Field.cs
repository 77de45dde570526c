namespace Muster.Storage.Resources;

public enum FieldType : byte
{
    /// <summary>64-bit whole number.</summary>
    Number,
    /// <summary>64-bit whole number, written as a JSON string (sizes in bytes).</summary>
    Size,
    Text,
    Flag,
    /// <summary>Unix ms in the database, ISO 8601 with milliseconds and Z on the wire.</summary>
    Instant,
    /// <summary>A JSON document, kept as text.</summary>
    Document,
    /// <summary>The id of a row of another resource; <c>{"__id":n}</c> or null on the wire, the bare id in bodies.</summary>
    Reference,
}

/// <summary>When a field may be given a value over the API; by whom is <see cref="Core.Access.AccessRule"/>'s.</summary>
[Flags]
public enum FieldWrite : byte { Never = 0, Create = 1, Update = 2, Always = Create | Update }

/// <summary>
/// One property of a resource, described once: for reading, filtering, ordering, expanding and writing.
/// SQL in a description stands for itself; <c>{t}</c> is the row's alias.
/// </summary>
/// <param name="Name">Name on the wire.</param>
/// <param name="Sql">The value: <c>{t}.column</c>, or an expression when computed.</param>
public sealed record Field(string Name, FieldType Type, string Sql)
{
    /// <summary>The column it is stored in; null when computed.</summary>
    public string? Column { get; init; }

    /// <summary>For a reference: the resource it points to; null when that is no resource of ours (actors).</summary>
    public string? Target { get; init; }

    /// <summary>For a reference: the name of the way back, on the target. Null: the name of the owning resource.</summary>
    public string? Reverse { get; init; }

    /// <summary>Whether the value can be null.</summary>
    public bool IsNullable { get; init; }

    /// <summary>Whether it comes without <c>$select</c>.</summary>
    public bool ByDefault { get; init; } = true;

    /// <summary>Whether only those who may act on the row's device read it (others read null).</summary>
    public bool IsSecret { get; init; }

    /// <summary>How <c>eq</c> with a constant looks when an index helps with another form; <c>{v}</c> is the constant.</summary>
    public string? EqualTo { get; init; }

    public FieldWrite Write { get; init; }

    /// <summary>Must be given on creation.</summary>
    public bool IsRequired { get; init; }

    /// <summary>Whether it names something, so that people must be able to see and read it (<see cref="Core.Text.NameRule"/>).</summary>
    public bool IsName { get; init; }

    public int MinLength { get; init; }

    public int? MaxLength { get; init; }

    /// <summary>The value of a row made without it, as the column takes it; null leaves it to the column.</summary>
    public object? Default { get; init; }

    /// <summary>The value's SQL for a row with this alias.</summary>
    public string Of(string alias) => Sql.Replace("{t}", alias, StringComparison.Ordinal);
}
