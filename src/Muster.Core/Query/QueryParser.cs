using System.Collections.Immutable;

namespace Muster.Core.Query;

/// <summary>
/// Text → tree, by recursive descent. The dialect is OData v4's, and where existing clients leave it, theirs
/// (docs/resource-api.md, "Queries").
/// </summary>
public sealed class QueryParser
{
    private readonly IReadOnlyDictionary<string, Literal> aliases;
    private readonly Tokens tokens;
    private Token current;
    private int depth;
    private int nodes;

    private QueryParser(string text, IReadOnlyDictionary<string, Literal> aliases, int nodes)
    {
        this.aliases = aliases;
        this.nodes = nodes;
        tokens = new Tokens(text);
        current = tokens.Next();
    }

    /// <summary>Parses a path below the version and a query string, both as sent: <c>device(1)</c>, <c>$select=id</c>.</summary>
    /// <exception cref="QuerySyntaxException">It is not of the dialect.</exception>
    public static ResourceQuery Parse(string path, string query)
    {
        if (path.Length + query.Length > QueryBounds.Length)
            throw new QuerySyntaxException($"A query has at most {QueryBounds.Length} characters.", QueryBounds.Length);
        var options = Split(query);
        var aliases = new Dictionary<string, Literal>(StringComparer.Ordinal);
        var extras = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in options)
        {
            if (name.StartsWith('@') && !aliases.TryAdd(name, new QueryParser(value, aliases, 0).Whole(p => p.Constant())))
                throw new QuerySyntaxException($"{name} is given twice.", 0);
            else if (!name.StartsWith('$') && !name.StartsWith('@'))
                extras[name] = value;
        }

        var root = new QueryParser(Uri.UnescapeDataString(path), aliases, 0).Whole(p => p.Root());
        var read = new OptionReader();
        var nodes = 0;
        foreach (var (name, value) in options.Where(o => o.Name.StartsWith('$')))
        {
            // Asked for by some clients; the answer is JSON, and never carries anything beside "d".
            if (name is "$format" or "$count" or "$inlinecount")
                continue;
            var parser = new QueryParser(value, aliases, nodes);
            parser.Whole(p => { read.Option(p, name); return true; });
            nodes = parser.nodes;
        }

        return root with { Options = read.Options, Extras = extras.ToImmutable() };
    }

    /// <summary>Splits before decoding, so that an encoded <c>&amp;</c> or <c>=</c> stays part of its value.</summary>
    private static List<(string Name, string Value)> Split(string query)
    {
        var options = new List<(string, string)>();
        foreach (var part in Cut(query.TrimStart('?')))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            var name = Decode(equals < 0 ? part : part[..equals]);
            var value = equals < 0 ? "" : part[(equals + 1)..];
            // In the dialect a "+" is a space between words and itself inside quotes, which the tokens tell apart.
            options.Add((name, name.StartsWith('$') || name.StartsWith('@') ? Uri.UnescapeDataString(value) : Decode(value)));
        }

        return options;
    }

    /// <summary>The parts between <c>&amp;</c>, except where it is quoted or separates options inside parentheses.</summary>
    private static IEnumerable<string> Cut(string query)
    {
        var (start, depth, isQuoted) = (0, 0, false);
        for (var i = 0; i <= query.Length; i++)
        {
            if (i == query.Length || (query[i] == '&' && depth == 0 && !isQuoted))
            {
                if (i > start)
                    yield return query[start..i];
                (start, depth, isQuoted) = (i + 1, 0, false);
            }
            else if (query[start] is not ('$' or '@' or '%'))
            {
                // Only options of the dialect have quotes and parentheses with a meaning.
            }
            else if (query[i] == '\'' || (query[i] == '%' && query.AsSpan(i).StartsWith("%27", StringComparison.Ordinal)))
            {
                isQuoted = !isQuoted;
            }
            else if (!isQuoted)
            {
                depth = Math.Max(0, depth + (query[i] == '(' ? 1 : query[i] == ')' ? -1 : 0));
            }
        }
    }

    private static string Decode(string text) => Uri.UnescapeDataString(text.Replace('+', ' '));

    private T Whole<T>(Func<QueryParser, T> rule)
    {
        var result = rule(this);
        return current.Kind == TokenKind.End ? result : throw Unexpected();
    }

    // ---- path

    private ResourceQuery Root()
    {
        var query = new ResourceQuery(Name());
        if (Take(TokenKind.Open))
            query = query with { Key = Key() };
        if (!Take(TokenKind.Slash))
            return query;
        var rest = Name();
        return rest == "$count" ? query with { IsCount = true } : query with { Action = rest };
    }

    private ResourceKey Key()
    {
        var parts = ImmutableArray.CreateBuilder<KeyPart>();
        do
        {
            if (current.Kind == TokenKind.Name && !current.Text.StartsWith('@'))
            {
                var name = Name();
                Expect(TokenKind.Equals);
                parts.Add(new KeyPart(name, Constant()));
            }
            else if (parts.Count == 0)
            {
                parts.Add(new KeyPart(null, Constant()));
                break;
            }
            else
            {
                throw Unexpected();
            }
        }
        while (Take(TokenKind.Comma));
        Expect(TokenKind.Close);
        return new ResourceKey(parts.ToImmutable());
    }

    // ---- options

    /// <summary>Collects the options of one level. Of an option that is given twice, the last counts.</summary>
    private sealed class OptionReader
    {
        public QueryOptions Options { get; private set; } = QueryOptions.None;

        public void Option(QueryParser parser, string name)
        {
            Options = name switch
            {
                "$select" => Options with { Select = parser.Select() },
                "$filter" => Options with { Filter = parser.Expression() },
                "$expand" => Options with { Expand = parser.Expands() },
                "$orderby" => Options with { OrderBy = parser.Orders() },
                "$top" => Options with { Top = parser.Whole() },
                "$skip" => Options with { Skip = parser.Whole() },
                "$count" or "$inlinecount" or "$format" => parser.Ignore(Options),
                _ => throw new QuerySyntaxException($"{name} is not known.", parser.current.Position),
            };
        }
    }

    private QueryOptions Ignore(QueryOptions options)
    {
        if (current.Kind is TokenKind.Name or TokenKind.Literal)
            Advance();
        return options;
    }

    private long Whole()
    {
        if (Constant().Value is long and >= 0 and var number)
            return number;
        throw new QuerySyntaxException("A whole number, 0 or more, is needed.", current.Position);
    }

    private ImmutableArray<string> Select()
    {
        var names = ImmutableArray.CreateBuilder<string>();
        do
        {
            Count();
            names.Add(Take(TokenKind.Star) ? "*" : Name());
        }
        while (Take(TokenKind.Comma));
        return names.ToImmutable();
    }

    private ImmutableArray<Order> Orders()
    {
        var orders = ImmutableArray.CreateBuilder<Order>();
        do
        {
            var by = Expression();
            // Without a direction the order is descending, which is where clients of this dialect expect it.
            var descending = !TakeWord("asc");
            if (descending)
                TakeWord("desc");
            orders.Add(new Order(by, descending));
        }
        while (Take(TokenKind.Comma));
        return orders.ToImmutable();
    }

    private ImmutableArray<Expand> Expands()
    {
        using var inner = Deeper();
        var expands = ImmutableArray.CreateBuilder<Expand>();
        do
        {
            Count();
            var name = Name();
            var isCount = Take(TokenKind.Slash);
            if (isCount)
                Expect("$count");
            expands.Add(new Expand(name, isCount, Take(TokenKind.Open) ? Nested() : QueryOptions.None));
        }
        while (Take(TokenKind.Comma));
        return expands.ToImmutable();
    }

    /// <summary>Options in parentheses, after the opening one.</summary>
    private QueryOptions Nested()
    {
        var read = new OptionReader();
        if (Take(TokenKind.Close))
            return QueryOptions.None;
        do
        {
            var name = Name();
            Expect(TokenKind.Equals);
            read.Option(this, name);
        }
        while (Take(TokenKind.Semicolon));
        Expect(TokenKind.Close);
        return read.Options;
    }

    // ---- expressions, loosest first

    private Expression Expression()
    {
        using var inner = Deeper();
        var left = Conjunction();
        while (TakeWord("or"))
            left = Made(new Binary(BinaryOperator.Or, left, Conjunction()));
        return left;
    }

    private Expression Conjunction()
    {
        var left = Negation();
        while (TakeWord("and"))
            left = Made(new Binary(BinaryOperator.And, left, Negation()));
        return left;
    }

    private Expression Negation()
    {
        if (!TakeWord("not"))
            return Comparison();
        using var inner = Deeper();
        return Made(new Not(Negation()));
    }

    private Expression Comparison()
    {
        var left = Sum();
        if (current.Kind != TokenKind.Name)
            return left;
        if (TakeWord("in"))
            return Made(new In(left, List()));
        BinaryOperator? comparison = current.Text switch
        {
            "eq" => BinaryOperator.Equal,
            "ne" => BinaryOperator.NotEqual,
            "gt" => BinaryOperator.Greater,
            "ge" => BinaryOperator.GreaterOrEqual,
            "lt" => BinaryOperator.Less,
            "le" => BinaryOperator.LessOrEqual,
            _ => null,
        };
        if (comparison is null)
            return left;
        Advance();
        return Made(new Binary(comparison.Value, left, Sum()));
    }

    private ImmutableArray<Expression> List()
    {
        Expect(TokenKind.Open);
        var list = ImmutableArray.CreateBuilder<Expression>();
        do
            list.Add(Sum());
        while (Take(TokenKind.Comma));
        Expect(TokenKind.Close);
        return list.ToImmutable();
    }

    private Expression Sum()
    {
        var left = Product();
        for (var terms = 1; ; terms++)
        {
            Bounded(terms);
            if (TakeWord("add"))
                left = Made(new Binary(BinaryOperator.Add, left, Product()));
            else if (TakeWord("sub"))
                left = Made(new Binary(BinaryOperator.Subtract, left, Product()));
            else
                return left;
        }
    }

    private Expression Product()
    {
        var left = Primary();
        for (var factors = 1; ; factors++)
        {
            Bounded(factors);
            if (TakeWord("mul"))
                left = Made(new Binary(BinaryOperator.Multiply, left, Primary()));
            else if (TakeWord("div"))
                left = Made(new Binary(BinaryOperator.Divide, left, Primary()));
            else if (TakeWord("mod"))
                left = Made(new Binary(BinaryOperator.Modulo, left, Primary()));
            else
                return left;
        }
    }

    private Expression Primary()
    {
        if (current.Kind == TokenKind.Literal)
            return Made(Constant());
        if (Take(TokenKind.Open))
        {
            var inner = Expression();
            Expect(TokenKind.Close);
            return inner;
        }

        if (current is { Kind: TokenKind.Name } && current.Text.StartsWith('@'))
            return Made(Constant());
        var name = Name();
        if (Take(TokenKind.Open))
            return Made(new Call(name, Arguments()));
        var parts = ImmutableArray.Create(name);
        while (Take(TokenKind.Slash))
        {
            var next = Name();
            if (next == "$count")
                return Made(new CountOf(new Path(parts), Take(TokenKind.Open) ? Nested().Filter : null));
            if (next is "any" or "all" && Take(TokenKind.Open))
                return Made(LambdaOver(new Path(parts), next == "all"));
            parts = parts.Add(next);
        }

        return Made(new Path(parts));
    }

    private Lambda LambdaOver(Path rows, bool all)
    {
        if (Take(TokenKind.Close))
            return all ? throw Unexpected() : new Lambda(rows, All: false, null, null);
        var variable = Name();
        Expect(TokenKind.Colon);
        var body = Expression();
        Expect(TokenKind.Close);
        return new Lambda(rows, all, variable, body);
    }

    private ImmutableArray<Expression> Arguments()
    {
        if (Take(TokenKind.Close))
            return [];
        var arguments = ImmutableArray.CreateBuilder<Expression>();
        do
            arguments.Add(Expression());
        while (Take(TokenKind.Comma));
        Expect(TokenKind.Close);
        return arguments.ToImmutable();
    }

    /// <summary>A literal, or what a parameter alias stands for.</summary>
    private Literal Constant()
    {
        if (current.Kind == TokenKind.Literal)
        {
            var value = current.Value;
            Advance();
            return value is null ? Literal.Null : new Literal(value);
        }

        if (current.Kind == TokenKind.Name && aliases.TryGetValue(current.Text, out var literal))
        {
            Advance();
            return literal;
        }

        throw Unexpected();
    }

    // ---- tokens

    private T Made<T>(T node)
        where T : Expression
    {
        Count();
        return node;
    }

    private void Count()
    {
        if (++nodes > QueryBounds.Nodes)
            throw new QuerySyntaxException($"A query has at most {QueryBounds.Nodes} parts.", current.Position);
    }

    private Depth Deeper()
    {
        Bounded(++depth);
        return new Depth(this);
    }

    private void Bounded(int levels)
    {
        if (levels > QueryBounds.Depth)
            throw new QuerySyntaxException($"A query is at most {QueryBounds.Depth} deep.", current.Position);
    }

    private readonly struct Depth(QueryParser parser) : IDisposable
    {
        public void Dispose() => parser.depth--;
    }

    private string Name()
    {
        if (current.Kind != TokenKind.Name)
            throw Unexpected();
        var name = current.Text;
        Advance();
        return name;
    }

    private bool Take(TokenKind kind)
    {
        if (current.Kind != kind)
            return false;
        Advance();
        return true;
    }

    private bool TakeWord(string word)
    {
        if (current.Kind != TokenKind.Name || current.Text != word)
            return false;
        Advance();
        return true;
    }

    private void Expect(TokenKind kind)
    {
        if (!Take(kind))
            throw Unexpected();
    }

    private void Expect(string word)
    {
        if (!TakeWord(word))
            throw Unexpected();
    }

    private void Advance() => current = tokens.Next();

    private QuerySyntaxException Unexpected() =>
        new(current.Kind == TokenKind.End ? "The query ends too early." : $"Unexpected '{(current.Kind == TokenKind.Name ? current.Text : current.Value ?? current.Kind)}'.", current.Position);
}
