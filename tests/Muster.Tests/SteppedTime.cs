namespace Muster.Tests;

/// <summary>The machine's clock, put forward by as much as a test says. What waits still waits for real time.</summary>
internal sealed class SteppedTime : TimeProvider
{
    public TimeSpan Step { get; set; }

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Step;
}
