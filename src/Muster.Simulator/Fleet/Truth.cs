using System.Text.Json;
using System.Text.Json.Serialization;
using Muster.Simulator.Devices;

namespace Muster.Simulator.Fleet;

/// <summary>
/// What really happened, as only the simulator can know it. One JSON line each in the file of <c>--log</c>.
/// </summary>
/// <param name="Device">uuid; empty for what concerns the fleet or the server as a whole.</param>
/// <param name="At">Unix ms: when it began, for a request when it was sent.</param>
/// <param name="Event">register, poll, report, contact, tunnel, trouble, server-away, target … (<see cref="TruthEvents"/>).</param>
public sealed record TruthEvent(string Device, long At, string Event)
{
    /// <summary>Unix ms at which the server's answer was in; null: none came, so it is not known whether the server acted.</summary>
    public long? AnsweredAt { get; init; }

    /// <summary>HTTP status of the answer.</summary>
    public int? Status { get; init; }

    /// <summary>up or down of a tunnel; begins or ends of a trouble; commit of a target.</summary>
    public string? State { get; init; }

    /// <summary>The kind of trouble.</summary>
    public string? Trouble { get; init; }

    /// <summary>What the device said of itself, if this was a report.</summary>
    public Claim? Claim { get; init; }

    /// <summary>The poll interval the device was told, ms, after this poll.</summary>
    public long? PollInterval { get; init; }

    /// <summary>Whether the device's configuration wants a tunnel, after this poll.</summary>
    public bool? TunnelEnabled { get; init; }
}

/// <summary>The words of <see cref="TruthEvent.Event"/>.</summary>
public static class TruthEvents
{
    public const string Register = "register";
    public const string Poll = "poll";
    public const string Report = "report";
    /// <summary>Any other request that proves the device alive to the server (log lines).</summary>
    public const string Contact = "contact";
    /// <summary>A request with the device's own key that the server may count as contact or not (look-ups, log-in of the tunnel).</summary>
    public const string Request = "request";
    public const string Tunnel = "tunnel";
    public const string Trouble = "trouble";
    /// <summary>The server could not be reached from here; <see cref="TruthEvent.AnsweredAt"/> is when it answered again.</summary>
    public const string ServerAway = "server-away";
    /// <summary>The fleet's target release was changed.</summary>
    public const string Target = "target";
}

/// <summary>Keeps the truth: as lines in a file, and in memory when it is to be compared.</summary>
public sealed class TruthLog(TextWriter? file, bool keep) : IDisposable
{
    private readonly Lock gate = new();
    private readonly List<TruthEvent> events = [];

    public void Write(TruthEvent happened)
    {
        var line = file is null ? null : JsonSerializer.Serialize(happened, TruthJson.Default.TruthEvent);
        lock (gate)
        {
            file?.WriteLine(line);
            if (keep)
                events.Add(happened);
        }
    }

    public IReadOnlyList<TruthEvent> Events()
    {
        lock (gate)
            return [.. events];
    }

    public void Dispose()
    {
        lock (gate)
            file?.Dispose();
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TruthEvent))]
internal sealed partial class TruthJson : JsonSerializerContext;
