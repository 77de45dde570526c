namespace Muster.Server.Devices.Logs;

/// <summary>
/// How fast rows of one upload are taken, empty ones too. Who sends faster waits: nothing of the log is lost, and one device
/// does not take the processor from the others.
/// </summary>
internal sealed class RowPace(int rowsPerSecond, TimeProvider time)
{
    /// <summary>Empty rows that cost as much as one line.</summary>
    private const int EmptyRows = 64;

    private readonly long start = time.GetTimestamp();
    private TimeSpan paidUntil;

    /// <summary>Completes when the rows that were taken are paid for, but for a burst of ten seconds.</summary>
    public async ValueTask TakenAsync(int lines, int empty, CancellationToken cancellation)
    {
        var now = time.GetElapsedTime(start);
        paidUntil = (paidUntil > now ? paidUntil : now) + TimeSpan.FromSeconds((lines + (double)empty / EmptyRows) / rowsPerSecond);
        if (paidUntil - now - TimeSpan.FromSeconds(10) is { Ticks: > 0 } owed)
            await Task.Delay(owed, time, cancellation);
    }
}
