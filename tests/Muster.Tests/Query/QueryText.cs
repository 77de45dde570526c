using System.Globalization;
using Muster.Core.Query;

namespace Muster.Tests.Query;

/// <summary>Writes a tree back as text, to compare trees and to make texts from random trees.</summary>
internal static class QueryText
{
    public static string Of(QueryOptions options) => string.Join(';', Parts(options));

    public static string Of(Expression expression) => expression switch
    {
        Literal literal => Value(literal.Value),
        Muster.Core.Query.Path path => string.Join('/', path.Parts),
        CountOf count => $"{Of(count.Rows)}/$count{(count.Filter is null ? "" : $"($filter={Of(count.Filter)})")}",
        Lambda { Body: null } lambda => $"{Of(lambda.Rows)}/any()",
        Lambda lambda => $"{Of(lambda.Rows)}/{(lambda.All ? "all" : "any")}({lambda.Variable}:{Of(lambda.Body)})",
        Not not => $"(not({Of(not.Operand)}))",
        In list => $"({Of(list.Operand)} in ({string.Join(',', list.List.Select(Of))}))",
        Call call => $"{call.Function}({string.Join(',', call.Arguments.Select(Of))})",
        Binary binary => $"({Of(binary.Left)} {Word(binary.Operator)} {Of(binary.Right)})",
        _ => throw new ArgumentOutOfRangeException(nameof(expression)),
    };

    private static IEnumerable<string> Parts(QueryOptions options)
    {
        if (options.Select is { } select)
            yield return $"$select={string.Join(',', select)}";
        if (options.Filter is { } filter)
            yield return $"$filter={Of(filter)}";
        if (options.Expand.Length > 0)
            yield return $"$expand={string.Join(',', options.Expand.Select(e => $"{e.Name}{(e.IsCount ? "/$count" : "")}({Of(e.Options)})"))}";
        if (options.OrderBy.Length > 0)
            yield return $"$orderby={string.Join(',', options.OrderBy.Select(o => $"{Of(o.By)}{(o.Descending ? " desc" : " asc")}"))}";
        if (options.Top is { } top)
            yield return $"$top={top}";
        if (options.Skip is { } skip)
            yield return $"$skip={skip}";
    }

    private static string Value(object? value) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        long number => number.ToString(CultureInfo.InvariantCulture),
        double number => number.ToString("0.0###############", CultureInfo.InvariantCulture),
        string text => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'",
        Instant instant => $"datetime'{DateTimeOffset.FromUnixTimeMilliseconds(instant.Milliseconds).UtcDateTime:yyyy-MM-ddTHH:mm:ss.fffZ}'",
        Duration duration => $"duration'{System.Xml.XmlConvert.ToString(TimeSpan.FromMilliseconds(duration.Milliseconds))}'",
        _ => throw new ArgumentOutOfRangeException(nameof(value)),
    };

    private static string Word(BinaryOperator @operator) => @operator switch
    {
        BinaryOperator.Or => "or",
        BinaryOperator.And => "and",
        BinaryOperator.Equal => "eq",
        BinaryOperator.NotEqual => "ne",
        BinaryOperator.Greater => "gt",
        BinaryOperator.GreaterOrEqual => "ge",
        BinaryOperator.Less => "lt",
        BinaryOperator.LessOrEqual => "le",
        BinaryOperator.Add => "add",
        BinaryOperator.Subtract => "sub",
        BinaryOperator.Multiply => "mul",
        BinaryOperator.Divide => "div",
        _ => "mod",
    };
}
