using Microsoft.Extensions.DependencyInjection;
using Muster.Server;
using Muster.Storage;
using Muster.Tests.Storage;

namespace Muster.EndToEnd.Tests.Faults;

public sealed class ClockStepTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_step_of_the_machines_clock_moves_no_status(string kind)
    {
        var clock = new SteppedClock();
        var (connection, directory) = await TestDatabases.LocationAsync(kind);
        string[] args = ["--urls=http://127.0.0.1:0", $"--data={directory}", $"--Admin:Email={ServerProcess.Email}", $"--Admin:Password={ServerProcess.Password}", .. FaultSettings.ShortWindows];
        await using var server = ServerHost.Build(connection is null ? args : [.. args, $"--database={connection}"], builder => builder.Services.AddSingleton<TimeProvider>(clock));
        await server.StartAsync();
        using var fleet = await DrivenFleet.CreateAsync(new Uri(server.Urls.First()), ServerProcess.Email, ServerProcess.Password, 11);
        await OutageTests.WhileLivingAsync(fleet, async () =>
        {
            foreach (var step in new[] { 1, -1, -1, 1 })
            {
                clock.Step(TimeSpan.FromHours(step));
                await Task.Delay(TimeSpan.FromSeconds(3));
            }
        });

        await Evidence.NoneWasFalselyDisconnectedAsync(server.Services.GetRequiredService<Database>(), fleet.Devices.SkipLast(1));
        await server.StopAsync();
    }

    /// <summary>The machine's clock as an operator or NTP sets it: the wall clock jumps, elapsed time does not.</summary>
    private sealed class SteppedClock : TimeProvider
    {
        private long offset;

        public void Step(TimeSpan by) => Interlocked.Add(ref offset, by.Ticks);

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref offset));
    }
}
