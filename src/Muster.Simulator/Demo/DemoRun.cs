using Muster.Simulator.Devices;
using Muster.Simulator.Fleet;
using Muster.Simulator.Scenarios;

namespace Muster.Simulator.Demo;

/// <summary>Who the demo is, the same after a restart: kept by the server in its data directory.</summary>
/// <param name="Seed">The devices' uuids and keys follow from it: a secret.</param>
/// <param name="ProvisioningKey">Null until the fleet is made.</param>
public sealed record DemoIdentity(string Email, string Password, string Organization, string Seed, string ServiceKey, string? ProvisioningKey);

/// <summary>A living fleet on a server of one's own (<c>muster serve --demo N</c>).</summary>
/// <param name="proxy">Of a simulated tunnel server, where devices shall hold their tunnels there; null: at the server's own gateway.</param>
public sealed class DemoRun(string server, string? ca, int devices, ConnectProxy? proxy, TimeProvider time)
{
    /// <summary>Makes what is missing, then simulates until cancelled.</summary>
    /// <param name="keep">Called when the identity gained something to remember.</param>
    /// <param name="ready">Called once the devices are about to start.</param>
    /// <exception cref="OperatorException">The server refused something.</exception>
    public async Task RunAsync(DemoIdentity identity, Action<DemoIdentity> keep, Action ready, CancellationToken stop)
    {
        var address = ServerClient.Address(server);
        using var people = new ServerClient(address, ServerClient.Handler(ca), time, concurrency: 4);
        using var client = new ServerClient(address, ServerClient.Handler(ca), time, concurrency: 64);
        var @operator = await Operator.LogInAsync(people, identity.Email, identity.Password, stop);
        var (fleet, isNew) = await DemoFleet.EnsureAsync(@operator, identity.Organization, stop);
        if (isNew || identity.ProvisioningKey is null)
        {
            identity = identity with { ProvisioningKey = await @operator.ProvisioningKeyAsync(fleet.Id, stop) };
            keep(identity);
        }

        using var truth = new TruthLog(file: null, keep: false);
        var settings = new DeviceSettings(fleet.Id, identity.ProvisioningKey!, Platform.Default with { DeviceType = fleet.DeviceType }, DemoFleet.Timings) { BytesPerSecond = 12_000_000 };
        var tunnels = proxy is null ? null : new TunnelServer(client, identity.ServiceKey, DemoFleet.Timings, time, truth);
        await using var webSockets = proxy is null ? new WebSocketTunnels(address, ca, time, truth) : null;
        var options = new FleetOptions(identity.Seed, devices, settings, Scenario.Load("demo"), TimeScale: 1, RampUp: Math.Min(10_000, devices * 50));
        ready();
        await new SimulatedFleet(options, client, tunnels, @operator, truth, time, proxy, webSockets).RunAsync(stop);
    }
}
