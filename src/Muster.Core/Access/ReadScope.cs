namespace Muster.Core.Access;

/// <summary>Which rows a caller may see, before the resource model turns it into SQL.</summary>
public enum ReadScopeKind : byte
{
    /// <summary>Nobody in particular: the public catalogue, public fleets and their releases.</summary>
    Anonymous,
    /// <summary>The server's administrator.</summary>
    Everything,
    /// <summary>A service of ours, such as the tunnel: everything but people's accounts and keys.</summary>
    Service,
    /// <summary>A person: what belongs to the organizations of which the account is a member.</summary>
    Memberships,
    /// <summary>A device's own key: itself and what it needs to run.</summary>
    Device,
    /// <summary>A provisioning key: its fleet, and no device.</summary>
    Fleet,
}

/// <summary>
/// The one answer to "which rows may this caller read"; every root, expand, lambda and count of a query is narrowed by it.
/// </summary>
/// <param name="SubjectId">Account, device or fleet id by <paramref name="Kind"/>; else 0.</param>
/// <param name="ActorId">The caller's actor; its own API keys are visible to it.</param>
public sealed record ReadScope(ReadScopeKind Kind, long SubjectId, long ActorId)
{
    public static readonly ReadScope Anonymous = new(ReadScopeKind.Anonymous, 0, 0);

    /// <summary>For work of Muster's own.</summary>
    public static readonly ReadScope Everything = new(ReadScopeKind.Everything, 0, 0);

    public static ReadScope Of(Caller caller) => new(
        caller.Kind switch
        {
            CallerKind.User => caller.IsServerAdmin ? ReadScopeKind.Everything : ReadScopeKind.Memberships,
            CallerKind.Device => ReadScopeKind.Device,
            CallerKind.Fleet => ReadScopeKind.Fleet,
            CallerKind.Service => ReadScopeKind.Service,
            _ => ReadScopeKind.Anonymous,
        },
        caller.SubjectId,
        caller.ActorId);
}
