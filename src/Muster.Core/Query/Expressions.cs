using System.Collections.Immutable;

namespace Muster.Core.Query;

/// <summary>A part of a filter or an order. Names are as written; what they mean is the resource model's.</summary>
public abstract record Expression
{
    /// <summary>Whether a property or navigation of this name occurs in it, at any depth.</summary>
    public bool Names(string name) => this switch
    {
        Path path => path.Parts.Contains(name),
        CountOf count => count.Rows.Names(name) || count.Filter?.Names(name) == true,
        Lambda lambda => lambda.Rows.Names(name) || lambda.Body?.Names(name) == true,
        Binary binary => binary.Left.Names(name) || binary.Right.Names(name),
        Not not => not.Operand.Names(name),
        In list => list.Operand.Names(name) || list.List.Any(e => e.Names(name)),
        Call call => call.Arguments.Any(a => a.Names(name)),
        _ => false,
    };
}

/// <summary>A constant: null, bool, long, double, string, <see cref="Instant"/> or <see cref="Duration"/>.</summary>
public sealed record Literal(object? Value) : Expression
{
    public static readonly Literal Null = new((object?)null);
}

/// <summary>A point in time, Unix ms UTC.</summary>
public readonly record struct Instant(long Milliseconds);

/// <summary>A length of time, ms.</summary>
public readonly record struct Duration(long Milliseconds);

/// <summary>
/// A property, perhaps of a row reached over single-valued navigations: <c>device_name</c>,
/// <c>belongs_to__application/app_name</c>, <c>d/uuid</c> (where <c>d</c> is a lambda's variable).
/// </summary>
public sealed record Path(ImmutableArray<string> Parts) : Expression;

/// <summary><c>device_tag/$count($filter=…)</c></summary>
public sealed record CountOf(Path Rows, Expression? Filter) : Expression;

/// <summary><c>device_tag/any(t:t/tag_key eq 'site')</c>; without a body, whether there is any row.</summary>
public sealed record Lambda(Path Rows, bool All, string? Variable, Expression? Body) : Expression;

public enum BinaryOperator : byte { Or, And, Equal, NotEqual, Greater, GreaterOrEqual, Less, LessOrEqual, Add, Subtract, Multiply, Divide, Modulo }

public sealed record Binary(BinaryOperator Operator, Expression Left, Expression Right) : Expression;

public sealed record Not(Expression Operand) : Expression;

public sealed record In(Expression Operand, ImmutableArray<Expression> List) : Expression;

/// <summary>A function: <c>startswith(uuid,'ab')</c>, <c>now()</c>.</summary>
public sealed record Call(string Function, ImmutableArray<Expression> Arguments) : Expression;
