using System.Collections.Immutable;

namespace Muster.Core.Access;

/// <summary>What a person may do in an organization. A higher role may do all that a lower one may.</summary>
public enum Role : byte
{
    /// <summary>Reads.</summary>
    Observer,
    /// <summary>Also acts on devices: tags, notes, reboot, pin.</summary>
    Operator,
    /// <summary>Also changes fleets, releases, variables, keys.</summary>
    Developer,
    /// <summary>Also members, plan, deletion of fleets and of the organization.</summary>
    Administrator,
}

public enum CallerKind : byte { Anonymous, User, Device, Fleet, Service }

/// <summary>Who makes a request, as proved by its token or key. Immutable; resolved once per request.</summary>
/// <param name="ActorId">The actor's id on the wire (whoami's id, api_key.is_of__actor).</param>
/// <param name="SubjectId">account, device or fleet id by <paramref name="Kind"/>; 0 for a service.</param>
/// <param name="KeyRoles">Roles of the API key used ("provisioning-api-key", "device-api-key", "named-user-api-key", "service.vpn", …); empty for a JWT.</param>
/// <param name="Memberships">A user's role in each organization.</param>
/// <param name="IsServerAdmin">Sees and does everything.</param>
public sealed record Caller(CallerKind Kind, long ActorId, long SubjectId, ImmutableArray<string> KeyRoles, ImmutableDictionary<long, Role> Memberships, bool IsServerAdmin = false)
{
    /// <summary>What it has proved that with.</summary>
    public Credential Credential { get; init; }

    /// <summary>Whether this caller may do all that <paramref name="earlier"/> might: the same one, and no role of it was lowered or taken away.</summary>
    public bool IsStill(Caller earlier) =>
        Kind == earlier.Kind && ActorId == earlier.ActorId && SubjectId == earlier.SubjectId && (IsServerAdmin
            || (!earlier.IsServerAdmin && earlier.Memberships.All(m => Memberships.TryGetValue(m.Key, out var role) && role >= m.Value)));

    public static readonly Caller Anonymous = new(CallerKind.Anonymous, 0, 0, [], ImmutableDictionary<long, Role>.Empty);
}
