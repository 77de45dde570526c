using System.Collections.Immutable;
using System.Data.Common;

namespace Muster.Storage.Resources;

/// <summary>One compiled statement. Everything a client wrote is in the parameters.</summary>
public sealed record SqlStatement(string Text, ImmutableArray<object?> Parameters)
{
    /// <summary>Whether it reads last contacts or what follows from them: then the newest are to be put on record first.</summary>
    public bool ReadsContacts => Text.Contains("device_contact", StringComparison.Ordinal);

    public DbCommand On(DbConnection connection) => connection.Statement(Text, Parameters.AsSpan());

    public DbCommand In(WriteScope write) => write.Command(Text, Parameters.AsSpan());
}

/// <summary>Collects parameters and makes aliases while a statement is composed.</summary>
internal sealed class SqlParts
{
    private readonly ImmutableArray<object?>.Builder parameters = ImmutableArray.CreateBuilder<object?>();
    private readonly Dictionary<long, string> numbers = [];
    private int aliases;

    /// <summary>A parameter for this value; a whole number that was there before is not sent twice.</summary>
    public string Parameter(object? value)
    {
        if (value is not long number)
            return Add(value);
        if (!numbers.TryGetValue(number, out var name))
            numbers[number] = name = Add(value);
        return name;
    }

    public string Alias() => $"t{aliases++}";

    public SqlStatement Statement(string text) => new(text, parameters.ToImmutable());

    private string Add(object? value)
    {
        parameters.Add(value);
        return $"@p{parameters.Count - 1}";
    }
}
