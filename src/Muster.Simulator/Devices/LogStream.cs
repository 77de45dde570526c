using System.Globalization;
using System.Text;

namespace Muster.Simulator.Devices;

/// <summary>What a device writes to its log: a line per event, sent as a short stream (docs/device-protocol.md, "Logs").</summary>
public sealed class LogStream(SupervisorTimings timings)
{
    private const int MostLines = 50;

    private readonly Queue<(long At, string Message)> lines = new();
    private bool waiting;
    private int errors;
    private bool running;

    public long NextDue { get; private set; } = long.MaxValue;

    public void Start(long now) => (running, waiting, NextDue) = (true, false, lines.Count > 0 ? now : long.MaxValue);

    public void Stop() => (running, waiting, NextDue) = (false, false, long.MaxValue);

    public void Write(string message, long now)
    {
        if (lines.Count == MostLines)
            lines.Dequeue();
        lines.Enqueue((now, message));
        if (running && !waiting && NextDue == long.MaxValue)
            NextDue = now + (timings.RetryBase / 3);
    }

    public DeviceRequest? Take(long now, DeviceIdentity identity, int boot)
    {
        if (waiting || lines.Count == 0 || now < NextDue)
            return null;
        (waiting, NextDue) = (true, long.MaxValue);
        var body = new StringBuilder();
        foreach (var (at, message) in lines)
            body.Append(CultureInfo.InvariantCulture, $"{{\"message\":\"{message}\",\"timestamp\":{at},\"isSystem\":true}}\n");
        return new(RequestKind.Log, "POST", $"/device/v2/{identity.Uuid}/log-stream", identity.Key, boot) { Body = body.ToString(), ContentType = "application/x-ndjson" };
    }

    public void Answered(bool success, long now)
    {
        if (!waiting)
            return;
        waiting = false;
        if (success)
            (errors, NextDue) = (0, long.MaxValue);
        else
            NextDue = now + timings.Backoff(errors++, timings.RetryBase * 20);
        if (success)
            lines.Clear();
    }
}
