using System.Collections.Immutable;

namespace Muster.Storage.Resources;

/// <summary>Short words in which the descriptions are written.</summary>
internal static class Describe
{
    public static readonly Field Id = new("id", FieldType.Number, "{t}.id") { Column = "id" };

    public static readonly Field CreatedAt = Instant("created_at");

    public static readonly Field ModifiedAt = Instant("modified_at");

    /// <summary>created_at, modified_at and id, which every resource has.</summary>
    public static ImmutableArray<Field> Row(params ReadOnlySpan<Field> fields) => [Id, CreatedAt, ModifiedAt, .. fields];

    public static Field Text(string name, string? column = null) => Stored(name, FieldType.Text, column);

    public static Field Number(string name, string? column = null) => Stored(name, FieldType.Number, column);

    public static Field Size(string name, string? column = null) => Stored(name, FieldType.Size, column);

    public static Field Flag(string name, string? column = null) => Stored(name, FieldType.Flag, column);

    public static Field Instant(string name, string? column = null) => Stored(name, FieldType.Instant, column);

    public static Field Document(string name, string? column = null) => Stored(name, FieldType.Document, column);

    public static Field Reference(string name, string column, string? target, string? reverse = null) =>
        Stored(name, FieldType.Reference, column) with { Target = target, Reverse = reverse };

    public static Field Computed(string name, FieldType type, string sql) => new(name, type, sql) { IsNullable = true };

    public static Field Nullable(this Field field) => field with { IsNullable = true };

    /// <summary>Only when selected.</summary>
    public static Field OnRequest(this Field field) => field with { ByDefault = false };

    /// <summary>May be written by whoever may write the resource.</summary>
    public static Field Writable(this Field field) => field with { Write = FieldWrite.Always };

    /// <summary>Given when the row is made, and never after.</summary>
    public static Field AtFirst(this Field field) => field with { Write = FieldWrite.Create };

    public static Field Required(this Field field) => field with { IsRequired = true };

    public static Field UpTo(this Field field, int most, int least = 0) => field with { MaxLength = most, MinLength = least };

    /// <summary>A name, which people must be able to see and read.</summary>
    public static Field Named(this Field field) => field with { IsName = true };

    public static Field Else(this Field field, object value) => field with { Default = value };

    public static NaturalKey Key(params ReadOnlySpan<(string Field, string Column)> parts)
    {
        var fields = ImmutableArray.CreateBuilder<string>();
        var columns = ImmutableArray.CreateBuilder<string>();
        foreach (var (field, column) in parts)
        {
            fields.Add(field);
            columns.Add(column);
        }

        return new NaturalKey(fields.ToImmutable(), columns.ToImmutable());
    }

    public static NaturalKey Key(string field) => Key((field, field));

    private static Field Stored(string name, FieldType type, string? column)
    {
        column ??= name;
        return new Field(name, type, $"{{t}}.\"{column}\"") { Column = column };
    }
}
