using System.Collections.Frozen;
using System.Globalization;
using Muster.Core.Query;

namespace Muster.Storage.Resources;

// Filters and orders: tree → SQL. Comparisons follow OData: "ne" includes nulls, and "not" of an unknown is true.
internal sealed partial class Compilation
{
    private const string Day = "86400000";

    /// <summary>The first and the last instant that a date of four digits can say, Unix ms.</summary>
    private static readonly long Earliest = DateTimeOffset.MinValue.ToUnixTimeMilliseconds();
    private static readonly long Latest = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    private string Condition(Expression expression, Names names)
    {
        // A client may chain hundreds of comparisons; as a balanced tree they stay within the databases' depth.
        if (expression is Binary { Operator: BinaryOperator.And or BinaryOperator.Or } chain)
        {
            var terms = new List<string>();
            Expression left = chain;
            for (; left is Binary next && next.Operator == chain.Operator; left = next.Left)
                terms.Add(Condition(next.Right, names));
            terms.Add(Condition(left, names));
            terms.Reverse();
            return Balanced(terms, 0, terms.Count, chain.Operator == BinaryOperator.And ? " AND " : " OR ");
        }

        return AsCondition(Operand(expression, names)).Sql;
    }

    private static string Balanced(List<string> terms, int from, int to, string word)
    {
        if (to - from == 1)
            return terms[from];
        var middle = from + ((to - from) / 2);
        return $"({Balanced(terms, from, middle, word)}{word}{Balanced(terms, middle, to, word)})";
    }

    private static Operand AsCondition(Operand operand) => operand switch
    {
        { Kind: OperandKind.Condition } => operand,
        { Kind: OperandKind.Flag } => new Operand(OperandKind.Condition, $"{operand.Sql} = 1"),
        { Kind: OperandKind.Constant, Constant: bool flag } => Known(flag),
        _ => throw QueryRefusedException.Invalid("A condition is needed."),
    };

    private static Operand Known(bool truth) => new(OperandKind.Condition, truth ? "(1 = 1)" : "(1 = 0)") { IsTwoValued = true };

    /// <summary>An operand as a value that can be ordered by or compared.</summary>
    private Operand Value(Expression expression, Names names)
    {
        var operand = Operand(expression, names);
        return operand.Kind is OperandKind.Constant or OperandKind.Condition ? throw QueryRefusedException.Invalid("A property is needed.") : operand;
    }

    private Operand Operand(Expression expression, Names names) => expression switch
    {
        Literal literal => new Operand(OperandKind.Constant, "") { Constant = literal.Value },
        Core.Query.Path path => Property(path, names),
        CountOf count => new Operand(OperandKind.Number, Rows(count.Rows, names, null, count.Filter, (from, where) => $"(SELECT count(*) FROM {from} WHERE {where})")),
        Lambda lambda => LambdaOver(lambda, names),
        Not not => Negated(AsCondition(Operand(not.Operand, names))),
        In list => OneOf(list, names),
        Call call => Function(call, names),
        Binary { Operator: BinaryOperator.And or BinaryOperator.Or } => new Operand(OperandKind.Condition, Condition(expression, names)),
        Binary { Operator: >= BinaryOperator.Add } sum => Arithmetic(sum.Operator, Operand(sum.Left, names), Operand(sum.Right, names)),
        Binary comparison => Comparison(comparison.Operator, Operand(comparison.Left, names), Operand(comparison.Right, names)),
        _ => throw QueryRefusedException.Invalid("That cannot be compared."),
    };

    private static Operand Negated(Operand condition) =>
        new(OperandKind.Condition, condition.IsTwoValued ? $"(NOT {condition.Sql})" : $"(({condition.Sql}) IS NOT TRUE)") { IsTwoValued = true };

    // ---- properties, lambdas, counts

    private Operand Property(Core.Query.Path path, Names names)
    {
        var (from, rest) = names.Start(path);
        if (rest.Length == 1)
            return FieldOperand(from, Field(from, rest[0]));
        var (tables, conditions, last) = Walk(from, rest[..^1], onlySingle: true);
        var field = FieldOperand(last, Field(last, rest[^1]));
        return field with { Sql = $"(SELECT {field.Sql} FROM {tables} WHERE {conditions})", IsNullable = true, Of = null };
    }

    private Operand FieldOperand(Source source, Field field) =>
        new(field.Type switch
        {
            FieldType.Number or FieldType.Size or FieldType.Reference => OperandKind.Number,
            FieldType.Flag => OperandKind.Flag,
            FieldType.Instant => OperandKind.Instant,
            _ => OperandKind.Text,
        }, Sql(field, source.Alias))
        {
            IsNullable = field.IsNullable,
            Of = (field, source.Alias),
        };

    private Operand LambdaOver(Lambda lambda, Names names) =>
        new(OperandKind.Condition, Rows(lambda.Rows, names, lambda.Variable, lambda.Body, (from, where) => $"EXISTS (SELECT 1 FROM {from} WHERE {where})", lambda.All)) { IsTwoValued = true };

    /// <summary>The rows that a path leads to, narrowed by a filter in which they may have a name of their own.</summary>
    private string Rows(Core.Query.Path path, Names names, string? variable, Expression? filter, Func<string, string, string> text, bool all = false)
    {
        var (from, rest) = names.Start(path);
        var (tables, conditions, last) = Walk(from, rest, onlySingle: false, asked: variable is null ? null : filter);
        if (filter is not null)
        {
            var inner = variable is null ? new Names(last) : names.With(variable, last);
            // "All" asks that no row fails.
            conditions += " AND " + Filter(all ? new Not(filter) : filter, inner, conditions);
        }

        var sql = text(tables, conditions);
        return all ? $"(NOT {sql})" : sql;
    }

    /// <summary>Along navigations from a row: the tables, what joins them, and the last row.</summary>
    /// <param name="asked">What a lambda asks of the last row, if it is one.</param>
    private (string Tables, string Conditions, Source Last) Walk(Source from, IEnumerable<string> path, bool onlySingle, Expression? asked = null)
    {
        var tables = new List<string>();
        var conditions = new List<string>();
        foreach (var name in path)
        {
            var way = Way(from, name);
            if (onlySingle && way.IsCollection)
                throw QueryRefusedException.Invalid($"'{name}' has any number of rows.");
            var withHosts = from.WithHosts || (way.HostsBy is { } field && asked?.Names(field) == true);
            var (next, condition) = Follow(from, way);
            from = next with { WithHosts = withHosts && next.Resource.HostRow is not null };
            tables.Add($"{(from.WithHosts ? AlsoHosts(from.Resource) : from.Resource.Table)} {from.Alias}");
            conditions.Add(condition);
        }

        return (string.Join(", ", tables), string.Join(" AND ", conditions), from);
    }

    /// <summary>The rows of a resource and the host row of each device type.</summary>
    private string AlsoHosts(Resource resource)
    {
        var columns = resource.Fields.Where(f => f.Column is not null).Select(f => f.Column!).Distinct().ToList();
        var hosts = columns.Select(c => resource.HostRow!.GetValueOrDefault(c, "NULL").Replace("{h}", "h", StringComparison.Ordinal));
        return $"(SELECT {string.Join(", ", columns.Select(dialect.Quote))} FROM {resource.Table} UNION ALL SELECT {string.Join(", ", hosts)} FROM device_type h)";
    }

    // ---- comparisons

    private Operand OneOf(In list, Names names)
    {
        var operand = Operand(list.Operand, names);
        var constants = list.List.Select(e => Operand(e, names)).ToList();
        if (operand.Kind is OperandKind.Text or OperandKind.Number)
            constants.RemoveAll(c => c.Kind == OperandKind.Constant && c.Constant is not null && !CanEqual(operand.Kind, c.Constant));
        if (constants.Count == 0)
            return Known(false);
        if (operand.Kind == OperandKind.Constant || operand.Of is { Field.EqualTo: not null } || constants.Any(c => c.Kind != OperandKind.Constant || c.Constant is null))
        {
            var each = constants.Select(c => Comparison(BinaryOperator.Equal, operand, c).Sql).ToList();
            return new Operand(OperandKind.Condition, Balanced(each, 0, each.Count, " OR "));
        }

        return new Operand(OperandKind.Condition, $"{Plain(operand).Sql} IN ({string.Join(", ", constants.Select(c => Bound(c, Plain(operand).Kind)))})");
    }

    private string EqualTo(Operand operand, Literal constant) =>
        Comparison(BinaryOperator.Equal, operand, new Operand(OperandKind.Constant, "") { Constant = constant.Value }).Sql;

    private Operand Comparison(BinaryOperator comparison, Operand left, Operand right)
    {
        if (left.Kind == OperandKind.Constant && right.Kind == OperandKind.Constant)
            return Known(Compare(comparison, left.Constant, right.Constant));
        if (left.Kind == OperandKind.Constant)
            return Comparison(Mirrored(comparison), right, left);
        if (left.Kind == OperandKind.Condition || right.Kind == OperandKind.Condition)
            return SameTruth(comparison, left, right);
        var isEqual = comparison == BinaryOperator.Equal;
        if (right is { Kind: OperandKind.Constant, Constant: null })
        {
            return comparison is BinaryOperator.Equal or BinaryOperator.NotEqual
                ? new Operand(OperandKind.Condition, $"{left.Sql} IS {(isEqual ? "" : "NOT ")}NULL") { IsTwoValued = true }
                : Known(false);
        }

        // A text and a number are never equal, and neither comes before the other.
        if (right.Kind == OperandKind.Constant ? !CanEqual(left.Kind, right.Constant) : (left.Kind, right.Kind) is (OperandKind.Text, OperandKind.Number) or (OperandKind.Number, OperandKind.Text))
            return Known(comparison == BinaryOperator.NotEqual);
        if (right.Kind == OperandKind.Constant)
        {
            if (isEqual && left.Of is { Field.EqualTo: { } form } of)
                return new Operand(OperandKind.Condition, form.Replace("{t}", of.Alias, StringComparison.Ordinal).Replace("{v}", Bound(right, left.Kind), StringComparison.Ordinal));
            right = new Operand(left.Kind, Bound(right, left.Kind));
        }
        else if (left.Kind != right.Kind)
        {
            throw QueryRefusedException.Invalid("Values of different types are compared.");
        }

        return comparison switch
        {
            BinaryOperator.Equal when left.IsNullable && right.IsNullable => new Operand(OperandKind.Condition, $"{left.Sql} IS NOT DISTINCT FROM {right.Sql}") { IsTwoValued = true },
            BinaryOperator.NotEqual when left.IsNullable || right.IsNullable => new Operand(OperandKind.Condition, $"{left.Sql} IS DISTINCT FROM {right.Sql}") { IsTwoValued = true },
            _ => new Operand(OperandKind.Condition, $"{left.Sql} {Sign(comparison)} {right.Sql}"),
        };
    }

    /// <summary>Whether a constant is of a kind that can equal such a value: a text that is no number equals no number, a number no text.</summary>
    private static bool CanEqual(OperandKind kind, object? constant) => (kind, constant) switch
    {
        (OperandKind.Number, string text) => NumberIn(text) is not null,
        (OperandKind.Text, long or double) => false,
        _ => true,
    };

    private static object? NumberIn(string text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) ? whole
        : double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out var real) && double.IsFinite(real) ? real
        : null;

    /// <summary>A condition compared with true, false or another condition.</summary>
    private static Operand SameTruth(BinaryOperator comparison, Operand left, Operand right)
    {
        if (comparison is not (BinaryOperator.Equal or BinaryOperator.NotEqual))
            throw QueryRefusedException.Invalid("Conditions have no order.");
        if (right is { Kind: OperandKind.Constant, Constant: bool truth })
            return truth == (comparison == BinaryOperator.Equal) ? left : Negated(left);
        var (a, b) = (AsCondition(left).Sql, AsCondition(right).Sql);
        return new Operand(OperandKind.Condition, $"((({a}) IS TRUE) {Sign(comparison)} (({b}) IS TRUE))") { IsTwoValued = true };
    }

    private static bool Compare(BinaryOperator comparison, object? left, object? right)
    {
        if (comparison is BinaryOperator.Equal or BinaryOperator.NotEqual)
            return Equals(Widened(left), Widened(right)) == (comparison == BinaryOperator.Equal);
        var order = (Widened(left), Widened(right)) switch
        {
            (double a, double b) => a.CompareTo(b),
            (string a, string b) => string.CompareOrdinal(a, b),
            (Instant a, Instant b) => a.Milliseconds.CompareTo(b.Milliseconds),
            (null, _) or (_, null) or (string, double) or (double, string) => (int?)null,
            _ => throw QueryRefusedException.Invalid("Values of different types are compared."),
        };
        return comparison switch
        {
            BinaryOperator.Greater => order > 0,
            BinaryOperator.GreaterOrEqual => order >= 0,
            BinaryOperator.Less => order < 0,
            _ => order <= 0,
        };
    }

    private static object? Widened(object? value) => value is long whole ? (double)whole : value;

    private static BinaryOperator Mirrored(BinaryOperator comparison) => comparison switch
    {
        BinaryOperator.Greater => BinaryOperator.Less,
        BinaryOperator.GreaterOrEqual => BinaryOperator.LessOrEqual,
        BinaryOperator.Less => BinaryOperator.Greater,
        BinaryOperator.LessOrEqual => BinaryOperator.GreaterOrEqual,
        _ => comparison,
    };

    private static string Sign(BinaryOperator sign) => sign switch
    {
        BinaryOperator.Equal => "=",
        BinaryOperator.NotEqual => "<>",
        BinaryOperator.Greater => ">",
        BinaryOperator.GreaterOrEqual => ">=",
        BinaryOperator.Less => "<",
        BinaryOperator.LessOrEqual => "<=",
        BinaryOperator.Add => "+",
        BinaryOperator.Subtract => "-",
        BinaryOperator.Multiply => "*",
        BinaryOperator.Divide => "/",
        _ => "%",
    };

    /// <summary>A constant as a parameter of the type it is compared with.</summary>
    private string Bound(Operand constant, OperandKind kind) => (kind, constant.Constant) switch
    {
        (OperandKind.Number, long number) => Parts.Parameter(number),
        (OperandKind.Number, double number) => Parts.Parameter(number),
        (OperandKind.Number, string text) when NumberIn(text) is { } number => Parts.Parameter(number),
        (OperandKind.Text, string text) => Parts.Parameter(Storable(text)),
        (OperandKind.Flag, bool flag) => flag ? "1" : "0",
        (OperandKind.Flag, long and (0 or 1) and var flag) => flag == 1 ? "1" : "0",
        (OperandKind.Flag, "true" or "1") => "1",
        (OperandKind.Flag, "false" or "0") => "0",
        (OperandKind.Instant, Instant instant) => Parts.Parameter(instant.Milliseconds),
        (OperandKind.Instant, string text) when QueryTime.Instant(text) is { } instant => Parts.Parameter(instant.Milliseconds),
        (OperandKind.Duration, Duration duration) => Parts.Parameter(duration.Milliseconds),
        (OperandKind.Duration, string text) when QueryTime.Duration(text) is { } duration => Parts.Parameter(duration.Milliseconds),
        _ => throw QueryRefusedException.Invalid($"'{constant.Constant}' is not of the type it is compared with."),
    };

    /// <summary>PostgreSQL has no U+0000 in text, so no value of ours equals a text with one.</summary>
    private static string Storable(string text) =>
        text.Contains('\0', StringComparison.Ordinal) ? throw QueryRefusedException.Invalid("Text cannot hold the character U+0000.") : text;

    /// <summary>A constant that meets no other operand, by its own type.</summary>
    private Operand Plain(Operand operand) => operand.Kind != OperandKind.Constant ? operand : operand.Constant switch
    {
        long or double => new Operand(OperandKind.Number, Bound(operand, OperandKind.Number)),
        string => new Operand(OperandKind.Text, Bound(operand, OperandKind.Text)),
        Instant => new Operand(OperandKind.Instant, Bound(operand, OperandKind.Instant)),
        Duration => new Operand(OperandKind.Duration, Bound(operand, OperandKind.Duration)),
        bool => new Operand(OperandKind.Flag, Bound(operand, OperandKind.Flag)),
        _ => throw QueryRefusedException.Invalid("A value is needed."),
    };

    // ---- arithmetic and functions

    private Operand Arithmetic(BinaryOperator sign, Operand left, Operand right)
    {
        computations++;
        left = Plain(left);
        right = Plain(right);
        OperandKind? kind = (left.Kind, sign, right.Kind) switch
        {
            (OperandKind.Number, _, OperandKind.Number) => OperandKind.Number,
            (OperandKind.Instant, BinaryOperator.Add or BinaryOperator.Subtract, OperandKind.Duration) => OperandKind.Instant,
            (OperandKind.Duration, BinaryOperator.Add, OperandKind.Instant) => OperandKind.Instant,
            (OperandKind.Instant, BinaryOperator.Subtract, OperandKind.Instant) => OperandKind.Duration,
            (OperandKind.Duration, BinaryOperator.Add or BinaryOperator.Subtract, OperandKind.Duration) => OperandKind.Duration,
            _ => null,
        };
        if (kind is null)
            throw QueryRefusedException.Invalid("These values cannot be added.");
        // Division by zero is null on both databases.
        var divides = sign is BinaryOperator.Divide or BinaryOperator.Modulo;
        return new Operand(kind.Value, $"({left.Sql} {Sign(sign)} {(divides ? $"NULLIF({right.Sql}, 0)" : right.Sql)})") { IsNullable = divides || left.IsNullable || right.IsNullable };
    }

    /// <summary>Functions that no row's values make fail.</summary>
    private static readonly FrozenSet<string> NeverFail = FrozenSet.Create(StringComparer.Ordinal,
        "now", "contains", "substringof", "startswith", "endswith", "tolower", "toupper", "trim", "concat", "substring", "length");

    private Operand Function(Call call, Names names)
    {
        if (!NeverFail.Contains(call.Function))
            computations++;
        var arguments = call.Arguments.Select(a => Operand(a, names)).ToList();
        return (call.Function, arguments) switch
        {
            ("now", []) => new Operand(OperandKind.Instant, Parts.Parameter(now)),
            ("mindatetime", []) => new Operand(OperandKind.Instant, Parts.Parameter(Earliest)),
            ("maxdatetime", []) => new Operand(OperandKind.Instant, Parts.Parameter(Latest)),
            ("contains", [var text, var part]) => new Operand(OperandKind.Condition, dialect.Contains(Text(text), Text(part))),
            ("substringof", [var part, var text]) => new Operand(OperandKind.Condition, dialect.Contains(Text(text), Text(part))),
            ("startswith", [var text, var part]) => StartsWith(text, part),
            ("endswith", [var text, var part]) => EndsWith(Text(text), Text(part)),
            ("indexof", [var text, var part]) => new Operand(OperandKind.Number, $"({dialect.Position(Text(text), Text(part))} - 1)") { IsNullable = text.IsNullable || part.IsNullable },
            ("tolower", [var text]) => Textual(text, SqlDialect.Lower),
            ("toupper", [var text]) => Textual(text, SqlDialect.Upper),
            ("replace", [var text, var old, var with]) => new Operand(OperandKind.Text, $"replace({Text(text)}, {Text(old)}, {Text(with)})") { IsNullable = true },
            ("trim", [var text]) => Textual(text, t => $"trim({t})"),
            ("concat", [var a, var b]) => new Operand(OperandKind.Text, $"({Text(a)} || {Text(b)})") { IsNullable = true },
            ("substring", [var text, var start]) => Textual(text, t => $"substr({t}, 1 + {Number(start)})"),
            ("substring", [var text, var start, var length]) => Textual(text, t => $"substr({t}, 1 + {Number(start)}, {Number(length)})"),
            ("length", [var text]) => new Operand(OperandKind.Number, $"length({Text(text)})") { IsNullable = text.IsNullable },
            ("year" or "month" or "day", [var instant]) => Numeric(instant, OperandKind.Instant, ms => dialect.DatePart(call.Function, ms)),
            ("hour", [var instant]) => Numeric(OfDay(instant), OperandKind.Duration, ms => $"({ms} / 3600000)"),
            ("minute", [var instant]) => Numeric(OfDay(instant), OperandKind.Duration, ms => $"({ms} / 60000 % 60)"),
            ("second", [var instant]) => Numeric(OfDay(instant), OperandKind.Duration, ms => $"({ms} / 1000 % 60)"),
            ("fractionalseconds", [var instant]) => Numeric(OfDay(instant), OperandKind.Duration, ms => $"({ms} % 1000 / 1000.0)"),
            ("totaloffsetminutes", [var instant]) => Numeric(instant, OperandKind.Instant, ms => $"({ms} * 0)"),
            ("totalseconds", [var duration]) => Numeric(duration, OperandKind.Duration, ms => $"({ms} / 1000.0)"),
            ("date", [var instant]) => Instantly(instant) is var of ? of with { Sql = $"({of.Sql} - {OfDay(of).Sql})", Of = null } : default,
            ("time", [var instant]) => OfDay(instant),
            ("round" or "floor" or "ceiling", [var number]) => Numeric(number, OperandKind.Number, n => dialect.Whole(call.Function, n)),
            _ => throw QueryRefusedException.Invalid($"There is no function '{call.Function}' with {arguments.Count} arguments."),
        };
    }

    /// <summary>A number made of a value of this kind.</summary>
    private Operand Numeric(Operand operand, OperandKind kind, Func<string, string> sql)
    {
        var value = OfKind(operand, kind);
        return new Operand(OperandKind.Number, sql(value.Sql)) { IsNullable = value.IsNullable };
    }

    private Operand Instantly(Operand operand) => OfKind(operand, OperandKind.Instant);

    /// <summary>The time of day of an instant, UTC; also of instants before 1970.</summary>
    private Operand OfDay(Operand operand)
    {
        var instant = Instantly(operand);
        return new Operand(OperandKind.Duration, $"((({instant.Sql} % {Day}) + {Day}) % {Day})") { IsNullable = instant.IsNullable };
    }

    /// <summary>An operand of this kind; a constant is read as one.</summary>
    private Operand OfKind(Operand operand, OperandKind kind) =>
        operand.Kind == kind ? operand
        : operand is { Kind: OperandKind.Constant, Constant: not null } ? new Operand(kind, $"CAST({Bound(operand, kind)} AS {(kind == OperandKind.Number ? "DOUBLE PRECISION" : "BIGINT")})")
        : throw QueryRefusedException.Invalid($"A {(kind == OperandKind.Number ? "number" : kind == OperandKind.Instant ? "date" : "duration")} is needed.");

    private Operand Textual(Operand text, Func<string, string> sql) => new(OperandKind.Text, sql(Text(text))) { IsNullable = text.IsNullable };

    private string Text(Operand operand) => operand.Kind switch
    {
        OperandKind.Text => operand.Sql,
        OperandKind.Constant when operand.Constant is long or double => $"CAST({Parts.Parameter(Convert.ToString(operand.Constant, CultureInfo.InvariantCulture))} AS TEXT)",
        // A bare parameter has no type of its own in PostgreSQL's functions.
        OperandKind.Constant => $"CAST({Bound(operand, OperandKind.Text)} AS TEXT)",
        _ => throw QueryRefusedException.Invalid("A text is needed."),
    };

    private static string Number(Operand operand) => operand switch
    {
        { Kind: OperandKind.Constant, Constant: long and >= 0 and <= int.MaxValue and var number } => number.ToString(CultureInfo.InvariantCulture),
        { Kind: OperandKind.Number } => $"CAST({operand.Sql} AS INTEGER)",
        _ => throw QueryRefusedException.Invalid("A whole number is needed."),
    };

    /// <summary>A prefix is a range of texts, which an index serves.</summary>
    private Operand StartsWith(Operand text, Operand part)
    {
        var sql = Text(text);
        if (part is not { Kind: OperandKind.Constant, Constant: string prefix })
            return new Operand(OperandKind.Condition, $"substr({sql}, 1, length({Text(part)})) = {Text(part)}");
        if (prefix.Length == 0)
            return new Operand(OperandKind.Condition, $"{sql} IS NOT NULL") { IsTwoValued = true };
        var from = dialect.Rare($"{sql} >= {Parts.Parameter(Storable(prefix))}");
        return new Operand(OperandKind.Condition, After(prefix) is { } after ? $"({from} AND {dialect.Rare($"{sql} < {Parts.Parameter(after)}")})" : $"({from})");
    }

    /// <summary>The first text, by code point, after all that start with the prefix; null when there is none.</summary>
    private static string? After(string prefix)
    {
        var runes = prefix.EnumerateRunes().ToList();
        while (runes.Count > 0 && runes[^1].Value == 0x10FFFF)
            runes.RemoveAt(runes.Count - 1);
        if (runes.Count == 0)
            return null;
        // Surrogates are no characters.
        var next = runes[^1].Value == 0xD7FF ? 0xE000 : runes[^1].Value + 1;
        return string.Concat(runes[..^1]) + char.ConvertFromUtf32(next);
    }

    private static Operand EndsWith(string text, string part) =>
        new(OperandKind.Condition, $"(length({text}) >= length({part}) AND substr({text}, length({text}) - length({part}) + 1) = {part})");
}
