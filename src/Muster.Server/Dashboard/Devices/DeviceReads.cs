using System.Globalization;
using System.Text.Json;
using Muster.Core.Access;
using Muster.Server.Dashboard.Parts;
using Muster.Server.Resources;

namespace Muster.Server.Dashboard.Devices;

/// <summary>A fleet that the person sees.</summary>
public sealed record FleetChoice(long Id, string Slug, string Name, long Organization);

/// <summary>The beginning of a view in its order, and how many devices the view has.</summary>
internal sealed record DeviceList(IReadOnlyList<long> Ids, long Total)
{
    public const int Longest = 5_000;

    public bool IsWhole => Ids.Count == Total;
}

/// <summary>
/// What the Devices page asks of the resource API. The order of a view is read as ids and the rows by their ids: so the
/// database sorts numbers, not rows, and a row is read again without looking for its place.
/// </summary>
internal sealed class DeviceReads(ResourceAccess access)
{
    /// <summary>More fleets than anyone picks from a list.</summary>
    private const int MostFleets = 2_000;

    public async Task<List<FleetChoice>> FleetsAsync(Caller caller, CancellationToken cancellation = default) =>
    [
        .. (await access.ReadAsync(caller, $"application?$select=id,slug,app_name,organization&$filter=is_host eq false&$orderby=slug asc&$top={MostFleets}", cancellation))
            .Select(f => new FleetChoice(f.GetProperty("id").GetInt64(), f.GetProperty("slug").GetString()!, f.GetProperty("app_name").GetString()!, f.GetProperty("organization").GetProperty("__id").GetInt64())),
    ];

    public Task<long> CountAsync(Caller caller, string? filter, CancellationToken cancellation = default) =>
        access.CountAsync(caller, filter is null ? "device/$count" : $"device/$count?$filter={filter}", cancellation);

    /// <summary>Devices per overall status, from the kept counts; statuses that no device has are left out.</summary>
    /// <param name="fleets">The condition of the fleets; null for all.</param>
    public async Task<IReadOnlyList<(string Status, long Devices)>> StatusesAsync(Caller caller, string? fleets, CancellationToken cancellation = default)
    {
        List<(string, long)> counts = [];
        foreach (var status in StatusLook.OverallWords)
        {
            var devices = await CountAsync(caller, $"{(fleets is null ? "" : fleets + " and ")}overall_status eq {ResourceAccess.Text(status)}", cancellation);
            if (devices > 0)
                counts.Add((status, devices));
        }

        return counts;
    }

    /// <summary>A view's order as far as it is read at once: a narrow view is looked for in one pass, and scrolls without another.</summary>
    public async Task<DeviceList> ListAsync(Caller caller, DeviceView view, IReadOnlyDictionary<string, long> fleets, CancellationToken cancellation = default)
    {
        var ids = await IdsAsync(caller, view, fleets, 0, DeviceList.Longest, cancellation);
        return new(ids, ids.Count < DeviceList.Longest ? ids.Count : await CountAsync(caller, view.ToFilter(fleets), cancellation));
    }

    /// <summary>The ids of a part of the view, in its order.</summary>
    public async Task<List<long>> IdsAsync(Caller caller, DeviceView view, IReadOnlyDictionary<string, long> fleets, long skip, long top, CancellationToken cancellation = default)
    {
        if (view.Sort.Kind == ColumnKind.Tag)
            return await IdsByTagAsync(caller, view, fleets, skip, top, cancellation);
        return await IdsAsync(caller, $"device?$select=id{Filter(view.ToFilter(fleets))}&$orderby={view.ToOrder()}{Part(skip, top)}", "id", cancellation);
    }

    /// <summary>The rows with these ids, in the order of the ids; one that is gone is left out.</summary>
    public async Task<List<DeviceRow>> RowsAsync(Caller caller, IReadOnlyList<long> ids, IReadOnlyList<DeviceColumn> columns, CancellationToken cancellation = default)
    {
        if (ids.Count == 0)
            return [];
        var rows = await access.ReadAsync(caller, $"device?{DeviceRow.Query(columns)}&$filter=id in ({string.Join(',', ids)})", cancellation);
        var byId = rows.Select(r => DeviceRow.Of(r, columns)).ToDictionary(r => r.Id);
        return [.. ids.Select(id => byId.GetValueOrDefault(id)).OfType<DeviceRow>()];
    }

    /// <summary>The names of tags in use, for the column chooser.</summary>
    public async Task<List<string>> TagNamesAsync(Caller caller, CancellationToken cancellation = default)
    {
        // The next name after the last one found: as many questions as there are names, each by the index.
        List<string> names = [];
        while (names.Count < 50)
        {
            var after = names.Count == 0 ? "" : $"&$filter=tag_key gt {ResourceAccess.Text(names[^1])}";
            var next = await access.ReadAsync(caller, $"device_tag?$select=tag_key{after}&$orderby=tag_key asc&$top=1", cancellation);
            if (next.Count == 0)
                break;
            names.Add(next[0].GetProperty("tag_key").GetString()!);
        }

        return names;
    }

    /// <summary>Devices that have the tag come first, by its value, then the others; descending the other way round.</summary>
    private async Task<List<long>> IdsByTagAsync(Caller caller, DeviceView view, IReadOnlyDictionary<string, long> fleets, long skip, long top, CancellationToken cancellation)
    {
        var has = new DeviceFilter(view.Sort, FilterOperator.NotEmpty, []);
        var without = new DeviceFilter(view.Sort, FilterOperator.Empty, []);
        string And(DeviceFilter filter, string row) => view.ToFilter(fleets, row) is { } rest ? $"{rest} and {filter.Condition(row)}" : filter.Condition(row);
        var direction = view.Descending ? " desc" : " asc";
        Task<List<long>> WithAsync(long from, long most) => IdsAsync(caller,
            $"device_tag?$select=device&$filter=tag_key eq {ResourceAccess.Text(view.Sort.TagName)} and device/any(d:{view.ToFilter(fleets, "d/") ?? "d/id ne null"})&$orderby=value{direction},device{direction}{Part(from, most)}", "device", cancellation);
        Task<List<long>> WithoutAsync(long from, long most) => IdsAsync(caller, $"device?$select=id&$filter={And(without, "")}&$orderby=id{direction}{Part(from, most)}", "id", cancellation);

        var first = view.Descending ? WithoutAsync : (Func<long, long, Task<List<long>>>)WithAsync;
        var second = view.Descending ? WithAsync : (Func<long, long, Task<List<long>>>)WithoutAsync;
        var ids = await first(skip, top);
        if (ids.Count >= top)
            return ids;
        var firsts = await CountAsync(caller, And(view.Descending ? without : has, ""), cancellation);
        ids.AddRange(await second(Math.Max(0, skip - firsts), top - ids.Count));
        return ids;
    }

    private async Task<List<long>> IdsAsync(Caller caller, string path, string name, CancellationToken cancellation)
    {
        List<long> ids = [];
        await foreach (var row in access.StreamAsync(caller, path, cancellation))
            ids.Add(Id(row.Span, name));
        return ids;
    }

    private static long Id(ReadOnlySpan<byte> row, string name)
    {
        var value = JsonElement.Parse(row).GetProperty(name);
        return value.ValueKind == JsonValueKind.Object ? value.GetProperty("__id").GetInt64() : value.GetInt64();
    }

    private static string Filter(string? filter) => filter is null ? "" : $"&$filter={filter}";

    private static string Part(long skip, long top) => string.Create(CultureInfo.InvariantCulture, $"&$skip={skip}&$top={top}");
}
