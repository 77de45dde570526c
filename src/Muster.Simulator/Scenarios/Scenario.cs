using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Muster.Simulator.Scenarios;

/// <summary>
/// A timeline of trouble, as a JSON file or built in. Times are in seconds from the start; a time scale divides them.
/// <code>
/// { "name": "one bad hour", "repeatEvery": 600,
///   "troubles": [
///     { "kind": "power-off", "at": 60, "for": 180, "devices": "10%" },
///     { "kind": "site-outage", "at": 120, "for": 240, "site": 0, "sites": 4 },
///     { "kind": "flapping", "at": 30, "for": 300, "period": 20, "devices": "3" },
///     { "kind": "next-release", "at": 200 } ] }
/// </code>
/// <c>devices</c> is a number, a share ("10%") or "all"; which ones is drawn by the seed, for each trouble anew.
/// </summary>
public sealed record Scenario
{
    public string Name { get; init; } = "";

    /// <summary>The timeline starts again after this many seconds; 0: it runs once.</summary>
    public double RepeatEvery { get; init; }

    public required ImmutableArray<ScenarioTrouble> Troubles { get; init; }

    /// <exception cref="ScenarioException">The text is no scenario; the message says where and why.</exception>
    public static Scenario Parse(string json)
    {
        Scenario scenario;
        try
        {
            scenario = JsonSerializer.Deserialize(json, ScenarioJson.Default.Scenario) ?? throw new ScenarioException("The scenario is empty.");
        }
        catch (JsonException e)
        {
            throw new ScenarioException($"The scenario is not valid at line {e.LineNumber + 1}: {e.Message}", e);
        }

        for (var i = 0; i < scenario.Troubles.Length; i++)
            scenario.Troubles[i].Check(i);
        return scenario.RepeatEvery < 0 ? throw new ScenarioException("\"repeatEvery\" must not be negative.") : scenario;
    }

    /// <summary>A built-in scenario by name, else the file of that path.</summary>
    /// <exception cref="ScenarioException">There is neither.</exception>
    public static Scenario Load(string nameOrPath)
    {
        if (BuiltInScenarios.All.TryGetValue(nameOrPath, out var builtIn))
            return Parse(builtIn);
        return File.Exists(nameOrPath)
            ? Parse(File.ReadAllText(nameOrPath))
            : throw new ScenarioException($"There is no scenario \"{nameOrPath}\": neither a file nor one of {string.Join(", ", BuiltInScenarios.All.Keys)}.");
    }
}

/// <param name="Kind">A word of <see cref="Scenarios.Troubles.Word"/>.</param>
/// <param name="At">Seconds.</param>
/// <param name="For">Seconds; needed unless the kind is a moment.</param>
/// <param name="Spread">Seconds over which the devices' beginnings are spread at random.</param>
/// <param name="Period">Seconds of one round of flapping.</param>
public sealed record ScenarioTrouble(string Kind, double At, double For = 0, string? Devices = null, int? Site = null, int Sites = 4, double Spread = 0, double Period = 20)
{
    [JsonIgnore]
    public TroubleKind TroubleKind => Troubles.Kind(Kind) ?? throw new ScenarioException($"\"{Kind}\" is no kind of trouble.");

    internal void Check(int index)
    {
        var problem = Troubles.Kind(Kind) is not { } kind ? $"\"{Kind}\" is no kind of trouble"
            : At < 0 || Spread < 0 ? "a time must not be negative"
            : For <= 0 && !kind.IsMoment() ? "\"for\" is missing"
            : kind == TroubleKind.Flapping && Period <= 0 ? "\"period\" must be positive"
            : Devices is not null && Count(100) is null ? $"\"devices\" must be a number, a share like \"10%\" or \"all\", not \"{Devices}\""
            : Site is { } site && (Sites < 1 || site < 0 || site >= Sites) ? "\"site\" must be below \"sites\""
            : null;
        if (problem is not null)
            throw new ScenarioException($"Trouble {index + 1} of the scenario: {problem}.");
    }

    /// <summary>How many of <paramref name="all"/> devices are hit; null when the text is wrong.</summary>
    internal int? Count(int all)
    {
        if (Devices is null or "all")
            return all;
        var isShare = Devices.EndsWith('%');
        if (!double.TryParse(Devices.TrimEnd('%'), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            return null;
        return Math.Min(all, (int)Math.Ceiling(isShare ? all * number / 100 : number));
    }
}

public sealed class ScenarioException(string message, Exception? inner = null) : Exception(message, inner);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, ReadCommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, NumberHandling = JsonNumberHandling.Strict)]
[JsonSerializable(typeof(Scenario))]
internal sealed partial class ScenarioJson : JsonSerializerContext;
