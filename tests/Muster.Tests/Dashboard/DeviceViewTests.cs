using System.Collections.Immutable;
using CsCheck;
using Muster.Core.Query;
using Muster.Server.Dashboard.Devices;
using Muster.Server.Dashboard.Parts;

namespace Muster.Tests.Dashboard;

public sealed class DeviceViewTests
{
    private static readonly Dictionary<string, long> Fleets = new() { ["acme/kiosks"] = 7, ["acme/signs"] = 8 };

    /// <summary>Text of people: with every character that means something somewhere on the way.</summary>
    private static readonly Gen<string> Text = Gen.String[Gen.Frequency((8, Gen.Char.AlphaNumeric), (4, Gen.OneOf("~!'&=%#+/?;,:() \"<>\\\n".ToCharArray())), (1, Gen.OneOf('ä', 'ß', '日', '\u2028'))), 1, 30]
        .Where(text => !string.IsNullOrWhiteSpace(text));

    private static readonly Gen<DeviceColumn> Column = Gen.OneOf(Gen.OneOf(DeviceColumn.All.ToArray()), Text.Select(DeviceColumn.OfTag));

    private static readonly Gen<DeviceFilter> Filter =
        from column in Column
        from comparison in Gen.OneOf(DeviceFilter.Operators(column).ToArray())
        from values in Values(column, comparison)
        select new DeviceFilter(column, comparison, [.. values]);

    private static readonly Gen<DeviceView> View =
        from fleets in Gen.OneOf("acme/kiosks", "acme/signs", "nobody/nothing").Array[0, 2]
        from search in Gen.OneOf(Gen.Const(""), Text.Select(text => text.Trim()))
        from filters in Filter.Array[0, 4]
        from sort in Column.Where(c => !c.IsFilterOnly)
        from backwards in Gen.Bool
        from columns in Gen.OneOf(Gen.Const(default(ImmutableArray<DeviceColumn>?)), Column.Where(c => !c.IsFilterOnly).Array[1, 6].Select(c => (ImmutableArray<DeviceColumn>?)[.. c.DistinctBy(x => x.Key)]))
        select new DeviceView([.. fleets.Distinct()], search, [.. filters.DistinctBy(f => (f.Column.Key, f.Operator, string.Join('\u0001', f.Values)))], sort, backwards, columns);

    [Fact]
    public void An_address_is_read_back_as_the_view_it_was_made_from() => View.Sample(view =>
    {
        var (read, problems) = DeviceView.Parse(view.ToQuery());
        return problems.IsEmpty && read.ToQuery() == view.ToQuery() && read.Fleets.SequenceEqual(view.Fleets) && read.Search == view.Search
            && read.Filters.Length == view.Filters.Length && read.Filters.Zip(view.Filters).All(f => f.First.Column.Key == f.Second.Column.Key && f.First.Values.SequenceEqual(f.Second.Values));
    });

    [Fact]
    public void The_filter_of_any_view_is_a_text_of_the_dialect_in_which_values_stay_values() => View.Sample(view =>
    {
        foreach (var row in (string[])["", "d/"])
        {
            if (view.ToFilter(Fleets, row) is not { } filter)
                continue;
            var parsed = QueryParser.Parse("device", $"$filter={filter}&$orderby={(view.Sort.Kind == ColumnKind.Tag ? "id" : view.ToOrder())}").Options;
            var literals = Literals(parsed.Filter!).ToHashSet();
            Assert.All(view.Filters.Where(f => f.Column.Kind is ColumnKind.Text or ColumnKind.Tag or ColumnKind.TagName or ColumnKind.TagValue).SelectMany(f => f.Values), value => Assert.Contains(value, literals));
        }
    });

    [Fact]
    public void No_address_breaks_the_page() =>
        Gen.String[Gen.Frequency((3, Gen.OneOf("fqsort=&~!%2-cols".ToCharArray())), (2, Gen.Char)), 0, 60].Sample(query => DeviceView.Parse(query).View.ToFilter(Fleets) is null or { Length: > 0 });

    [Theory]
    [InlineData("?f=status~is~updating~configuring", "(overall_status in (%27updating%27,%27configuring%27))")]
    [InlineData("?fleet=acme/kiosks&f=status~is~disconnected", "belongs_to__application eq 7 and (overall_status eq %27disconnected%27)")]
    [InlineData("?fleet=acme/kiosks&fleet=acme/signs", "belongs_to__application in (7,8)")]
    [InlineData("?fleet=acme/none", "belongs_to__application eq -1")]
    [InlineData("?f=update~is~none~done", "(update_status eq %27done%27 or update_status eq null)")]
    [InlineData("?f=heartbeat~is-not~online", "(api_heartbeat_state in (%27unknown%27,%27timeout%27,%27offline%27))")]
    [InlineData("?f=cloudlink~is~not-expected", "((is_online eq false and muster_cloudlink_expected eq false))")]
    [InlineData("?f=cloudlink-since~older~30min", "last_connectivity_event lt now() sub duration'PT30M'")]
    [InlineData("?f=update-since~before~2026-11-22T10:00:00Z", "last_update_status_event lt 2026-11-22T10:00:00.000Z")]
    [InlineData("?f=tag:site~is~Oslo", "device_tag/any(t:t/tag_key eq %27site%27 and (t/value eq %27Oslo%27))")]
    [InlineData("?f=tag:site~empty", "not device_tag/any(t:t/tag_key eq %27site%27 and t/id ne null)")]
    [InlineData("?f=name~contains~O%27Brien!~1", "contains(tolower(device_name),tolower(%27O%27%27Brien~1%27))")]
    [InlineData("?f=temperature~more~-5", "cpu_temp gt -5")]
    [InlineData("?f=target~is~no", "((is_running__release ne should_be_running__release and should_be_running__release ne null))")]
    public void A_filter_says_what_its_words_say(string query, string filter)
    {
        var (view, problems) = DeviceView.Parse(query);
        Assert.Empty(problems);
        Assert.Equal(filter, view.ToFilter(Fleets));
        Assert.Equal(query, view.ToQuery());
    }

    [Theory]
    [InlineData("?f=nonsense~is~x")]
    [InlineData("?f=status~is~asleep")]
    [InlineData("?f=status~contains~up")]
    [InlineData("?f=status~is")]
    [InlineData("?f=temperature~more~hot")]
    [InlineData("?f=created~older~5weeks")]
    [InlineData("?f=created~before~yesterday")]
    [InlineData("?f=")]
    [InlineData("?sort=tag-name")]
    [InlineData("?cols=nonsense")]
    [InlineData("?page=2")]
    public void What_an_address_says_wrong_is_told_and_left_out(string query)
    {
        var (view, problems) = DeviceView.Parse(query);
        Assert.Single(problems);
        Assert.Equal("", view.ToQuery());
    }

    [Fact]
    public void A_change_moves_a_device_only_when_the_view_asks_for_what_changed()
    {
        DeviceView View(string query) => DeviceView.Parse(query).View;
        Assert.True(View("?f=status~is~disconnected").IsMovedBy("overall_status", "operational", "disconnected"));
        Assert.False(View("?f=status~is~disconnected").IsMovedBy("overall_status", "updating", "operational"));
        Assert.True(View("?f=update~is~none").IsMovedBy("update_status", null, "downloading"));
        Assert.False(View("?f=heartbeat~is~online").IsMovedBy("overall_status", "updating", "operational"));
        Assert.True(View("?sort=-status").IsMovedBy("overall_status", "updating", "operational"));
        Assert.False(View("?sort=name").IsMovedBy("overall_status", "updating", "operational"));
        Assert.True(View("?f=cloudlink~is~connected").IsMovedBy("cloudlink", "disconnected", "connected"));
    }

    [Fact]
    public void A_line_of_the_file_follows_RFC_4180_and_no_value_is_a_formula() => Assert.Equal(
        "plain,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",'=1+1,'+49,'-1,'@sum,\"'=a,b\",\r\n",
        Csv.Record(["plain", "a,b", "say \"x\"", "two\nlines", "=1+1", "+49", "-1", "@sum", "=a,b", ""]));

    private static Gen<string[]> Values(DeviceColumn column, FilterOperator comparison)
    {
        if (DeviceFilter.TakesNothing(comparison))
            return Gen.Const(Array.Empty<string>());
        var value = (column.Kind, comparison) switch
        {
            (ColumnKind.Word, _) => Gen.OneOf(column.Words.Select(w => w.Word).ToArray()),
            (ColumnKind.Number, _) => Gen.Long.Select(n => n.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            (ColumnKind.Instant, FilterOperator.Older or FilterOperator.Newer) => Gen.Select(Gen.Int[0, 9999], Gen.OneOf("min", "h", "d"), (n, unit) => $"{n}{unit}"),
            (ColumnKind.Instant, _) => Gen.DateTime[new DateTime(2000, 1, 1), new DateTime(2100, 1, 1)].Select(t => t.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture)),
            _ => Text,
        };
        return DeviceFilter.TakesSeveral(comparison) ? value.Array[1, 4].Select(v => v.Distinct().ToArray()) : value.Select(v => new[] { v });
    }

    private static IEnumerable<string> Literals(Expression expression) => expression switch
    {
        Literal { Value: string text } => [text],
        Binary binary => Literals(binary.Left).Concat(Literals(binary.Right)),
        Not not => Literals(not.Operand),
        In list => Literals(list.Operand).Concat(list.List.SelectMany(Literals)),
        Call call => call.Arguments.SelectMany(Literals),
        Lambda { Body: { } body } => Literals(body),
        _ => [],
    };
}
