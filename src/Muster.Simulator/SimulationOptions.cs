using Muster.Simulator.Devices;
using Muster.Simulator.Scenarios;

namespace Muster.Simulator;

/// <summary>How devices hold their tunnels.</summary>
public enum TunnelKind
{
    /// <summary>At a simulated external tunnel server.</summary>
    Proxy,

    /// <summary>At the server's own gateway.</summary>
    WebSocket,
}

/// <summary>What to simulate, and against which server. The options of <c>muster simulate</c>.</summary>
public sealed record SimulationOptions
{
    public required string Server { get; init; }

    /// <summary>organization/fleet.</summary>
    public required string Fleet { get; init; }

    public int Devices { get; init; } = 10;

    public string Seed { get; init; } = "1";

    public string? ProvisioningKey { get; init; }

    public TunnelKind Cloudlink { get; init; }

    /// <summary>Key of a tunnel service; without it no device has a tunnel of that kind.</summary>
    public string? ServiceKey { get; init; }

    /// <summary>Loopback port of the tunnel server's HTTP CONNECT proxy; null: there is none, and devices take no actions.</summary>
    public int? ProxyPort { get; init; }

    /// <summary>What the server shows to that proxy (its option Cloudlink:ProxyKey); null: <see cref="ServiceKey"/>.</summary>
    public string? ProxyKey { get; init; }

    public string? Email { get; init; }

    public string? Password { get; init; }

    public string? Token { get; init; }

    public string Scenario { get; init; } = "calm";

    /// <summary>How long; null: until stopped.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>The devices' own poll interval, in force until their configuration names another; null: 15 min.</summary>
    public TimeSpan? PollInterval { get; init; }

    /// <summary>All other periods of devices and scenario are divided by this.</summary>
    public double TimeScale { get; init; } = 1;

    /// <summary>All devices are switched on within this time.</summary>
    public TimeSpan? RampUp { get; init; }

    public double BytesPerSecond { get; init; } = 4_000_000;

    public int Concurrency { get; init; } = 256;

    public bool NewConnections { get; init; }

    public bool LogLines { get; init; } = true;

    /// <summary>PEM file of the server's certificate authority.</summary>
    public string? Ca { get; init; }

    /// <summary>File for the truth, as JSON lines.</summary>
    public string? Log { get; init; }

    public bool Verify { get; init; }

    /// <summary>File for the report of the comparison, as JSON.</summary>
    public string? Report { get; init; }

    public TimeSpan SampleInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The server's margin over the poll interval before a silent device is in timeout (its option Presence:TimeoutMargin).</summary>
    public TimeSpan TimeoutMargin { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>From timeout to offline (its option Presence:OfflineAfter).</summary>
    public TimeSpan OfflineAfter { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How late the server may be before a status counts as false.</summary>
    public TimeSpan Tolerance { get; init; } = TimeSpan.FromSeconds(5);

    public SupervisorTimings Timings =>
        (PollInterval is { } interval ? SupervisorTimings.Stock with { PollInterval = (long)interval.TotalMilliseconds } : SupervisorTimings.Stock).Scaled(TimeScale);

    /// <exception cref="ScenarioException">The scenario does not exist or is wrong.</exception>
    public Scenario LoadScenario() => Scenarios.Scenario.Load(Scenario);
}
