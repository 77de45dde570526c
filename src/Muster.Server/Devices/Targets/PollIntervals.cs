using System.Collections.Immutable;
using Muster.Core.Status;
using Muster.Core.TargetState;

namespace Muster.Server.Devices.Targets;

/// <summary>The interval that devices are told to poll at: the same rule and options as presence judges their silence by.</summary>
internal sealed class PollIntervals(IConfiguration configuration)
{
    private readonly PollIntervalBounds bounds = new(
        Milliseconds(configuration["Presence:DefaultPollInterval"], PollIntervalBounds.Standard.Default),
        Milliseconds(configuration["Presence:PollIntervalFloor"], PollIntervalBounds.Standard.Floor));

    /// <summary>Milliseconds.</summary>
    public long Of(ImmutableArray<Variable> device, ImmutableArray<Variable> fleet) =>
        ConfigValues.EffectivePollInterval(Named(fleet), Named(device), bounds);

    private static Dictionary<string, string> Named(ImmutableArray<Variable> variables)
    {
        var named = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var variable in variables)
            named[variable.Name] = variable.Value;
        return named;
    }

    private static long Milliseconds(string? span, long otherwise) =>
        TimeSpan.TryParse(span, System.Globalization.CultureInfo.InvariantCulture, out var value) ? (long)value.TotalMilliseconds : otherwise;
}
