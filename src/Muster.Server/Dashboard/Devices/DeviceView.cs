using System.Collections.Immutable;
using System.Text;
using Microsoft.AspNetCore.WebUtilities;
using Muster.Server.Resources;

namespace Muster.Server.Dashboard.Devices;

/// <summary>What the Devices page shows, which is what its address says: a view is shared by sharing the address.</summary>
/// <param name="Fleets">Slugs; none stands for all that the person sees.</param>
/// <param name="Search">Words that each stand in the name, a tag, an address or the note, or begin the uuid.</param>
/// <param name="Filters">All of them must hold.</param>
/// <param name="Columns">In their order; null for the person's own choice, else the usual ones.</param>
public sealed record DeviceView(ImmutableArray<string> Fleets, string Search, ImmutableArray<DeviceFilter> Filters, DeviceColumn Sort, bool Descending, ImmutableArray<DeviceColumn>? Columns)
{
    public const string Path = "/devices";
    private const int MostFleets = 50;
    private const int MostFilters = 20;
    private const int MostColumns = 60;
    private const int MostWords = 5;
    private const int LongestSearch = 200;
    private const char Separator = '~';
    private const char Escape = '!';

    /// <summary>All devices by name.</summary>
    public static readonly DeviceView Everything = new([], "", [], DeviceColumn.Find("name")!, Descending: false, Columns: null);

    /// <summary>Whether it shows less than all devices of its fleets.</summary>
    public bool IsNarrowed => Search.Length > 0 || Filters.Length > 0;

    /// <summary>The view of an address's query. What it does not understand is left out and told; it never fails.</summary>
    public static (DeviceView View, ImmutableArray<string> Problems) Parse(string query)
    {
        var view = Everything;
        var problems = ImmutableArray.CreateBuilder<string>();
        foreach (var (name, values) in QueryHelpers.ParseQuery(query))
        {
            foreach (var value in values)
                view = view.With(name, value ?? "", problems);
        }

        return (view, problems.ToImmutable());
    }

    /// <summary>The address's query, with its question mark; empty for all devices by name.</summary>
    public string ToQuery()
    {
        var query = new StringBuilder();
        void Add(string name, string value) =>
            query.Append(query.Length == 0 ? '?' : '&').Append(name).Append('=').Append(Escaped(value));

        foreach (var fleet in Fleets)
            Add("fleet", fleet);
        if (Search.Length > 0)
            Add("q", Search);
        foreach (var filter in Filters)
            Add("f", Joined([filter.Column.Key, DeviceFilter.Key(filter.Operator), .. filter.Values]));
        if (Sort != Everything.Sort || Descending)
            Add("sort", (Descending ? "-" : "") + Sort.Key);
        if (Columns is { } columns)
            Add("cols", Joined(columns.Select(c => c.Key)));
        return query.ToString();
    }

    public string ToUrl() => Path + ToQuery();

    /// <summary>The columns of an address's <c>cols</c>; null when it names none that there is.</summary>
    public static ImmutableArray<DeviceColumn>? ColumnsOf(string text)
    {
        ImmutableArray<DeviceColumn> columns = [.. Split(text).Select(DeviceColumn.Find).OfType<DeviceColumn>().Where(c => !c.IsFilterOnly).DistinctBy(c => c.Key).Take(MostColumns)];
        return columns.Length == 0 ? null : columns;
    }

    public static string TextOf(IEnumerable<DeviceColumn> columns) => Joined(columns.Select(c => c.Key));

    /// <summary>The devices of the view, in the query dialect, escaped for a path; null for all devices.</summary>
    /// <param name="fleets">Ids by slug; a fleet that is not there has no devices.</param>
    /// <param name="row">What a field of the device begins with: nothing, or <c>d/</c> inside a lambda.</param>
    public string? ToFilter(IReadOnlyDictionary<string, long> fleets, string row = "")
    {
        List<string> conditions = [];
        if (OfFleets(fleets, row) is { } ofFleets)
            conditions.Add(ofFleets);
        conditions.AddRange(Filters.Select(f => f.Condition(row)));
        conditions.AddRange(Search.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Take(MostWords).Select(word => Found(word, row)));
        return conditions.Count == 0 ? null : string.Join(" and ", conditions);
    }

    /// <summary>The condition of the fleets alone; null for all fleets.</summary>
    public string? OfFleets(IReadOnlyDictionary<string, long> fleets, string row = "")
    {
        if (Fleets.Length == 0)
            return null;
        var ids = Fleets.Select(slug => fleets.GetValueOrDefault(slug, -1)).ToArray();
        return ids.Length == 1 ? $"{row}belongs_to__application eq {ids[0]}" : $"{row}belongs_to__application in ({string.Join(',', ids)})";
    }

    /// <summary>The order in the query dialect; the id comes last in any case.</summary>
    public string ToOrder() => (Sort.Order ?? Sort.Field) + (Descending ? " desc" : " asc");

    /// <summary>Whether a change of a fact can bring a device into the view, out of it, or to another place in it.</summary>
    public bool IsMovedBy(string fact, string? from, string? to)
    {
        if (Sort.Facts.Contains(fact))
            return true;
        foreach (var filter in Filters)
        {
            if (!filter.Column.Facts.Contains(fact))
                continue;
            if (filter.Column is not { Key: "status" or "heartbeat" or "update" })
                return true;
            if (filter.Values.Contains(from ?? DeviceColumn.None) != filter.Values.Contains(to ?? DeviceColumn.None))
                return true;
        }

        return false;
    }

    private DeviceView With(string name, string value, ImmutableArray<string>.Builder problems)
    {
        switch (name)
        {
            case "fleet" when value.Length is > 0 and <= 255 && Fleets.Length < MostFleets:
                return Fleets.Contains(value) ? this : this with { Fleets = Fleets.Add(value) };
            case "q" when value.Length <= LongestSearch && !value.Contains('\0', StringComparison.Ordinal):
                return this with { Search = value.Trim() };
            case "f" when Filters.Length < MostFilters:
                var (filter, problem) = Filter(value);
                if (filter is not null)
                    return Filters.Any(f => Same(f, filter)) ? this : this with { Filters = Filters.Add(filter) };
                problems.Add(problem!);
                return this;
            case "sort" when DeviceColumn.Find(value.TrimStart('-')) is { IsFilterOnly: false } column:
                return this with { Sort = column, Descending = value.StartsWith('-') };
            case "cols" when ColumnsOf(value) is { } columns:
                return this with { Columns = columns };
            default:
                problems.Add(name is "fleet" or "q" or "f" or "sort" or "cols" ? $"“{Shown(name)}={Shown(value)}” in the address was not understood." : $"“{Shown(name)}” in the address is not known.");
                return this;
        }
    }

    private static (DeviceFilter? Filter, string? Problem) Filter(string text)
    {
        var parts = Split(text);
        if (parts.Count < 2 || DeviceColumn.Find(parts[0]) is not { } column || DeviceFilter.Find(parts[1]) is not { } comparison)
            return (null, $"The filter “{Shown(text)}” in the address was not understood.");
        var filter = new DeviceFilter(column, comparison, [.. parts.Skip(2)]);
        return filter.Problem() is { } problem ? (null, problem) : (filter, null);
    }

    private static bool Same(DeviceFilter a, DeviceFilter b) => a.Column.Key == b.Column.Key && a.Operator == b.Operator && a.Values.SequenceEqual(b.Values);

    private static string Found(string word, string row)
    {
        // Only a prefix of a uuid is looked for: a uuid's middle is nothing that people know.
        var uuid = word.All(char.IsAsciiHexDigit) ? $" or startswith({row}uuid,{ResourceAccess.Text(word.ToLowerInvariant())})" : "";
        return $"({DeviceFilter.Contains(row + "device_name", word)}{uuid} or contains({row}ip_address,{ResourceAccess.Text(word)}) or {DeviceFilter.Contains(row + "note", word)}"
            + $" or {row}device_tag/any(s:{DeviceFilter.Contains("s/value", word)} or {DeviceFilter.Contains("s/tag_key", word)}))";
    }

    private static string Joined(IEnumerable<string> parts) =>
        string.Join(Separator, parts.Select(part => part.Replace("!", "!!", StringComparison.Ordinal).Replace("~", "!~", StringComparison.Ordinal)));

    private static List<string> Split(string text)
    {
        List<string> parts = [];
        var part = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == Escape && i + 1 < text.Length)
            {
                part.Append(text[++i]);
            }
            else if (text[i] == Separator)
            {
                parts.Add(part.ToString());
                part.Clear();
            }
            else
            {
                part.Append(text[i]);
            }
        }

        parts.Add(part.ToString());
        return parts;
    }

    /// <summary>Escaped for the query of an address, but for what may stand there and people like to read.</summary>
    private static string Escaped(string value) => Uri.EscapeDataString(value)
        .Replace("%2F", "/", StringComparison.Ordinal).Replace("%3A", ":", StringComparison.Ordinal).Replace("%2C", ",", StringComparison.Ordinal).Replace("%21", "!", StringComparison.Ordinal);

    private static string Shown(string value) => value.Length > 60 ? value[..60] + "…" : value;
}
