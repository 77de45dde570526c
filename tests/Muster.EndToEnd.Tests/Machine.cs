using System.Globalization;

namespace Muster.EndToEnd.Tests;

/// <summary>The machine that the tests run on, which may be busy with something else.</summary>
internal static class Machine
{
    /// <summary>What is promised for a machine that has time, stretched by how many processes wait for a processor now.</summary>
    public static TimeSpan Stretched(TimeSpan promised) => promised * Math.Clamp(2 * Load() / Environment.ProcessorCount, 1, 60);

    // The average of the last minute, and what waits at this moment: the average lags behind a burst.
    private static double Load()
    {
        var parts = File.ReadAllText("/proc/loadavg").Split(' ');
        return Math.Max(
            double.Parse(parts[0], CultureInfo.InvariantCulture),
            double.Parse(parts[3].Split('/')[0], CultureInfo.InvariantCulture));
    }
}
