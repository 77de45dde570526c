namespace Muster.Server.Hosting;

/// <summary>
/// Reads a body as fast as it comes, and gives up on one that trickles. A sender has a credit of time; what it sends adds to
/// the credit, never above what it began with, so that a burst does not pay for a long silence.
/// </summary>
internal sealed class BodyPace(ServerLimits limits, TimeProvider time, CancellationToken aborted)
{
    private readonly long start = time.GetTimestamp();
    private TimeSpan until = limits.BodyPatience;

    /// <summary>0 at the end of the body.</summary>
    /// <exception cref="BadHttpRequestException">400: the body is badly framed or was broken off; 408: it is too slow.</exception>
    public async ValueTask<int> ReadAsync(Stream body, Memory<byte> buffer)
    {
        var left = (until < limits.BodyDeadline ? until : limits.BodyDeadline) - time.GetElapsedTime(start);
        if (left <= TimeSpan.Zero)
            throw TooSlow();
        using var late = new CancellationTokenSource();
        try
        {
            var reading = body.ReadAsync(buffer, late.Token);
            // A small body came with its head; only one that is waited for needs a clock.
            var count = reading.IsCompletedSuccessfully ? reading.Result : await WaitAsync(reading, late, left);
            var (earned, most) = (until + TimeSpan.FromSeconds((double)count / limits.BodyBytesPerSecond), time.GetElapsedTime(start) + limits.BodyPatience);
            until = earned < most ? earned : most;
            return count;
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !aborted.IsCancellationRequested)
        {
            throw TooSlow();
        }
        catch (IOException e) when (e is not BadHttpRequestException && !aborted.IsCancellationRequested)
        {
            // A chunk's size that overflows, or a connection that is gone.
            throw new BadHttpRequestException("The body is badly framed.", StatusCodes.Status400BadRequest, e);
        }
    }

    private async ValueTask<int> WaitAsync(ValueTask<int> reading, CancellationTokenSource late, TimeSpan left)
    {
        await using var timer = time.CreateTimer(static source => ((CancellationTokenSource)source!).Cancel(), late, left, Timeout.InfiniteTimeSpan);
        await using var gone = aborted.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), late);
        return await reading;
    }

    private static BadHttpRequestException TooSlow() => new("The body comes too slowly.", StatusCodes.Status408RequestTimeout);
}
