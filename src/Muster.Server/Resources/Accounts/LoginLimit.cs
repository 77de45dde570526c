using System.Net;
using System.Net.Sockets;

namespace Muster.Server.Resources.Accounts;

/// <summary>
/// Limits password guessing: failed log-ins within a window are counted per address, and per address and name together.
/// Nothing is counted per name alone, so nobody can lock a person out from another address. Bounded: when too many entries
/// are remembered, expired ones are dropped, then the oldest.
/// </summary>
internal sealed class LoginLimit(TimeProvider time)
{
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(5);
    private const int PerName = 10;
    private const int PerAddress = 50;
    private const int Remembered = 20_000;

    private readonly Lock guard = new();
    private readonly Dictionary<string, (int Failures, DateTimeOffset Since)> failed = new(StringComparer.Ordinal);

    /// <summary>Counts the attempt as failed until <see cref="Succeeded"/> takes it back. Null when it may go on, else how long to wait.</summary>
    /// <param name="typed">The name or e-mail address as typed.</param>
    /// <param name="account">The account it names, or null.</param>
    public TimeSpan? Attempt(string typed, long? account, IPAddress? from)
    {
        var address = Of(from);
        var names = Names(typed, account, address);
        lock (guard)
        {
            var now = time.GetUtcNow();
            var wait = Wait(address, PerAddress, now);
            foreach (var name in names)
                wait ??= Wait(name, PerName, now);
            if (wait is null)
            {
                Count(address, now);
                foreach (var name in names)
                    Count(name, now);
            }

            return wait;
        }
    }

    /// <summary>The password was right: the name's count starts again, and the address gets its attempt back.</summary>
    public void Succeeded(string typed, long? account, IPAddress? from)
    {
        var address = Of(from);
        lock (guard)
        {
            foreach (var name in Names(typed, account, address))
                failed.Remove(name);
            if (failed.TryGetValue(address, out var entry))
                failed[address] = entry with { Failures = entry.Failures - 1 };
        }
    }

    /// <summary>
    /// A person is counted under the account and under the name that the address begins with (the usual user name): e-mail and
    /// name share one count whether or not there is such an account, so the limit does not tell which accounts exist.
    /// </summary>
    private static string[] Names(string typed, long? account, string address)
    {
        var name = $"{address} name {People.UsernameOf(typed)}";
        return account is { } id ? [name, $"{address} account {id}"] : [name];
    }

    /// <summary>An IPv6 network is one address: its owner has all of it.</summary>
    private static string Of(IPAddress? from)
    {
        var address = from ?? IPAddress.None;
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        return address.AddressFamily == AddressFamily.InterNetworkV6 ? new IPNetwork(Masked(address), 64).ToString() : address.ToString();
    }

    private static IPAddress Masked(IPAddress address)
    {
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new IPAddress(bytes);
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
