using System.Globalization;
using Muster.Core.Access;
using Muster.Core.Query;

namespace Muster.Storage.Resources;

// Numbers of devices by fleet and one fact are kept (fleet_count) in the transaction that changes them; a count that asks
// for no more than that is answered from there, at any number of devices.
internal sealed partial class Compilation
{
    /// <summary>The fields whose values are counted, and the fact they are counted under.</summary>
    private static readonly Dictionary<string, string> Facts = new(StringComparer.Ordinal)
    {
        ["overall_status"] = "overall_status",
        ["api_heartbeat_state"] = "heartbeat",
        ["update_status"] = "update_status",
        ["is_online"] = "cloudlink",
        ["is_connected_to_vpn"] = "cloudlink",
        ["is_running__release"] = "running_release",
    };

    /// <summary>The statement that counts devices from the kept counts; null when the filter asks for more.</summary>
    /// <param name="within">A condition on the count's row <c>c</c>, besides the filter's.</param>
    public string? DeviceCount(Expression? filter, string? within = null)
    {
        // A device sees one device at most, and the older words of /v6 are not counted.
        if (sight.Kind is ReadScopeKind.Device || model != ResourceModel.Version7)
            return null;
        var conditions = new List<string>();
        (string Fact, string Values)? fact = null;
        foreach (var term in Terms(filter))
        {
            if (Compared(term) is not { } compared || compared.Values.Count == 0)
                return null;
            if (compared.Name == "belongs_to__application")
            {
                if (compared.IsNot || compared.Values.Any(v => v is not long))
                    return null;
                conditions.Add($"c.fleet_id IN ({string.Join(", ", compared.Values.Select(Parts.Parameter))})");
            }
            else if (fact is null && Facts.TryGetValue(compared.Name, out var name) && compared.Values.All(v => Word(name, v) is not null))
            {
                var values = string.Join(", ", compared.Values.Select(v => Parts.Parameter(Word(name, v))));
                fact = (name, $"c.value {(compared.IsNot ? "NOT IN" : "IN")} ({values})");
            }
            else
            {
                return null;
            }
        }

        conditions.Add($"c.fact = '{fact?.Fact ?? "overall_status"}'");
        if (fact is { } counted)
            conditions.Add(counted.Values);
        if (within is not null)
            conditions.Add(within);
        if (sight.FleetOfDevice("c.fleet_id") is { } visible)
            conditions.Add(visible);
        return $"SELECT CAST(coalesce(sum(c.devices), 0) AS BIGINT) FROM fleet_count c WHERE {string.Join(" AND ", conditions)}";
    }

    private static IEnumerable<Expression> Terms(Expression? filter)
    {
        while (filter is Binary { Operator: BinaryOperator.And } and)
        {
            yield return and.Right;
            filter = and.Left;
        }

        if (filter is not null)
            yield return filter;
    }

    private static (string Name, List<object?> Values, bool IsNot)? Compared(Expression term) => term switch
    {
        Binary { Operator: BinaryOperator.Equal, Left: Core.Query.Path { Parts: [var name] }, Right: Literal literal } => (name, [literal.Value], false),
        Binary { Operator: BinaryOperator.NotEqual, Left: Core.Query.Path { Parts: [var name] }, Right: Literal literal } => (name, [literal.Value], true),
        In { Operand: Core.Query.Path { Parts: [var name] } } list when list.List.All(e => e is Literal) => (name, [.. list.List.Select(e => ((Literal)e).Value)], false),
        _ => null,
    };

    /// <summary>A value as the counts spell it; null when they do not.</summary>
    private static string? Word(string fact, object? value) => (fact, value) switch
    {
        ("cloudlink", bool connected) => connected ? "connected" : "disconnected",
        ("running_release", long release) => release.ToString(CultureInfo.InvariantCulture),
        ("running_release" or "update_status", null) => "none",
        ("overall_status" or "heartbeat" or "update_status", string word) when word != "none" => word,
        _ => null,
    };
}
