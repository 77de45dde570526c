using System.Globalization;
using System.Text.Json;
using Muster.Core.Text;
using Muster.Storage.Resources;

namespace Muster.Server.Resources.Writes;

/// <summary>Turns the fields of a body into values for the database, and refuses what the resource's description does not allow.</summary>
internal static class FieldConversion
{
    // 9999-12-31: later instants have no ISO form.
    private const long LastInstant = 253402300799999;

    /// <summary>A new row's values. Properties that cannot be written are passed over: clients send such (compose does).</summary>
    /// <exception cref="RefusedException">400 with the sentence that clients know.</exception>
    public static RowValues ForCreation(Resource resource, IReadOnlyDictionary<string, JsonElement> body)
    {
        var row = new RowValues();
        foreach (var (name, value) in body)
        {
            if (resource.Field(name) is { } field && field.Write.HasFlag(FieldWrite.Create))
                row.Give(field, Convert(resource, field, value));
        }

        foreach (var field in resource.Fields)
        {
            if (field.IsRequired && !row.Has(field.Column ?? field.Name))
                throw RefusedException.Invalid($"\"{field.Name}\" is required.");
            if (field is { Default: { } value, Column: { } column })
                row.Default(column, value is int or bool ? System.Convert.ToInt64(value, CultureInfo.InvariantCulture) : value);
        }

        return row;
    }

    /// <summary>What a PATCH sets; every property must be one that can be changed.</summary>
    /// <exception cref="RefusedException">400 with the sentence that clients know.</exception>
    public static RowValues ForChange(Resource resource, IReadOnlyDictionary<string, JsonElement> body)
    {
        var row = new RowValues();
        foreach (var (name, value) in body)
        {
            if (resource.Field(name) is not { } field)
                throw RefusedException.Invalid($"\"{name}\" is not a field of {Words(resource.Name)}.");
            if (!field.Write.HasFlag(FieldWrite.Update))
                throw RefusedException.Invalid($"\"{name}\" cannot be changed.");
            row.Give(field, Convert(resource, field, value));
        }

        return row;
    }

    private static object? Convert(Resource resource, Field field, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Null)
            return field.IsNullable ? null : throw RefusedException.Invalid($"\"{field.Name}\" cannot be null.");
        return field.Type switch
        {
            FieldType.Text => TextOf(resource, field, value),
            FieldType.Number => Whole(field, value, 0, int.MaxValue),
            FieldType.Size => Whole(field, value, 0, long.MaxValue),
            FieldType.Reference => Whole(field, value.ValueKind == JsonValueKind.Object && value.TryGetProperty("__id", out var id) ? id : value, 0, long.MaxValue),
            FieldType.Flag => FlagOf(field, value),
            FieldType.Instant => InstantOf(field, value),
            _ => DocumentOf(field, value),
        };
    }

    private static string TextOf(Resource resource, Field field, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
            throw Wrong(field, "a text");
        var text = value.GetString()!;
        if (!WireText.IsStorable(text))
            throw RefusedException.Invalid(JsonText.NotText(field.Name));
        if (field.MaxLength is { } most && (text.Length > most || text.Length < field.MinLength))
        {
            var least = field.MinLength switch
            {
                0 => "",
                1 => "is greater than 0 and ",
                var n => $"is greater than or equal to {n} and ",
            };
            throw RefusedException.Invalid($"It is necessary that each {Words(resource.Name)} has {Article(Words(field.Name))} that has a Length (Type) that {least}is less than or equal to {most}.");
        }

        // That nothing is given at all is for the length to judge.
        if (field.IsName && text.Length > 0 && NameRule.Problem(text) is { } problem)
            throw RefusedException.Invalid($"\"{field.Name}\" {problem}.");
        return text;
    }

    private static long Whole(Field field, JsonElement value, long least, long most)
    {
        var ok = value.ValueKind switch
        {
            JsonValueKind.Number => value.TryGetInt64(out var number) && In(number),
            JsonValueKind.String => long.TryParse(value.GetString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && In(number),
            _ => false,
        };
        return ok ? long.Parse(value.ToString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) : throw Wrong(field, $"a whole number from {least} to {most}");
        bool In(long number) => number >= least && number <= most;
    }

    private static long FlagOf(Field field, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        JsonValueKind.Number when value.TryGetInt32(out var number) && number is 0 or 1 => value.GetInt32(),
        JsonValueKind.String when value.ValueEquals("true"u8) || value.ValueEquals("1"u8) => 1,
        JsonValueKind.String when value.ValueEquals("false"u8) || value.ValueEquals("0"u8) => 0,
        _ => throw Wrong(field, "true or false"),
    };

    // Texts as every client sends them, and Unix ms as the SDK sends the end of support access.
    private static long InstantOf(Field field, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String when WireInstant.TryParse(value.GetString()!, out var at) && at >= 0 => at,
        JsonValueKind.Number when value.TryGetInt64(out var ms) && ms is >= 0 and <= LastInstant => ms,
        _ => throw Wrong(field, "a date"),
    };

    private static string DocumentOf(Field field, JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.Object or JsonValueKind.Array)
            return value.GetRawText();
        if (value.ValueKind != JsonValueKind.String)
            throw Wrong(field, "a JSON document");
        try
        {
            if (JsonText.Problem(System.Text.Encoding.UTF8.GetBytes(value.GetString()!)) is not null)
                throw Wrong(field, "a JSON document");
            using var document = JsonDocument.Parse(value.GetString()!);
            return document.RootElement.ValueKind is JsonValueKind.Object or JsonValueKind.Array ? document.RootElement.GetRawText() : throw Wrong(field, "a JSON document");
        }
        catch (JsonException)
        {
            throw Wrong(field, "a JSON document");
        }
    }

    private static RefusedException Wrong(Field field, string expected) => RefusedException.Invalid($"\"{field.Name}\" must be {expected}.");

    /// <summary>"device_tag" as people say it.</summary>
    private static string Words(string name) => name.Replace("__", " ", StringComparison.Ordinal).Replace('_', ' ');

    private static string Article(string noun) => (noun[0] is 'a' or 'e' or 'i' or 'o' or 'u' ? "an " : "a ") + noun;
}
