namespace Muster.Server.Devices.Reports;

/// <summary>How long what a device says of itself may be; more is cut (docs/device-protocol.md, "Limits of a state report").</summary>
internal static class FieldLimits
{
    public const int Status = 50;
    public const int OsVersion = 70;
    public const int SupervisorVersion = 20;
    public const int ApiSecret = 64;
    public const int IpAddress = 2000;
    public const int MacAddress = 900;
    /// <summary>Of every other text.</summary>
    public const int Text = 255;

    public const int MostPort = 65535;

    /// <summary>°C. Where there is no sensor, supervisors say -1 or 0.</summary>
    public const int LeastTemperature = -273, MostTemperature = 1000;

    /// <summary>Never cuts a surrogate pair in two: half of one is no text that a database takes.</summary>
    public static string Cut(string text, int limit)
    {
        if (text.Length <= limit)
            return text;
        return text[..(char.IsHighSurrogate(text[limit - 1]) ? limit - 1 : limit)];
    }

    /// <summary>A list separated by spaces, cut between two entries.</summary>
    public static string CutList(string text, int limit)
    {
        if (text.Length <= limit)
            return text;
        var space = text.LastIndexOf(' ', limit);
        return space < 0 ? "" : text[..space];
    }

    /// <summary>Lower case, or null for what is no printable ASCII.</summary>
    public static string? CpuId(string text) =>
        text.AsSpan().ContainsAnyExceptInRange(' ', '~') ? null : Cut(text, Text).ToLowerInvariant();

    /// <summary>"dev" or "prod"; null for anything else.</summary>
    public static string? OsVariant(string? text) => text is "dev" or "prod" ? text : null;

    /// <summary>Old versions of the OS say their variant in the version: "Resin OS 2.0.0 (dev)".</summary>
    public static string? OsVariantOfVersion(string version) =>
        version.EndsWith("(dev)", StringComparison.Ordinal) ? "dev" : version.EndsWith("(prod)", StringComparison.Ordinal) ? "prod" : null;
}
