using System.Collections.Immutable;

namespace Muster.Core.Presence;

/// <summary>By what two machines with one identity betray themselves.</summary>
public enum TwinSign : byte
{
    /// <summary>Where contacts come from. IPv4 and IPv6 apart: one machine may use both.</summary>
    Address,
    Address6,

    /// <summary>The processor's serial number.</summary>
    Hardware,

    /// <summary>A first report after a boot; its identity is the machine's own address.</summary>
    Boot,

    /// <summary>A tunnel that came up while another was up, or stays up beside it.</summary>
    Tunnel,
}

/// <summary>Two machines seem to have one identity.</summary>
/// <param name="Sentence">By what it shows.</param>
public sealed record TwinFinding(string Sentence)
{
    public const string NextStep =
        "Was a memory card or an image copied after its first boot? Give one of the machines an identity of its own: flash it with a fresh image, or remove uuid, deviceApiKey, deviceId and registered_at from its config.json. Until then status, logs and metrics are those of both.";
}

/// <summary>
/// The last signs of one device, bounded. A machine that moves goes from one address to another; two machines with one
/// identity (a cloned card) bring the former address back, again and again.
/// </summary>
public sealed record TwinTrace
{
    public static readonly TwinTrace Empty = new();

    /// <summary>Signs that are kept of each kind.</summary>
    public const int Kept = 8;

    private const long Minute = 60_000;
    private const long Hour = 60 * Minute;
    private const long Day = 24 * Hour;
    private const int AddressReturns = 3;
    private const int Boots = 3;
    private const int Tunnels = 5;
    private const long TunnelWindow = 10 * Minute;
    private const int LongestIdentity = 64;

    private ImmutableArray<Seen> Signs { get; init; } = [];

    /// <summary>Signs that are kept.</summary>
    public int Count => Signs.Length;

    /// <summary>When the last sign came, Unix ms.</summary>
    public long LastAt => Signs.Length == 0 ? 0 : Signs.Max(s => s.At);

    /// <param name="identity">Whose sign it is: an address, a serial number.</param>
    /// <param name="at">Unix ms.</param>
    public TwinTrace Note(TwinSign sign, string identity, long at)
    {
        identity = identity.Length > LongestIdentity ? identity[..LongestIdentity] : identity;
        if (IsIdentity(sign) && Signs.LastOrDefault(s => s.Sign == sign) is { Identity: { } last } && last == identity)
            return this;
        var all = Signs.Add(new(sign, identity, at));
        return this with { Signs = all.Count(s => s.Sign == sign) > Kept ? all.RemoveAt(all.IndexOf(all.First(s => s.Sign == sign))) : all };
    }

    /// <summary>Null when it may well be one machine.</summary>
    public TwinFinding? Find(long now)
    {
        List<string> words = [];
        foreach (var sign in (ReadOnlySpan<TwinSign>)[TwinSign.Address, TwinSign.Address6])
        {
            var addresses = Of(sign, now - Hour);
            if (Returns(addresses) >= AddressReturns)
                words.Add($"its contacts come from {Named(addresses)} by turns");
        }

        if (Returns(Of(TwinSign.Hardware, now - Day)) >= 1)
            words.Add($"it reports the processors {Named(Of(TwinSign.Hardware, now - Day))} by turns");
        var boots = Of(TwinSign.Boot, now - Hour);
        if (boots.Count >= Boots && Returns(boots) >= 1)
            words.Add($"it reported {boots.Count} boots within an hour, by turns from {Named(boots)}");
        var tunnels = Of(TwinSign.Tunnel, now - TunnelWindow);
        if (tunnels.Count >= Tunnels)
            words.Add("two tunnels of it are up at once, or push each other out");
        return words.Count == 0 ? null : new($"Two machines seem to have this device's identity: {string.Join("; ", words)}.");
    }

    private List<string> Of(TwinSign sign, long since) => [.. Signs.Where(s => s.Sign == sign && s.At >= since).Select(s => s.Identity)];

    /// <summary>How often an identity came back after another one.</summary>
    private static int Returns(List<string> identities)
    {
        var returns = 0;
        for (var i = 2; i < identities.Count; i++)
        {
            if (identities[i] != identities[i - 1] && identities.IndexOf(identities[i], 0, i - 1) >= 0)
                returns++;
        }

        return returns;
    }

    private static string Named(List<string> identities) => string.Join(" and ", identities.Distinct(StringComparer.Ordinal).Take(3));

    private static bool IsIdentity(TwinSign sign) => sign is TwinSign.Address or TwinSign.Address6 or TwinSign.Hardware;

    private readonly record struct Seen(TwinSign Sign, string Identity, long At);
}
