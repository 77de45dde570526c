[assembly: AssemblyFixture(typeof(Muster.Tests.Storage.EndOfRun))]

namespace Muster.Tests.Storage;

/// <summary>
/// Stops the run's PostgreSQL while the run still goes on. Done at the exit of the process, it took longer on a busy machine
/// than the runner waits there, which then speaks of foreground threads and counts the run as failed.
/// </summary>
public sealed class EndOfRun : IAsyncDisposable
{
    public async ValueTask DisposeAsync() => await TestDatabases.StopAsync();
}
