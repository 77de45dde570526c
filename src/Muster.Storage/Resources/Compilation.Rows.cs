using Muster.Core.Query;

namespace Muster.Storage.Resources;

// What a row shows: selected fields and embedded rows, as one JSON object made by the database.
internal sealed partial class Compilation
{
    /// <summary>The JSON object of one row.</summary>
    public string Json(Source source, QueryOptions options)
    {
        var members = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var field in Selected(source, options))
        {
            if (!options.Expand.Any(e => e.Name == field.Name))
                members[field.Name] = Json(field, source.Alias);
        }

        foreach (var expand in options.Expand)
        {
            if (!members.TryAdd(expand.Name, expand.IsCount ? Count(source, expand) : Embedded(source, expand)))
                throw QueryRefusedException.Invalid($"'{expand.Name}' is expanded twice.");
        }

        return dialect.JsonObject(members.Select(m => (m.Key, m.Value)));
    }

    private IEnumerable<Field> Selected(Source source, QueryOptions options)
    {
        var everything = source.Resource.Fields.Where(f => f.ByDefault);
        if (options.Select is not { } names)
            return everything;
        return names.SelectMany(name => name == "*" ? everything : SelectedField(source, name)).DistinctBy(f => f.Name);
    }

    /// <summary>A field; nothing for a collection, which is shown by $expand only.</summary>
    private IEnumerable<Field> SelectedField(Source source, string name) =>
        source.Resource.Field(name) is { } field ? [field]
        : model.Way(source.Resource, name) is null ? throw QueryRefusedException.Invalid($"'{source.Resource.Name}' has no property '{name}'.")
        // A synonym keeps the name it was asked by.
        : model.FieldOrSynonym(source.Resource, name) is { } synonym ? [synonym with { Name = name }]
        : [];

    private string Json(Field field, string alias)
    {
        var sql = Sql(field, alias);
        return field.Type switch
        {
            FieldType.Size => $"CAST({sql} AS TEXT)",
            FieldType.Flag => dialect.JsonFlag(sql),
            FieldType.Instant => dialect.IsoInstant(sql),
            FieldType.Document => dialect.JsonDocument(sql),
            FieldType.Reference => dialect.JsonReference(sql),
            _ => sql,
        };
    }

    /// <summary>The rows a navigation leads to, as a JSON array; so also for a navigation to one row.</summary>
    private string Embedded(Source from, Expand expand)
    {
        var way = Way(from, expand.Name);
        var (next, where) = Follow(from, way);
        if (expand.Options.Filter is { } filter)
            where += " AND " + Filter(filter, new Names(next), where);
        var arranged = Arrange(next, expand.Options, single: !way.IsCollection);
        var rows = arranged.Length == 0
            ? $"{next.Resource.Table} {next.Alias} WHERE {where}"
            : $"(SELECT {next.Alias}.* FROM {next.Resource.Table} {next.Alias} WHERE {where}{arranged}) {next.Alias}";
        return $"(SELECT {dialect.JsonArrayOf(Json(next, expand.Options))} FROM {rows})";
    }

    private string Count(Source from, Expand expand)
    {
        var way = Way(from, expand.Name);
        if (way is { Target: "device", ReverseOf: "belongs_to__application" } && DeviceCount(expand.Options.Filter, $"c.fleet_id = {from.Alias}.id") is { } kept)
            return $"({kept})";
        var (next, where) = Follow(from, way);
        if (expand.Options.Filter is { } filter)
            where += " AND " + Filter(filter, new Names(next), where);
        return $"(SELECT count(*) FROM {next.Resource.Table} {next.Alias} WHERE {where})";
    }
}
