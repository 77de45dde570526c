using System.Collections.Concurrent;
using Muster.Core.Access;

namespace Muster.Server.Resources.Reads;

/// <summary>
/// How long the slow queries of one caller may keep the database busy, all together: nobody makes others wait by asking
/// again and again. Queries that are answered within a second are free.
/// </summary>
internal sealed class QueryAllowance(TimeProvider time)
{
    /// <summary>Callers that are remembered; beyond, those that owe nothing are forgotten.</summary>
    private const int MostCallers = 10_000;

    private static readonly TimeSpan Free = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, Spent> callers = new(StringComparer.Ordinal);

    /// <summary>How long one query of this caller may take.</summary>
    public static TimeSpan Longest(Caller caller) => TimeSpan.FromSeconds(caller.Kind is CallerKind.Anonymous ? 5 : 30);

    /// <summary>Who pays: the caller, and for those without credentials their address.</summary>
    public static string Payer(Caller caller, HttpContext context) =>
        caller.Kind is CallerKind.Anonymous ? $"from {context.Connection.RemoteIpAddress}" : $"{caller.Kind} {caller.ActorId}";

    /// <summary>How long the caller has to wait before it may ask again; null when it may ask now.</summary>
    public TimeSpan? Wait(string payer, Caller caller)
    {
        if (!callers.TryGetValue(payer, out var spent))
            return null;
        var over = spent.Left(time.GetTimestamp(), time, PerMinute(caller)) - PerMinute(caller);
        return over > TimeSpan.Zero ? over / (PerMinute(caller) / TimeSpan.FromMinutes(1)) : null;
    }

    /// <summary>A query of the caller took so long.</summary>
    public void Charge(string payer, Caller caller, TimeSpan took)
    {
        if (took <= Free)
            return;
        var (now, perMinute) = (time.GetTimestamp(), PerMinute(caller));
        callers.AddOrUpdate(payer, _ => new Spent(took - Free, now), (_, before) => new Spent(before.Left(now, time, perMinute) + took - Free, now));
        if (callers.Count <= MostCallers)
            return;
        foreach (var (name, spent) in callers)
        {
            if (spent.Left(now, time, PerMinute(Caller.Anonymous)) == TimeSpan.Zero)
                callers.TryRemove(name, out _);
        }
    }

    /// <summary>Slow time that a caller gets back in a minute, and owes at most.</summary>
    private static TimeSpan PerMinute(Caller caller) => TimeSpan.FromSeconds(caller.Kind is CallerKind.Anonymous ? 15 : 120);

    private readonly record struct Spent(TimeSpan Time, long At)
    {
        public TimeSpan Left(long now, TimeProvider time, TimeSpan perMinute)
        {
            var left = Time - (time.GetElapsedTime(At, now) * (perMinute / TimeSpan.FromMinutes(1)));
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }
}
