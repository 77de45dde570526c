namespace Muster.Server.Resources.Accounts;

/// <summary>
/// Limits guessing of passwords: failed log-ins per account and per address within a window. Bounded: when too many
/// names are remembered, those whose window is over go, then the oldest.
/// </summary>
internal sealed class LoginLimit(TimeProvider time)
{
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(5);
    private const int PerAccount = 10;
    private const int PerAddress = 50;
    private const int Remembered = 20_000;

    private readonly Lock guard = new();
    private readonly Dictionary<string, (int Failures, DateTimeOffset Since)> failed = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Counts the attempt as failed until <see cref="Succeeded"/> takes it back. Null when it may go on, else how long to wait.</summary>
    public TimeSpan? Attempt(string account, string address)
    {
        lock (guard)
        {
            var now = time.GetUtcNow();
            var wait = Wait("account " + account, PerAccount, now) ?? Wait("address " + address, PerAddress, now);
            if (wait is null)
            {
                Count("account " + account, now);
                Count("address " + address, now);
            }

            return wait;
        }
    }

    /// <summary>The password was right: the account starts anew, the address gets its attempt back.</summary>
    public void Succeeded(string account, string address)
    {
        lock (guard)
        {
            failed.Remove("account " + account);
            if (failed.TryGetValue("address " + address, out var entry))
                failed["address " + address] = entry with { Failures = entry.Failures - 1 };
        }
    }

    private TimeSpan? Wait(string name, int limit, DateTimeOffset now) =>
        failed.TryGetValue(name, out var entry) && entry.Failures >= limit && entry.Since + Window > now ? entry.Since + Window - now : null;

    private void Count(string name, DateTimeOffset now)
    {
        if (failed.TryGetValue(name, out var entry) && entry.Since + Window > now)
        {
            failed[name] = entry with { Failures = entry.Failures + 1 };
            return;
        }

        if (failed.Count >= Remembered)
            Forget(now);
        failed[name] = (1, now);
    }

    private void Forget(DateTimeOffset now)
    {
        foreach (var (name, entry) in failed)
        {
            if (entry.Since + Window <= now)
                failed.Remove(name);
        }

        foreach (var name in failed.OrderBy(e => e.Value.Since).Take(failed.Count - (Remembered / 2)).Select(e => e.Key).ToList())
            failed.Remove(name);
    }
}
