using System.Threading.Channels;
using Muster.Server.Cloudlink.Sessions;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>
/// Asks connected devices to look at their target state when something that it is made of has changed, instead of waiting
/// for their next poll. A courtesy: what is lost here, the poll brings.
/// </summary>
internal sealed partial class UpdateNudges(FleetPresence presence, Database database, ConnectedDevices connected, SupervisorClient supervisors, TimeProvider time, ILogger<UpdateNudges> log) : BackgroundService
{
    /// <summary>Devices of one fleet that are asked; the others poll by themselves.</summary>
    private const int MaxDevices = 1_000;

    /// <summary>Calls that may be under way at once.</summary>
    private const int MaxCalls = 100;

    /// <summary>Devices answer by polling; not all at once.</summary>
    private static readonly TimeSpan Spacing = TimeSpan.FromMilliseconds(50);

    private readonly SemaphoreSlim calls = new(MaxCalls);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var changes = Channel.CreateBounded<InputChange>(new BoundedChannelOptions(1_000) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        void Take(InputChange change)
        {
            if (change.Devices.Count + change.Fleets.Count > 0)
                changes.Writer.TryWrite(change);
        }

        presence.InputsChanged += Take;
        try
        {
            await foreach (var change in changes.Reader.ReadAllAsync(stoppingToken))
                await NudgeAsync(change, stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
        finally
        {
            presence.InputsChanged -= Take;
        }
    }

    private async Task NudgeAsync(InputChange change, CancellationToken cancellation)
    {
        try
        {
            foreach (var device in change.Devices.Take(MaxDevices))
                await CallAsync(await connected.FindAsync(device, fleetId: null, uuid: null, limit: 1, cancellation), cancellation);
            foreach (var fleet in change.Fleets)
                await CallAsync(await connected.FindAsync(deviceId: null, fleet, uuid: null, MaxDevices, cancellation), cancellation);
        }
        // Also when a connection breaks in the middle of a read: nothing here is worth the server's life.
        catch (Exception e) when (e is DatabaseAwayException || database.IsAway(e))
        {
            LogGivenUp(e.Message);
        }
    }

    private async Task CallAsync(List<TunnelledDevice> devices, CancellationToken cancellation)
    {
        foreach (var device in devices)
        {
            await calls.WaitAsync(cancellation);
            _ = CallAsync(device, cancellation);
            if (devices.Count > 1)
                await Task.Delay(Spacing, time, cancellation);
        }
    }

    private async Task CallAsync(TunnelledDevice device, CancellationToken cancellation)
    {
        try
        {
            await supervisors.CallAsync(device, new(HttpMethod.Post, "/v1/update", null), cancellation);
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
        finally
        {
            calls.Release();
        }
    }

    public override void Dispose()
    {
        calls.Dispose();
        base.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Devices were not asked to look at their target state: {Why}")]
    private partial void LogGivenUp(string why);
}
