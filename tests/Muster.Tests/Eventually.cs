namespace Muster.Tests;

/// <summary>Waits on conditions that another task brings about.</summary>
internal static class Eventually
{
    /// <summary>Far beyond what anything takes; only a failure waits so long.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    public static async Task HoldsAsync(Func<Task<bool>> condition)
    {
        using var late = new CancellationTokenSource(Patience);
        while (true)
        {
            try
            {
                if (await condition())
                    return;
            }
            catch (Muster.Storage.DatabaseAwayException) when (!late.IsCancellationRequested)
            {
                // It may be on its way back.
            }

            await Task.Delay(20, late.Token);
        }
    }

    public static Task HoldsAsync(Func<bool> condition) => HoldsAsync(() => Task.FromResult(condition()));
}
