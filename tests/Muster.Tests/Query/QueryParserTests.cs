using CsCheck;
using Muster.Core.Query;

namespace Muster.Tests.Query;

public sealed class QueryParserTests
{
    public static TheoryData<string, string> Texts => new()
    {
        { "a eq 1 or b eq 2 and c eq 3", "((a eq 1) or ((b eq 2) and (c eq 3)))" },
        { "not a eq 1 and b", "((not((a eq 1))) and b)" },
        { "not(a) or b", "((not(a)) or b)" },
        { "a add 2 mul 3 gt 7", "((a add (2 mul 3)) gt 7)" },
        { "a sub 1 sub 2 eq 3", "(((a sub 1) sub 2) eq 3)" },
        { "id in (7)", "(id in (7))" },
        { "x/any(x:x/y eq 'it''s')", "x/any(x:(x/y eq 'it''s'))" },
        { "x/any()", "x/any()" },
        { "x/all(d:1 eq 1)", "x/all(d:(1 eq 1))" },
        { "x/$count($filter=a eq 'b') gt 0", "(x/$count($filter=(a eq 'b')) gt 0)" },
        { "created_at lt (now() add duration'PT1H')", "(created_at lt (now() add duration'PT1H'))" },
        { "created_at ge datetime'2026-11-15T00:00:00.0Z'", "(created_at ge datetime'2026-11-15T00:00:00.000Z')" },
        { "created_at ge 2026-11-15", "(created_at ge datetime'2026-11-15T00:00:00.000Z')" },
        { "a eq -5", "(a eq -5)" },
        { "a eq 1.5", "(a eq 1.5)" },
        { "a eq null or a ne true", "((a eq null) or (a ne true))" },
        { "  ( a  eq  1 ) ", "(a eq 1)" },
    };

    [Theory, MemberData(nameof(Texts))]
    public void A_filter_means_what_it_says(string filter, string meant) =>
        Assert.Equal(meant, QueryText.Of(QueryParser.Parse("device", $"$filter={Uri.EscapeDataString(filter)}").Options.Filter!));

    [Theory]
    [InlineData("$filter=(id%20eq%201")]
    [InlineData("$filter=id%20eq")]
    [InlineData("$filter=((")]
    [InlineData("$filter=device_name%20eq%20'x'%20or%201=1;drop%20table%20device--")]
    [InlineData("$filter=a%20eq%20'x")]
    [InlineData("$filter=a%20eq%201)")]
    [InlineData("$filter=")]
    [InlineData("$filter=a%20eq%20@missing")]
    [InlineData("$filter=a%20eq%20datetime'soon'")]
    [InlineData("$filter=a%20eq%20duration'long'")]
    [InlineData("$filter=a;b")]
    [InlineData("$top=-1")]
    [InlineData("$top=x")]
    [InlineData("$top=1.5")]
    [InlineData("$skip=-1")]
    [InlineData("$select=a,")]
    [InlineData("$select=")]
    [InlineData("$expand=a($top=1")]
    [InlineData("$expand=a($nope=1)")]
    [InlineData("$expand=a/b")]
    [InlineData("$nope=1")]
    [InlineData("@a=1&@a=2")]
    [InlineData("$filter=a/all()")]
    [InlineData("$filter=%22")]
    public void What_is_not_of_the_dialect_is_refused(string query) =>
        Assert.Throws<QuerySyntaxException>(() => QueryParser.Parse("device", query));

    [Theory]
    [InlineData("")]
    [InlineData("device(")]
    [InlineData("device()")]
    [InlineData("device(1)(2)")]
    [InlineData("device(1,2)")]
    [InlineData("device(uuid=)")]
    [InlineData("device(a='1',2)")]
    [InlineData("device/$count/x")]
    [InlineData("device;drop")]
    public void A_path_that_leads_nowhere_is_refused(string path) =>
        Assert.Throws<QuerySyntaxException>(() => QueryParser.Parse(path, ""));

    [Theory]
    [InlineData("application(slug='admin%2Ffleet')")]
    [InlineData("application(slug='admin/fleet')")]
    [InlineData("application(slug=%27admin%2Ffleet%27)")]
    public void A_slash_in_a_key_is_part_of_it(string path) =>
        Assert.Equal("admin/fleet", QueryParser.Parse(path, "").Key!.Parts[0].Value.Value);

    [Fact]
    public void An_encoded_ampersand_does_not_end_its_value() =>
        Assert.Equal("contains(a,'%20&=')", QueryText.Of(QueryParser.Parse("device", "$filter=contains(a,%27%2520%26%3D%27)&$top=1").Options.Filter!));

    [Theory]
    [InlineData("$filter=a+eq+'1.0.0+rev1'", "(a eq '1.0.0+rev1')")]
    [InlineData("$filter=a+eq+%271.0.0%2Brev1%27", "(a eq '1.0.0+rev1')")]
    [InlineData("$filter=a eq 'x&y' and b eq '(' and c eq 1&$top=1", "(((a eq 'x&y') and (b eq '(')) and (c eq 1))")]
    [InlineData("$filter=a%20ge%202026-11-15T02:00:00+02:00", "(a ge datetime'2026-11-15T00:00:00.000Z')")]
    [InlineData("%24filter=a eq 1", "(a eq 1)")]
    [InlineData("apikey=it's(&$filter=a eq 1", "(a eq 1)")]
    public void Plus_and_ampersand_are_themselves_inside_quotes(string query, string meant) =>
        Assert.Equal(meant, QueryText.Of(QueryParser.Parse("device", query).Options.Filter!));

    [Fact]
    public void Other_options_are_kept_apart() =>
        Assert.Equal("false", QueryParser.Parse("device_tag", "returnResource=false&$select=id").Extras["returnResource"]);

    [Fact]
    public void A_query_beyond_its_bounds_is_refused()
    {
        foreach (var filter in new[]
        {
            new string('(', 500) + "a" + new string(')', 500),
            string.Concat(Enumerable.Repeat("not ", 500)) + "a",
            string.Join(" or ", Enumerable.Repeat("a eq 1", 5000)),
            string.Join(" add ", Enumerable.Repeat("1", 500)) + " eq 1",
            $"a in ({string.Join(',', Enumerable.Range(0, 5000))})",
            $"a eq '{new string('x', 70_000)}'",
        })
        {
            Assert.Throws<QuerySyntaxException>(() => QueryParser.Parse("device", "$filter=" + Uri.EscapeDataString(filter)));
        }

        var expand = string.Concat(Enumerable.Repeat("a($expand=", 100)) + "a" + new string(')', 100);
        Assert.Throws<QuerySyntaxException>(() => QueryParser.Parse("device", "$expand=" + expand));
    }

    [Fact]
    public void The_widest_queries_of_known_clients_are_within_the_bounds()
    {
        QueryParser.Parse("device", $"$filter=id%20in%20({string.Join(',', Enumerable.Range(1_000_000, 200))})");
        QueryParser.Parse("device", $"$filter=uuid%20in%20({string.Join(',', Enumerable.Repeat($"%27{new string('a', 62)}%27", 50))})");
    }

    /// <summary>Numbers in a list may have their signs where a date has its dashes.</summary>
    [Theory]
    [InlineData("(0.0,-5,-12)")]
    [InlineData("(1234,-5,-67)")]
    public void Numbers_that_look_like_a_date_from_afar_are_numbers(string list) =>
        Assert.Equal($"$filter=(id in {list})", QueryText.Of(QueryParser.Parse("device", $"$filter=id%20in%20{list}").Options));

    [Fact]
    public void Any_tree_survives_being_written_and_read() =>
        AnyOptions.Sample(options =>
        {
            var text = QueryText.Of(options);
            var query = string.Join('&', SplitTop(text).Select(o => o[..(o.IndexOf('=', StringComparison.Ordinal) + 1)] + Uri.EscapeDataString(o[(o.IndexOf('=', StringComparison.Ordinal) + 1)..])));
            Assert.Equal(text, QueryText.Of(QueryParser.Parse("device", query).Options));
        }, iter: 2000);

    [Fact]
    public void Any_text_is_parsed_or_refused_and_nothing_else() =>
        Gen.OneOf(Gen.String, Gen.Char["()',;/=:$@ abdeiqnorxy019.-*%+"].Array[0, 60].Select(c => new string(c))).Sample(text =>
        {
            try
            {
                QueryParser.Parse("device", "$filter=" + text);
                QueryParser.Parse("device", "$expand=" + text);
                QueryParser.Parse(text, "");
            }
            catch (QuerySyntaxException)
            {
                // Refused.
            }
        }, iter: 20_000);

    /// <summary>Splits at semicolons that stand outside parentheses and quotes.</summary>
    private static IEnumerable<string> SplitTop(string options)
    {
        var (depth, quoted, start) = (0, false, 0);
        for (var i = 0; i < options.Length; i++)
        {
            quoted ^= options[i] == '\'';
            depth += quoted ? 0 : options[i] switch { '(' => 1, ')' => -1, _ => 0 };
            if (depth == 0 && !quoted && options[i] == ';')
            {
                yield return options[start..i];
                start = i + 1;
            }
        }

        if (start < options.Length)
            yield return options[start..];
    }

    private static readonly string[] Names = ["id", "uuid", "device_name", "belongs_to__application", "d", "x1"];

    private static readonly Gen<string> Name = Gen.Int[0, 5].Select(i => Names[i]);

    private static readonly Gen<Expression> Leaf = Gen.OneOf(
        Gen.Long.Select(n => (Expression)new Literal(n)),
        Gen.Int.Select(n => (Expression)new Literal(n / 8.0)),
        Gen.String.Select(s => (Expression)new Literal(s)),
        Gen.Bool.Select(b => (Expression)new Literal(b)),
        Gen.Long[0, 4_000_000_000_000].Select(ms => (Expression)new Literal(new Instant(ms))),
        Gen.Long[0, 1_000_000_000].Select(ms => (Expression)new Literal(new Duration(ms))),
        Gen.Const((Expression)Literal.Null),
        Name.Array[1, 3].Select(parts => (Expression)new Muster.Core.Query.Path([.. parts])));

    private static readonly Gen<Expression> AnyExpression = Gen.Recursive<Expression>((depth, inner) => depth > 3 ? Leaf : Gen.Frequency(
        (3, Leaf),
        (4, Gen.Select(Gen.Enum<BinaryOperator>(), inner, inner, (o, l, r) => (Expression)new Binary(o, l, r))),
        (1, inner.Select(e => (Expression)new Not(e))),
        (1, Gen.Select(inner, inner.Array[1, 4], (e, list) => (Expression)new In(e, [.. list]))),
        (1, Gen.Select(Name, inner.Array[0, 3], (n, a) => (Expression)new Call(n, [.. a]))),
        (1, Gen.Select(Name, inner, (n, f) => (Expression)new CountOf(new Muster.Core.Query.Path([n]), f))),
        (1, Gen.Select(Name, Gen.Bool, Name, inner, (n, all, v, b) => (Expression)new Lambda(new Muster.Core.Query.Path([n]), all, v, b)))));

    private static readonly Gen<QueryOptions> AnyOptions = Gen.Recursive<QueryOptions>((depth, inner) => Gen.Select(
        Name.Array[0, 3], AnyExpression.Null(0.5), depth > 2 ? Gen.Const(Array.Empty<Expand>()) : Gen.Select(Name, Gen.Bool, inner, (n, c, o) => new Expand(n, c, o)).Array[0, 2],
        Gen.Select(AnyExpression, Gen.Bool, (e, d) => new Order(e, d)).Array[0, 2], Gen.Long[-1, 100],
        (select, filter, expand, order, top) => new QueryOptions
        {
            Select = select.Length == 0 ? null : [.. select],
            Filter = filter,
            Expand = [.. expand],
            OrderBy = [.. order],
            Top = top < 0 ? null : top,
        }));
}
