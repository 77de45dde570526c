using System.Collections.Immutable;
using System.Globalization;
using Muster.Core.Query;
using Muster.Server.Resources;

namespace Muster.Server.Dashboard.Devices;

/// <summary>How a filter compares.</summary>
public enum FilterOperator { Is, IsNot, Contains, ContainsNot, StartsWith, Before, After, Older, Newer, More, Less, Empty, NotEmpty }

/// <summary>One condition of a view: a column, how it is compared, and with what.</summary>
/// <param name="Values">Several for <see cref="FilterOperator.Is"/> and <see cref="FilterOperator.IsNot"/>: any of them. None for empty and not empty.</param>
public sealed record DeviceFilter(DeviceColumn Column, FilterOperator Operator, ImmutableArray<string> Values)
{
    public const int MostValues = 20;
    public const int LongestValue = 200;

    private static readonly (FilterOperator Operator, string Key, string Title)[] Words =
    [
        (FilterOperator.Is, "is", "is"),
        (FilterOperator.IsNot, "is-not", "is not"),
        (FilterOperator.Contains, "contains", "contains"),
        (FilterOperator.ContainsNot, "contains-not", "does not contain"),
        (FilterOperator.StartsWith, "starts", "starts with"),
        (FilterOperator.Before, "before", "is before"),
        (FilterOperator.After, "after", "is after"),
        (FilterOperator.Older, "older", "is older than"),
        (FilterOperator.Newer, "newer", "is within the last"),
        (FilterOperator.More, "more", "is more than"),
        (FilterOperator.Less, "less", "is less than"),
        (FilterOperator.Empty, "empty", "is empty"),
        (FilterOperator.NotEmpty, "not-empty", "is not empty"),
    ];

    private static readonly ImmutableArray<FilterOperator> OfText =
        [FilterOperator.Contains, FilterOperator.ContainsNot, FilterOperator.Is, FilterOperator.IsNot, FilterOperator.StartsWith, FilterOperator.Empty, FilterOperator.NotEmpty];

    /// <summary>The operators that fit a column, the usual one first.</summary>
    public static ImmutableArray<FilterOperator> Operators(DeviceColumn column) => column.Kind switch
    {
        ColumnKind.Word => [FilterOperator.Is, FilterOperator.IsNot],
        ColumnKind.Instant => [FilterOperator.Older, FilterOperator.Newer, FilterOperator.Before, FilterOperator.After, FilterOperator.Empty, FilterOperator.NotEmpty],
        ColumnKind.Number => [FilterOperator.More, FilterOperator.Less, FilterOperator.Is, FilterOperator.IsNot, FilterOperator.Empty, FilterOperator.NotEmpty],
        ColumnKind.Tag => [FilterOperator.Is, FilterOperator.IsNot, FilterOperator.Contains, FilterOperator.ContainsNot, FilterOperator.Empty, FilterOperator.NotEmpty],
        ColumnKind.TagName or ColumnKind.TagValue => [FilterOperator.Is, FilterOperator.IsNot, FilterOperator.Contains, FilterOperator.ContainsNot],
        _ => OfText,
    };

    public static string Key(FilterOperator comparison) => Array.Find(Words, w => w.Operator == comparison).Key;

    public static string Title(FilterOperator comparison) => Array.Find(Words, w => w.Operator == comparison).Title;

    public static FilterOperator? Find(string key) => Array.Find(Words, w => w.Key == key) is { Key: not null } found ? found.Operator : null;

    public static bool TakesNothing(FilterOperator comparison) => comparison is FilterOperator.Empty or FilterOperator.NotEmpty;

    public static bool TakesSeveral(FilterOperator comparison) => comparison is FilterOperator.Is or FilterOperator.IsNot;

    /// <summary>Why this is no filter, in a sentence; null when it is one.</summary>
    public string? Problem()
    {
        if (!Operators(Column).Contains(Operator))
            return $"“{Column.Title}” cannot be compared by “{Title(Operator)}”.";
        if (TakesNothing(Operator))
            return Values.Length == 0 ? null : $"“{Title(Operator)}” takes no value.";
        if (Values.Length == 0 || Values.Any(string.IsNullOrWhiteSpace))
            return $"“{Column.Title} {Title(Operator)}” needs a value.";
        if (Values.Length > (TakesSeveral(Operator) ? MostValues : 1))
            return $"“{Column.Title} {Title(Operator)}” has too many values.";
        if (Values.Any(v => v.Length > LongestValue || v.Contains('\0', StringComparison.Ordinal)))
            return $"A value for “{Column.Title}” is too long.";
        return Values.FirstOrDefault(v => !Fits(v)) is { } wrong ? $"“{wrong}” does not fit “{Column.Title} {Title(Operator)}”." : null;
    }

    /// <summary>Minutes, hours or days: <c>30min</c>, <c>12h</c>, <c>5d</c>; null when the text is none.</summary>
    public static TimeSpan? Age(string text)
    {
        var unit = text.AsSpan().TrimStart("0123456789");
        var digits = text.Length - unit.Length;
        if (digits is 0 or > 6)
            return null;
        var number = int.Parse(text.AsSpan(0, digits), CultureInfo.InvariantCulture);
        return unit switch
        {
            "min" => TimeSpan.FromMinutes(number),
            "h" => TimeSpan.FromHours(number),
            "d" when number <= 36_500 => TimeSpan.FromDays(number),
            _ => null,
        };
    }

    /// <summary>The condition in the query dialect, escaped for a path.</summary>
    /// <param name="row">What a field of the device begins with: nothing, or <c>d/</c> inside a lambda.</param>
    public string Condition(string row = "") => Column.Kind switch
    {
        ColumnKind.Word => OneOfTheWords(row),
        ColumnKind.Instant => OfInstant(row + Column.Field),
        ColumnKind.Number => OfNumber(row + Column.Field),
        ColumnKind.Tag => OfTags(row, "t/value", $"t/tag_key eq {ResourceAccess.Text(Column.TagName)} and "),
        ColumnKind.TagName => OfTags(row, "t/tag_key", ""),
        ColumnKind.TagValue => OfTags(row, "t/value", ""),
        _ when Column.Key == "release" => OfRelease(row),
        _ => OfTextField(row + Column.Field),
    };

    private bool Fits(string value) => (Column.Kind, Operator) switch
    {
        (ColumnKind.Word, _) => Column.Words.Any(w => w.Word == value),
        (ColumnKind.Number, _) => long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _),
        (ColumnKind.Instant, FilterOperator.Older or FilterOperator.Newer) => Age(value) is not null,
        (ColumnKind.Instant, _) => QueryTime.Instant(value) is not null,
        _ => true,
    };

    private string OneOfTheWords(string row)
    {
        var wanted = Operator == FilterOperator.Is ? Values : [.. Column.Words.Select(w => w.Word).Where(w => !Values.Contains(w))];
        var field = row + Column.Field;
        return Column.Key switch
        {
            "cloudlink" => Any(wanted.Select(w => w switch
            {
                "connected" => $"{field} eq true",
                "disconnected" => $"({field} eq false and {row}muster_cloudlink_expected eq true)",
                _ => $"({field} eq false and {row}muster_cloudlink_expected eq false)",
            })),
            "target" => Any(wanted.Select(w => w switch
            {
                "yes" => $"({field} ne null and {field} eq {row}should_be_running__release)",
                "no" => $"({field} ne {row}should_be_running__release and {row}should_be_running__release ne null)",
                _ => $"{row}should_be_running__release eq null",
            })),
            "pinned" => Any(wanted.Select(w => w == "yes" ? $"{field} ne null" : $"{field} eq null")),
            _ => Any([.. OneOf(field, wanted.Where(w => w != DeviceColumn.None)), .. wanted.Contains(DeviceColumn.None) ? [$"{field} eq null"] : Array.Empty<string>()]),
        };
    }

    private string OfTextField(string field) => Operator switch
    {
        FilterOperator.Is => Any(OneOf(field, Values)),
        FilterOperator.IsNot => $"not {Any(OneOf(field, Values))}",
        FilterOperator.Contains => Contains(field, Values[0]),
        FilterOperator.ContainsNot => $"not {Contains(field, Values[0])}",
        FilterOperator.StartsWith => $"startswith({field},{ResourceAccess.Text(Values[0])})",
        FilterOperator.Empty => $"({field} eq null or {field} eq '')",
        _ => $"({field} ne null and {field} ne '')",
    };

    private string OfRelease(string row)
    {
        string Running(string condition) => $"{row}is_running__release/any(r:{condition})";
        return Operator switch
        {
            FilterOperator.Is => Running(Any([.. OneOf("r/commit", Values), .. OneOf("r/raw_version", Values)])),
            FilterOperator.IsNot => $"not {Running(Any([.. OneOf("r/commit", Values), .. OneOf("r/raw_version", Values)]))}",
            FilterOperator.Contains => Running($"({Contains("r/commit", Values[0])} or {Contains("r/raw_version", Values[0])})"),
            FilterOperator.ContainsNot => $"not {Running($"({Contains("r/commit", Values[0])} or {Contains("r/raw_version", Values[0])})")}",
            FilterOperator.StartsWith => Running($"(startswith(r/commit,{ResourceAccess.Text(Values[0])}) or startswith(r/raw_version,{ResourceAccess.Text(Values[0])}))"),
            FilterOperator.Empty => $"{row}is_running__release eq null",
            _ => $"{row}is_running__release ne null",
        };
    }

    private string OfTags(string row, string field, string which)
    {
        string Has(string condition) => $"{row}device_tag/any(t:{which}{condition})";
        return Operator switch
        {
            FilterOperator.Is => Has(Any(OneOf(field, Values))),
            FilterOperator.IsNot => $"not {Has(Any(OneOf(field, Values)))}",
            FilterOperator.Contains => Has(Contains(field, Values[0])),
            FilterOperator.ContainsNot => $"not {Has(Contains(field, Values[0]))}",
            FilterOperator.Empty => $"not {Has("t/id ne null")}",
            _ => Has("t/id ne null"),
        };
    }

    private string OfInstant(string field) => Operator switch
    {
        FilterOperator.Before => $"{field} lt {Instant(Values[0])}",
        FilterOperator.After => $"{field} gt {Instant(Values[0])}",
        FilterOperator.Older => $"{field} lt now() sub duration'{Span(Values[0])}'",
        FilterOperator.Newer => $"{field} ge now() sub duration'{Span(Values[0])}'",
        FilterOperator.Empty => $"{field} eq null",
        _ => $"{field} ne null",
    };

    private string OfNumber(string field) => Operator switch
    {
        FilterOperator.More => $"{field} gt {Number(Values[0])}",
        FilterOperator.Less => $"{field} lt {Number(Values[0])}",
        FilterOperator.Is => $"{field} in ({string.Join(',', Values.Select(Number))})",
        FilterOperator.IsNot => $"not ({field} in ({string.Join(',', Values.Select(Number))}))",
        FilterOperator.Empty => $"{field} eq null",
        _ => $"{field} ne null",
    };

    /// <summary>Case does not matter, as far as the database knows the letters.</summary>
    internal static string Contains(string field, string value) => $"contains(tolower({field}),tolower({ResourceAccess.Text(value)}))";

    private static string Any(IEnumerable<string> conditions)
    {
        var any = string.Join(" or ", conditions);
        return any.Length == 0 ? "(id eq -1)" : any.Contains(' ', StringComparison.Ordinal) ? $"({any})" : any;
    }

    private static IEnumerable<string> OneOf(string field, IEnumerable<string> values)
    {
        var texts = values.Select(ResourceAccess.Text).ToArray();
        if (texts.Length > 0)
            yield return texts.Length == 1 ? $"{field} eq {texts[0]}" : $"{field} in ({string.Join(',', texts)})";
    }

    private static string Instant(string value) =>
        DateTimeOffset.FromUnixTimeMilliseconds(QueryTime.Instant(value)!.Value.Milliseconds).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static string Span(string value) => string.Create(CultureInfo.InvariantCulture, $"PT{(long)Age(value)!.Value.TotalMinutes}M");

    private static string Number(string value) => long.Parse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture);
}
