using System.Globalization;

namespace Muster.Core.Status;

/// <summary>Default and bounds of the poll interval, milliseconds. Options of the server.</summary>
/// <param name="Default">When neither the device nor its fleet names one.</param>
/// <param name="Floor">No device is asked to poll more often than this.</param>
public readonly record struct PollIntervalBounds(long Default, long Floor)
{
    /// <summary>The longest timer of the supervisor's runtime (2³¹−1 ms), less the minute of jitter that it adds.</summary>
    public const long Ceiling = int.MaxValue - 60_000;

    public static readonly PollIntervalBounds Standard = new(900_000, 600_000);
}

/// <summary>
/// What the rules read from the config variables of a device and of its fleet. The device's own variable wins over its
/// fleet's, and on either the <c>BALENA_</c> name over the older <c>RESIN_</c> one, as in the supervisor.
/// </summary>
public static class ConfigValues
{
    public const string CloudlinkControl = "SUPERVISOR_VPN_CONTROL";
    public const string PollInterval = "SUPERVISOR_POLL_INTERVAL";

    /// <summary>The value in effect, or null. <paramref name="name"/> without its prefix.</summary>
    public static string? Effective(string name, IReadOnlyDictionary<string, string> fleet, IReadOnlyDictionary<string, string> device) =>
        Own(name, device) ?? Own(name, fleet);

    /// <summary>Only the exact word <c>false</c> switches the tunnel off: so do existing clients read it.</summary>
    public static bool CloudlinkExpected(IReadOnlyDictionary<string, string> fleet, IReadOnlyDictionary<string, string> device) =>
        Effective(CloudlinkControl, fleet, device) != "false";

    /// <summary>The interval that the device polls at, milliseconds: a value that is no number counts as none, any other is brought within the bounds.</summary>
    public static long EffectivePollInterval(IReadOnlyDictionary<string, string> fleet, IReadOnlyDictionary<string, string> device, PollIntervalBounds bounds)
    {
        var wanted = Effective(PollInterval, fleet, device) is { } text
            && double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var number)
            && double.IsFinite(number)
                ? (long)Math.Clamp(number, 0, PollIntervalBounds.Ceiling)
                : bounds.Default;
        return Math.Min(Math.Max(wanted, bounds.Floor), PollIntervalBounds.Ceiling);
    }

    private static string? Own(string name, IReadOnlyDictionary<string, string> variables) =>
        variables.TryGetValue("BALENA_" + name, out var value) || variables.TryGetValue("RESIN_" + name, out value) ? value : null;
}
