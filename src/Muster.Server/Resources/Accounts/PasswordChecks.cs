namespace Muster.Server.Resources.Accounts;

/// <summary>Hashing a password is dear on purpose: only as many at a time as there are processors to spare, so that log-ins cannot starve devices.</summary>
internal sealed class PasswordChecks : IDisposable
{
    private static readonly int AtOnce = Math.Max(1, Environment.ProcessorCount / 2);
    private const int MostWaiting = 64;

    private readonly SemaphoreSlim turns = new(AtOnce, AtOnce);
    private int waiting;

    /// <exception cref="RefusedException">503: too many log-ins are waiting.</exception>
    public async Task<bool> IsPasswordAsync(Account? account, string password, CancellationToken cancellation)
    {
        if (Interlocked.Increment(ref waiting) > MostWaiting)
        {
            Interlocked.Decrement(ref waiting);
            throw new RefusedException(StatusCodes.Status503ServiceUnavailable, "Too many log-ins are waiting. Try again soon.");
        }

        try
        {
            await turns.WaitAsync(cancellation);
            try
            {
                return await Task.Run(() => People.IsPassword(account, password), cancellation);
            }
            finally
            {
                turns.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }

    public void Dispose() => turns.Dispose();
}
