namespace Muster.Storage.Resources;

/// <summary>To whom a row belongs in the end.</summary>
public enum Anchor : byte
{
    /// <summary>The public catalogue.</summary>
    Everyone,
    /// <summary>Anyone with credentials.</summary>
    Authenticated,
    Fleet,
    Device,
    Organization,
    Membership,
    Account,
    /// <summary>An account's own belongings (public keys).</summary>
    OwnAccount,
    /// <summary>Invites: the administrators of the organization.</summary>
    Invite,
    /// <summary>API keys: through the actor they speak for.</summary>
    ActorKey,
    /// <summary>Actors: the caller's own, and those of fleets and devices that it may see.</summary>
    Actor,
    /// <summary>As its parent: see <see cref="Visibility.Parent"/>.</summary>
    Parent,
    /// <summary>What a device did while in a fleet: as the fleet, its parent; to the device's key only its own.</summary>
    Past,
}

/// <summary>How a row belongs to a fleet, organization or account; <see cref="Sight"/> turns it into a condition.</summary>
/// <param name="Parent">For <see cref="Anchor.Parent"/>: the reference field that leads to the parent row.</param>
/// <param name="WithPublicFleets">Whether rows of public fleets can be seen by anybody.</param>
public sealed record Visibility(Anchor Anchor, string? Parent = null, bool WithPublicFleets = false)
{
    /// <summary>Whether a device's key sees none of it, because no target state needs it.</summary>
    public bool NotForDevices { get; init; }

    public static Visibility As(string parent, bool withPublicFleets = false) => new(Anchor.Parent, parent, withPublicFleets);
}
