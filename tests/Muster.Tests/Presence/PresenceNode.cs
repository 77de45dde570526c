using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Muster.Core.Status;
using Muster.Server.Presence;
using Muster.Storage;
using Muster.Tests.Storage;

namespace Muster.Tests.Presence;

/// <summary>
/// Presence alone in a host, on a database that outlives it and a clock of the test's own. Its beat is the test's:
/// <see cref="PassAsync"/>. Several in sequence on one database are restarts.
/// </summary>
internal sealed class PresenceNode : IAsyncDisposable
{
    private readonly WebApplication app;
    private bool stopped;

    private PresenceNode(WebApplication app, FakeTimeProvider time)
    {
        this.app = app;
        Time = time;
    }

    public FakeTimeProvider Time { get; }

    public FleetPresence Presence => app.Services.GetRequiredService<FleetPresence>();

    public T Get<T>() where T : notnull => app.Services.GetRequiredService<T>();

    public static async Task<PresenceNode> StartAsync(Database database, FakeTimeProvider time, Action<PresenceOptions>? configure = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<TimeProvider>(time);
        builder.Services.AddSingleton(database);
        builder.AddPresence();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.Configure<PresenceOptions>(options =>
        {
            options.PollIntervalFloor = TimeSpan.FromSeconds(10);
            options.DefaultPollInterval = TimeSpan.FromSeconds(60);
            // The background loop stays quiet: the test beats.
            options.TickEvery = TimeSpan.FromDays(1);
            configure?.Invoke(options);
        });
        var node = new PresenceNode(builder.Build(), time);
        await node.app.StartAsync();
        await node.ReadyAsync();
        return node;
    }

    private async Task ReadyAsync()
    {
        while (!Presence.IsReady)
            await Task.Delay(10);
    }

    /// <summary>Lets time pass while Muster listens.</summary>
    public async Task PassAsync(TimeSpan span)
    {
        var step = TimeSpan.FromSeconds(1);
        for (var left = span; left > TimeSpan.Zero; left -= step)
        {
            Time.Advance(left < step ? left : step);
            await Get<PresenceTicker>().Tick();
        }

        await Get<PresenceTicker>().Tick();
    }

    public DeviceSlot Slot(FixtureDevice device) =>
        Presence.TryFind(device.Uuid, out var slot) ? slot : throw new InvalidOperationException("The device is not known.");

    public Task PollAsync(FixtureDevice device) => Presence.PolledAsync(Slot(device)).AsTask();

    public Task ReportAsync(FixtureDevice device, StateReport report) => Presence.ReportAsync(Slot(device), report, CancellationToken.None);

    public Task StopAsync()
    {
        stopped = true;
        return app.StopAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!stopped)
            await StopAsync();
        await app.DisposeAsync();
    }

    /// <summary>Ends without a last checkpoint, as a crash does.</summary>
    public async Task CrashAsync()
    {
        Presence.Close();
        await DisposeAsync();
    }
}
