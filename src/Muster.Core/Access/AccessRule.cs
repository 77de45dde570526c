using System.Collections.Frozen;

namespace Muster.Core.Access;

/// <summary>What somebody does to a row. To reach a device is to open connections to it through its tunnel.</summary>
public enum Act : byte { Create, Change, Delete, Reach }

/// <summary>To whom a row belongs. An id of 0 means that the row does not belong to anything of that kind.</summary>
public readonly record struct Owner(long OrganizationId = 0, long FleetId = 0, long DeviceId = 0, long AccountId = 0, long ServiceInstanceId = 0);

/// <summary>
/// Who may write what, for every resource in one place. People act through their role in the row's organization;
/// a device's key touches only that device; a provisioning key only reports the provisioning of its fleet's devices;
/// a tunnel service keeps only its own instances. What may be read is decided by <see cref="ReadScope"/>.
/// </summary>
public static class AccessRule
{
    /// <summary>Key role of a device's own key.</summary>
    public const string DeviceKey = "device-api-key";

    /// <summary>Key role of a key that registers devices into one fleet.</summary>
    public const string ProvisioningKey = "provisioning-api-key";

    /// <summary>Key role of a person's named key.</summary>
    public const string UserKey = "named-user-api-key";

    /// <summary>Key role of an external tunnel server.</summary>
    public const string TunnelService = "service.vpn";

    /// <summary>Fields of a device that it reports itself; partitions are their only writers (docs/design.md, promise 4).</summary>
    public static readonly FrozenSet<string> ReportedFields = FrozenSet.Create(StringComparer.Ordinal,
        "status", "provisioning_state", "provisioning_progress", "download_progress", "os_version", "os_variant", "supervisor_version",
        "ip_address", "mac_address", "api_port", "api_secret", "memory_usage", "memory_total", "storage_block_device", "storage_usage",
        "storage_total", "cpu_usage", "cpu_temp", "cpu_id", "is_undervolted");

    /// <summary>Fields of a device that an operator may set: they act on one device and change nothing for others. (In /v6 the pin is called should_be_running__release.)</summary>
    private static readonly FrozenSet<string> OperatorFields = FrozenSet.Create(StringComparer.Ordinal,
        "device_name", "note", "is_pinned_on__release", "custom_latitude", "custom_longitude", "is_web_accessible", "is_locked_until__date",
        "is_accessible_by_support_until__date", "should_be_running__release");

    /// <summary>What a device may set on itself besides its report: a stock supervisor names itself and pins itself on first boot.</summary>
    private static readonly FrozenSet<string> OwnFields = FrozenSet.Create(StringComparer.Ordinal,
        "device_name", "note", "is_pinned_on__release", "should_be_running__release");

    /// <summary>Fields of an organization that only the server's administrator sets: what its members may use of the server.</summary>
    private static readonly FrozenSet<string> PlanFields = FrozenSet.Create(StringComparer.Ordinal, "muster_plan", "muster_device_allowance");

    private static readonly FrozenDictionary<string, (Role? Create, Role? Change, Role? Delete)> Roles = new Dictionary<string, (Role?, Role?, Role?)>
    {
        ["application"] = (Role.Developer, Role.Developer, Role.Administrator),
        ["application_tag"] = All(Role.Developer),
        ["application_config_variable"] = All(Role.Developer),
        ["application_environment_variable"] = All(Role.Developer),
        ["build_environment_variable"] = All(Role.Developer),
        ["device"] = (Role.Developer, Role.Operator, Role.Developer),
        ["device_tag"] = All(Role.Operator),
        ["device_config_variable"] = All(Role.Developer),
        ["device_environment_variable"] = All(Role.Developer),
        ["device_service_environment_variable"] = All(Role.Developer),
        ["release"] = All(Role.Developer),
        ["release_tag"] = All(Role.Developer),
        ["release_asset"] = All(Role.Developer),
        ["service"] = All(Role.Developer),
        ["service_environment_variable"] = All(Role.Developer),
        ["service_label"] = All(Role.Developer),
        ["image"] = All(Role.Developer),
        ["release_image"] = All(Role.Developer),
        ["image_label"] = All(Role.Developer),
        ["image_environment_variable"] = All(Role.Developer),
        ["api_key"] = (null, Role.Developer, Role.Developer),
        ["organization"] = (null, Role.Administrator, Role.Administrator),
        // Nobody becomes a member without accepting an invite, unless the server's administrator adds them.
        ["organization_membership"] = (null, Role.Administrator, Role.Administrator),
        ["invitee__is_invited_to__organization"] = (Role.Administrator, null, Role.Administrator),
        ["invitee__is_invited_to__application"] = (Role.Administrator, null, Role.Administrator),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The lowest role that may do this to a row of its organization; null when no role may.</summary>
    /// <param name="fields">Wire names of the fields a change sets.</param>
    public static Role? RoleFor(string resource, Act act, IEnumerable<string> fields)
    {
        if (!Roles.TryGetValue(resource, out var roles))
            return null;
        if (resource == "organization" && fields.Any(PlanFields.Contains))
            return null;
        return act switch
        {
            Act.Create when resource == "application" && fields.Contains("is_public") => Role.Administrator,
            Act.Create => roles.Create,
            Act.Delete => roles.Delete,
            Act.Reach => resource == "device" ? Role.Operator : null,
            _ when resource == "device" => fields.All(OperatorFields.Contains) ? Role.Operator : Role.Developer,
            // Showing a fleet to the world is not for whoever deploys to it.
            _ when resource == "application" && fields.Contains("is_public") => Role.Administrator,
            _ => roles.Change,
        };
    }

    /// <summary>Whether the caller may do this to a row with this owner.</summary>
    public static bool Allows(Caller caller, string resource, Act act, IReadOnlyCollection<string> fields, Owner owner) => caller.Kind switch
    {
        CallerKind.User when caller.IsServerAdmin => IsForPeople(resource),
        CallerKind.User => UserAllows(caller, resource, act, fields, owner),
        CallerKind.Device => owner.DeviceId == caller.SubjectId && DeviceAllows(resource, act, fields),
        CallerKind.Fleet => owner.FleetId == caller.SubjectId && resource == "device" && act == Act.Change
            && caller.KeyRoles.Contains(ProvisioningKey) && fields.All(ReportedFields.Contains),
        CallerKind.Service => caller.KeyRoles.Contains(TunnelService) && ServiceAllows(resource, act),
        _ => false,
    };

    /// <summary>
    /// Whether the caller may open connections to a device, to any port: operators of its organization, the device itself,
    /// and tunnel servers, which ask again with the key of whoever wants in.
    /// </summary>
    public static bool MayReach(Caller caller, long deviceId, long organizationId) =>
        Allows(caller, "device", Act.Reach, [], new Owner(OrganizationId: organizationId, DeviceId: deviceId));

    /// <summary>Whether there can be any row to which the caller may do this: the quick answer before looking at rows.</summary>
    public static bool AllowsSomewhere(Caller caller, string resource, Act act, IReadOnlyCollection<string> fields) => caller.Kind switch
    {
        CallerKind.User when caller.IsServerAdmin => IsForPeople(resource),
        CallerKind.User => IsPersonal(resource) || (resource == "organization" && act == Act.Create) || (resource == "organization_membership" && act == Act.Delete)
            || (RoleFor(resource, act, fields) is { } needed && caller.Memberships.Values.Any(role => role >= needed)),
        CallerKind.Device => DeviceAllows(resource, act, fields),
        CallerKind.Fleet => Allows(caller, resource, act, fields, new Owner(FleetId: caller.SubjectId)),
        _ => Allows(caller, resource, act, fields, default),
    };

    /// <summary>Whether the caller has at least this role in the organization.</summary>
    public static bool Has(Caller caller, Role role, long organizationId) =>
        caller.Kind == CallerKind.User && (caller.IsServerAdmin || (caller.Memberships.TryGetValue(organizationId, out var held) && held >= role));

    private static bool UserAllows(Caller caller, string resource, Act act, IReadOnlyCollection<string> fields, Owner owner)
    {
        if (IsPersonal(resource) && owner.AccountId != 0)
            return owner.AccountId == caller.SubjectId;
        // Anybody may leave.
        if (resource == "organization_membership" && act == Act.Delete && owner.AccountId == caller.SubjectId)
            return true;
        if (resource == "organization" && act == Act.Create)
            return !fields.Any(PlanFields.Contains);
        return RoleFor(resource, act, fields) is { } needed && caller.Memberships.TryGetValue(owner.OrganizationId, out var role) && role >= needed;
    }

    private static bool DeviceAllows(string resource, Act act, IReadOnlyCollection<string> fields) => resource switch
    {
        "device" => act == Act.Reach || (act == Act.Change && fields.All(f => ReportedFields.Contains(f) || OwnFields.Contains(f))),
        "device_tag" or "device_config_variable" or "device_environment_variable" => true,
        _ => false,
    };

    private static bool ServiceAllows(string resource, Act act) => resource switch
    {
        "service_instance" => act is Act.Create or Act.Change,
        "device" => act is Act.Reach,
        _ => false,
    };

    /// <summary>Resources that people write at all: not the catalogue, nor what follows from other rows, nor what tunnel servers keep.</summary>
    private static bool IsForPeople(string resource) => Roles.ContainsKey(resource) || IsPersonal(resource);

    /// <summary>Rows that may belong to one person rather than to an organization.</summary>
    private static bool IsPersonal(string resource) => resource is "user__has__public_key" or "api_key";

    private static (Role?, Role?, Role?) All(Role role) => (role, role, role);
}
