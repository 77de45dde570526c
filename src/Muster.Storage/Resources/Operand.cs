namespace Muster.Storage.Resources;

internal enum OperandKind : byte
{
    /// <summary>As a client wrote it; its type is decided by what it meets.</summary>
    Constant,
    Number, Text, Flag, Instant, Duration,
    /// <summary>A SQL condition.</summary>
    Condition,
}

/// <summary>A compiled part of a filter or an order.</summary>
internal readonly record struct Operand(OperandKind Kind, string Sql)
{
    /// <summary>The value of a constant.</summary>
    public object? Constant { get; init; }

    public bool IsNullable { get; init; }

    /// <summary>The field it is, with the alias of its row; for fields that an index serves in another form.</summary>
    public (Field Field, string Alias)? Of { get; init; }

    /// <summary>For a condition: never null, so that NOT is enough to negate it.</summary>
    public bool IsTwoValued { get; init; }
}

/// <summary>A row under an alias.</summary>
internal readonly record struct Source(Resource Resource, string Alias)
{
    /// <summary>Whether the host rows of device types are among those it may be (<see cref="Resource.HostRow"/>).</summary>
    public bool WithHosts { get; init; }
}
