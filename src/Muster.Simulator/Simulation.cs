using Muster.Simulator.Devices;
using Muster.Simulator.Fleet;
using Muster.Simulator.Verifying;

namespace Muster.Simulator;

/// <summary>One run of the simulator: from the options to the exit code.</summary>
public static class Simulation
{
    public const int Good = 0;
    public const int SomethingWasFalse = 1;
    public const int CouldNotCompare = 2;

    /// <returns>0; with verification 1 when a status was false, 2 when there was nothing to compare.</returns>
    /// <exception cref="IOException">A file or the proxy's port cannot be had.</exception>
    /// <exception cref="OperatorException">The server refused what the start needs (fleet, keys, log-in).</exception>
    public static async Task<int> RunAsync(SimulationOptions options, TextWriter output, bool isTerminal, TimeProvider time, CancellationToken stop)
    {
        var scenario = options.LoadScenario();
        if (options is { ProxyPort: not null, ServiceKey: null })
            throw new OperatorException("A proxy needs the key of a tunnel service: without it devices have no tunnel.");
        using var proxy = options.ProxyPort is { } port ? ConnectProxy.Listen(port, options.ProxyKey ?? options.ServiceKey!) : null;
        using var client = new ServerClient(ServerClient.Address(options.Server), ServerClient.Handler(options.Ca), time, options.Concurrency, options.NewConnections);
        // People read on a way of their own: their requests wait for no device's, and are not counted with them.
        using var ownClient = new ServerClient(ServerClient.Address(options.Server), ServerClient.Handler(options.Ca), time, concurrency: 16);
        var @operator = options.Token is { } token ? new Operator(ownClient, token)
            : options.Email is { } email ? await Operator.LogInAsync(ownClient, email, options.Password ?? "", stop)
            : null;
        var lookup = @operator ?? new Operator(ownClient, options.ProvisioningKey ?? throw new OperatorException("A provisioning key is needed, or a log-in with which to make one."));
        var fleet = await lookup.FleetAsync(options.Fleet, stop);
        var provisioningKey = options.ProvisioningKey ?? await lookup.ProvisioningKeyAsync(fleet.Id, stop);

        using var truth = new TruthLog(options.Log is null ? null : new StreamWriter(options.Log, append: false) { AutoFlush = true }, keep: options.Verify);
        var timings = options.Timings;
        var settings = new DeviceSettings(fleet.Id, provisioningKey, Platform.Default with { DeviceType = fleet.DeviceType }, timings) { BytesPerSecond = options.BytesPerSecond * options.TimeScale };
        var tunnels = options.ServiceKey is null || options.Cloudlink is not TunnelKind.Proxy ? null : new TunnelServer(client, options.ServiceKey, timings, time, truth);
        await using var webSockets = options.Cloudlink is TunnelKind.WebSocket ? new WebSocketTunnels(ServerClient.Address(options.Server), options.Ca, time, truth) : null;
        var rampUp = (long)(options.RampUp ?? TimeSpan.FromMilliseconds(Math.Min(60_000, options.Devices * 5))).TotalMilliseconds;
        var simulated = new SimulatedFleet(new(options.Seed, options.Devices, settings, scenario, options.TimeScale, rampUp, options.LogLines), client, tunnels, @operator, truth, time, proxy, webSockets);

        using var devicesStop = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using var watchStop = CancellationTokenSource.CreateLinkedTokenSource(stop);
        if (options.Duration is { } duration)
        {
            // Watching ends first: of a request that the end cuts off nobody knows whether it arrived.
            _ = StopAfterAsync(watchStop, duration, time);
        }

        var running = simulated.RunAsync(devicesStop.Token);
        var table = new LiveTable(simulated, client, output, isTerminal, time).RunAsync(devicesStop.Token);
        var watch = new StatusWatch(lookup, fleet.Id, options.SampleInterval, time);
        var watching = options.Verify ? watch.RunAsync(watchStop.Token) : Task.Delay(Timeout.InfiniteTimeSpan, time, watchStop.Token).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        await Task.WhenAny(watching, running);
        var ended = time.GetUtcNow().ToUnixTimeMilliseconds();
        await devicesStop.CancelAsync();
        await running;
        await table;
        await watching;
        if (!options.Verify)
            return Good;

        var said = await watch.SaidAsync(truth.Events(), CancellationToken.None);
        var bounds = new Bounds((long)options.TimeoutMargin.TotalMilliseconds, (long)options.OfflineAfter.TotalMilliseconds, (long)options.Tolerance.TotalMilliseconds, timings.PollInterval, HasTunnels: tunnels is not null || webSockets is not null);
        var report = Verification.Compare(truth.Events(), said, bounds, ended);
        output.Write(report.ToText());
        if (options.Report is not null)
            await File.WriteAllTextAsync(options.Report, report.ToJson(), CancellationToken.None);
        return report.Compared == 0 ? CouldNotCompare : report.False.Length > 0 ? SomethingWasFalse : Good;
    }

    private static async Task StopAfterAsync(CancellationTokenSource stop, TimeSpan duration, TimeProvider time)
    {
        try
        {
            await Task.Delay(duration, time, stop.Token);
            await stop.CancelAsync();
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // It ended by itself.
        }
    }
}
