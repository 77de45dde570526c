using System.Collections.Immutable;
using System.Globalization;

namespace Muster.Storage.Presence;

/// <summary>A session of a device at a service instance, and the instance's epoch when it was told of.</summary>
public readonly record struct TunnelElsewhere(long Instance, long Epoch);

/// <summary>
/// The sessions that a device has besides its newest one: a device that dials a second tunnel server may still hold its
/// session at the first. Immutable, equal by content, the newest first.
/// </summary>
public sealed class TunnelsElsewhere : IEquatable<TunnelsElsewhere>
{
    /// <summary>More sessions than this are leftovers; the oldest is forgotten.</summary>
    public const int Most = 8;

    public static readonly TunnelsElsewhere None = new([]);

    private readonly ImmutableArray<TunnelElsewhere> sessions;

    private TunnelsElsewhere(ImmutableArray<TunnelElsewhere> sessions) => this.sessions = sessions;

    public ReadOnlySpan<TunnelElsewhere> Sessions => sessions.AsSpan();

    public TunnelElsewhere? Newest => sessions.Length > 0 ? sessions[0] : null;

    public TunnelElsewhere? At(long instance)
    {
        foreach (var session in sessions)
        {
            if (session.Instance == instance)
                return session;
        }

        return null;
    }

    /// <summary>With a session that is newer than the others; one at the same instance is replaced.</summary>
    public TunnelsElsewhere With(TunnelElsewhere session) => new([session, .. sessions.Where(s => s.Instance != session.Instance).Take(Most - 1)]);

    public TunnelsElsewhere Without(long instance) => At(instance) is null ? this : sessions.Length == 1 ? None : new([.. sessions.Where(s => s.Instance != instance)]);

    /// <summary>As it is on record: <c>instance:epoch</c>, with blanks between; null when there is none.</summary>
    public string? Text => sessions.IsEmpty ? null : string.Join(' ', sessions.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Instance}:{s.Epoch}")));

    public static TunnelsElsewhere Of(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return None;
        var sessions = text.Split(' ').Select(session => session.Split(':')).Select(parts => new TunnelElsewhere(
            long.Parse(parts[0], CultureInfo.InvariantCulture), long.Parse(parts[1], CultureInfo.InvariantCulture)));
        return new([.. sessions]);
    }

    public bool Equals(TunnelsElsewhere? other) => other is not null && Sessions.SequenceEqual(other.Sessions);

    public override bool Equals(object? obj) => Equals(obj as TunnelsElsewhere);

    public override int GetHashCode() => sessions.IsEmpty ? 0 : sessions[0].GetHashCode();
}
