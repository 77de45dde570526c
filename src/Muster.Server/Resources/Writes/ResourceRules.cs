using System.Collections.Frozen;
using Muster.Server.Resources.Writes.Rules;

namespace Muster.Server.Resources.Writes;

/// <summary>Which rule a resource has.</summary>
internal sealed class ResourceRules(IConfiguration configuration)
{
    private readonly FrozenDictionary<string, ResourceRule> rules = new Dictionary<string, ResourceRule>
    {
        ["application"] = new FleetRule(),
        ["application_tag"] = new TagRule(),
        ["application_config_variable"] = Variable("config-variable", VariableNames.CheckConfig, "SELECT DISTINCT fleet_id FROM fleet_config_variable WHERE id IN ({ids})", reachesFleets: true),
        ["application_environment_variable"] = Variable("environment-variable", VariableNames.CheckEnvironment, "SELECT DISTINCT fleet_id FROM fleet_environment_variable WHERE id IN ({ids})", reachesFleets: true),
        // Read by builders only: no target state changes.
        ["build_environment_variable"] = Variable("build-variable", VariableNames.CheckEnvironment, "SELECT 0 WHERE 1 = 0", reachesFleets: true),
        ["device"] = new DeviceRule(hasPublicAddresses: !string.IsNullOrEmpty(configuration["Cloudlink:DeviceUrls:Domain"]?.Trim('.'))),
        ["device_tag"] = new DeviceTagRule(),
        ["device_config_variable"] = Variable("config-variable", VariableNames.CheckConfig, "SELECT DISTINCT device_id FROM device_config_variable WHERE id IN ({ids})", reachesFleets: false),
        ["device_environment_variable"] = Variable("environment-variable", VariableNames.CheckEnvironment, "SELECT DISTINCT device_id FROM device_environment_variable WHERE id IN ({ids})", reachesFleets: false),
        ["device_service_environment_variable"] = new DeviceServiceVariableRule(),
        ["release"] = new ReleaseRule(),
        ["release_tag"] = new TagRule(),
        ["release_asset"] = new ReleaseAssetRule(),
        ["service"] = new ServiceRule(),
        ["service_environment_variable"] = Variable("environment-variable", VariableNames.CheckEnvironment, "SELECT DISTINCT s.fleet_id FROM service_environment_variable v JOIN service s ON s.id = v.service_id WHERE v.id IN ({ids})", reachesFleets: true),
        ["service_label"] = Label("SELECT DISTINCT s.fleet_id FROM service_label l JOIN service s ON s.id = l.service_id WHERE l.id IN ({ids})"),
        ["image"] = new ImageRule(configuration["Registry:Service"] is { Length: > 0 } registry ? registry : "registry.muster.local"),
        ["release_image"] = new ReleaseImageRule(),
        ["image_label"] = Label("SELECT DISTINCT r.fleet_id FROM image_label l JOIN release_image ri ON ri.id = l.release_image_id JOIN release r ON r.id = ri.release_id WHERE r.status = 'success' AND l.id IN ({ids})"),
        ["image_environment_variable"] = Variable("environment-variable", VariableNames.CheckEnvironment, "SELECT DISTINCT r.fleet_id FROM image_environment_variable v JOIN release_image ri ON ri.id = v.release_image_id JOIN release r ON r.id = ri.release_id WHERE r.status = 'success' AND v.id IN ({ids})", reachesFleets: true),
        ["organization"] = new OrganizationRule(),
        ["organization_membership"] = new MembershipRule(),
        ["invitee__is_invited_to__organization"] = new InviteRule("organization_membership_role"),
        ["invitee__is_invited_to__application"] = new InviteRule("application_membership_role"),
        ["api_key"] = new ApiKeyRule(),
        ["user__has__public_key"] = new PublicKeyRule(),
        ["service_instance"] = new ServiceInstanceRule(),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    public ResourceRule Of(string resource) => rules.GetValueOrDefault(resource, ResourceRule.None);

    private static VariableRule Variable(string cause, Action<string> checkName, string reach, bool reachesFleets) => new(cause, checkName, "name", reach, reachesFleets);

    private static VariableRule Label(string reach) => new("label", _ => { }, "label_name", reach, reachesFleets: true);
}
