using System.Globalization;

namespace Muster.Simulator.Devices;

/// <summary>Load, heat and memory of a device: slow waves, each device in a phase of its own. A pure function of time.</summary>
public sealed class Metrics(int number, SupervisorTimings timings)
{
    private readonly double radian = timings.MetricsInterval * 6 / (2 * Math.PI);

    public IEnumerable<KeyValuePair<string, string>> At(long now, bool enabled)
    {
        string Value(double value) => enabled ? ((int)value).ToString(CultureInfo.InvariantCulture) : "null";
        var wave = Math.Sin((now / radian) + number);
        yield return new("cpu_usage", Value(45 + (40 * wave)));
        yield return new("cpu_temp", Value(52 + (12 * wave)));
        yield return new("memory_usage", Value(420 + (180 * Math.Sin((now / radian / 3) + number))));
        yield return new("memory_total", Value(1848));
        yield return new("storage_usage", Value(2200 + (number % 7 * 100)));
        yield return new("storage_total", Value(14_300));
        yield return new("storage_block_device", enabled ? "\"/dev/mmcblk0p6\"" : "null");
        yield return new("cpu_id", enabled ? $"\"{number:x16}\"" : "null");
    }
}
