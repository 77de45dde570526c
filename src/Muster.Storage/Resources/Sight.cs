using Muster.Core.Access;

namespace Muster.Storage.Resources;

/// <summary>
/// Row-level visibility, in one place: the condition that a row must meet for the caller to see it. Every root, expand,
/// lambda, path and count of a statement asks here.
/// </summary>
internal sealed class Sight(ResourceModel model, ReadScope scope, SqlParts parts)
{
    public ReadScopeKind Kind => scope.Kind;

    /// <summary>The caller's account, as SQL; 0 for who has none.</summary>
    public string Account => parts.Parameter(scope.Kind is ReadScopeKind.Memberships or ReadScopeKind.Everything ? scope.SubjectId : 0L);

    /// <summary>The organizations the caller belongs to, as a subquery without parentheses.</summary>
    public string Organizations => scope.Kind == ReadScopeKind.Everything
        ? "SELECT id FROM organization"
        : $"SELECT om.organization_id FROM organization_membership om WHERE om.account_id = {Account}";

    /// <summary>The condition for rows of a resource under this alias; null when all are visible.</summary>
    /// <exception cref="QueryRefusedException">The caller may see nothing of this resource at all.</exception>
    public string? Condition(Resource resource, string alias) => Condition(resource, alias, resource.Visibility.WithPublicFleets);

    /// <summary>
    /// The condition for the rows that a write may name: those that the caller sees, and for a provisioning key the devices
    /// of its fleet, of which it reads nothing but their identity (<see cref="May(Resource, Field)"/>).
    /// </summary>
    /// <exception cref="QueryRefusedException">There are none for the caller.</exception>
    public string? Named(Resource resource, string alias) =>
        scope.Kind == ReadScopeKind.Fleet && resource.Visibility.Anchor == Anchor.Device ? $"{alias}.fleet_id = {parts.Parameter(scope.SubjectId)}" : Condition(resource, alias);

    /// <summary>Whether the caller may compare, order by and read this field of rows that it may name.</summary>
    public bool May(Resource resource, Field field) => scope.Kind != ReadScopeKind.Fleet || resource.Visibility.Anchor != Anchor.Device || field.Name is "id" or "uuid";

    /// <summary>Whether the caller may go on from rows of this resource.</summary>
    public bool MayLeave(Resource resource) => scope.Kind != ReadScopeKind.Fleet || resource.Visibility.Anchor != Anchor.Device;

    /// <summary>A secret of the device under this alias: its value for who may act on the device, else null.</summary>
    public string Secret(string value, string alias) => scope.Kind switch
    {
        ReadScopeKind.Memberships =>
            $"CASE WHEN {alias}.fleet_id IN (SELECT af.id FROM fleet af WHERE af.organization_id IN ({Organizations} AND om.role <> '{Role.Observer.Word()}')) THEN {value} END",
        // A device's key sees no other device.
        ReadScopeKind.Everything or ReadScopeKind.Service or ReadScopeKind.Device => value,
        _ => "CAST(NULL AS TEXT)",
    };

    private string? Condition(Resource resource, string alias, bool withPublicFleets)
    {
        var anchor = resource.Visibility.Anchor;
        if (anchor == Anchor.OwnAccount)
            return scope.Kind is ReadScopeKind.Memberships or ReadScopeKind.Everything ? $"{alias}.account_id = {Account}" : throw Refused(resource);
        if (anchor == Anchor.Invite)
            return Invite(resource, alias);
        if (scope.Kind == ReadScopeKind.Everything)
            return null;
        if (scope.Kind == ReadScopeKind.Device && resource.Visibility.NotForDevices)
            throw Refused(resource);
        if (anchor == Anchor.Everyone)
            return null;
        return anchor switch
        {
            Anchor.Past when scope.Kind == ReadScopeKind.Device =>
                $"({alias}.device_id = {parts.Parameter(scope.SubjectId)} AND {alias}.fleet_id = {OwnFleet})",
            Anchor.Parent or Anchor.Past => Parent(resource, alias, withPublicFleets),
            Anchor.Fleet => Fleet(resource, alias, withPublicFleets),
            Anchor.Device => Device(alias),
            Anchor.Authenticated when scope.Kind != ReadScopeKind.Anonymous => null,
            Anchor.Organization or Anchor.Membership when scope.Kind == ReadScopeKind.Service => null,
            Anchor.Organization when scope.Kind == ReadScopeKind.Memberships => $"{alias}.id IN ({Organizations})",
            Anchor.Membership when scope.Kind == ReadScopeKind.Memberships => $"{alias}.organization_id IN ({Organizations})",
            Anchor.Account when scope.Kind == ReadScopeKind.Memberships =>
                $"({alias}.id = {Account} OR EXISTS (SELECT 1 FROM organization_membership am WHERE am.account_id = {alias}.id AND am.organization_id IN ({Organizations})))",
            Anchor.ActorKey => OfActor(resource, $"{alias}.actor_id"),
            Anchor.Actor => OfActor(resource, $"{alias}.id"),
            _ => throw Refused(resource),
        };
    }

    private string? Parent(Resource resource, string alias, bool withPublicFleets)
    {
        var reference = resource.Field(resource.Visibility.Parent!)!;
        var parent = model.Resource(reference.Target!)!;
        var inner = parts.Alias();
        if (Condition(parent, inner, withPublicFleets) is not { } condition)
            return null;
        // Fleets are few: their ids are found once and not once for each row.
        return parent.Table == "fleet"
            ? $"{reference.Of(alias)} IN (SELECT {inner}.id FROM fleet {inner} WHERE {condition})"
            : $"EXISTS (SELECT 1 FROM {parent.Table} {inner} WHERE {inner}.id = {reference.Of(alias)} AND {condition})";
    }

    private string? Fleet(Resource resource, string alias, bool withPublicFleets)
    {
        var own = scope.Kind switch
        {
            ReadScopeKind.Service => null,
            ReadScopeKind.Memberships => $"{alias}.organization_id IN ({Organizations})",
            ReadScopeKind.Device => $"{alias}.id = {OwnFleet}",
            ReadScopeKind.Fleet when withPublicFleets => $"{alias}.id = {parts.Parameter(scope.SubjectId)}",
            ReadScopeKind.Anonymous when withPublicFleets => "1 = 0",
            _ => throw Refused(resource),
        };
        return own is null || !withPublicFleets ? own : $"({own} OR {alias}.is_public = 1)";
    }

    /// <summary>The fleet of the device that asks. A frozen device is told nothing.</summary>
    private string OwnFleet => $"(SELECT od.fleet_id FROM device od WHERE od.id = {parts.Parameter(scope.SubjectId)} AND od.is_frozen = 0)";

    /// <summary>The condition on a fleet's id under which its devices are visible; null when all are.</summary>
    /// <exception cref="QueryRefusedException">The caller may see no devices by fleet.</exception>
    public string? FleetOfDevice(string fleetId) => scope.Kind switch
    {
        ReadScopeKind.Everything or ReadScopeKind.Service => null,
        ReadScopeKind.Memberships => $"{fleetId} IN (SELECT vf.id FROM fleet vf WHERE vf.organization_id IN ({Organizations}))",
        _ => throw QueryRefusedException.NotPermitted("device"),
    };

    private string? Device(string alias) => scope.Kind switch
    {
        // A frozen device is told nothing, not even about itself.
        ReadScopeKind.Device => $"({alias}.id = {parts.Parameter(scope.SubjectId)} AND {alias}.is_frozen = 0)",
        _ => FleetOfDevice($"{alias}.fleet_id"),
    };

    /// <summary>The condition for keys that are the caller's own.</summary>
    public string OwnKeys(string alias) => $"{alias}.actor_id = {parts.Parameter(scope.ActorId)}";

    /// <summary>Only administrators: an invite names somebody who is not a member yet.</summary>
    private string Invite(Resource resource, string alias)
    {
        var kind = resource.Name switch
        {
            "invitee__is_invited_to__organization" => $"{alias}.fleet_id IS NULL",
            "invitee__is_invited_to__application" => $"{alias}.fleet_id IS NOT NULL",
            _ => "1 = 1",
        };
        return scope.Kind switch
        {
            ReadScopeKind.Everything => kind,
            ReadScopeKind.Memberships => $"({kind} AND {alias}.organization_id IN ({Organizations} AND om.role = '{Role.Administrator.Word()}'))",
            _ => throw Refused(resource),
        };
    }

    private string OfActor(Resource resource, string actor)
    {
        var own = $"{actor} = {parts.Parameter(scope.ActorId)}";
        return scope.Kind switch
        {
            ReadScopeKind.Fleet => own,
            ReadScopeKind.Memberships =>
                $"({own} OR {actor} IN (SELECT kf.actor_id FROM fleet kf WHERE kf.organization_id IN ({Organizations}))" +
                $" OR EXISTS (SELECT 1 FROM device kd JOIN fleet kg ON kg.id = kd.fleet_id WHERE kd.actor_id = {actor} AND kg.organization_id IN ({Organizations})))",
            _ => throw Refused(resource),
        };
    }

    private static QueryRefusedException Refused(Resource resource) => QueryRefusedException.NotPermitted(resource.Name);
}
