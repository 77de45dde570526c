using System.Text.Json;

namespace Muster.EndToEnd.Tests.Clients;

/// <summary>The scenarios of tests/clients: which there are, and which are left out and why.</summary>
internal static class ClientScenarios
{
    /// <summary>The one list of scenarios that are not run.</summary>
    public static readonly IReadOnlyDictionary<string, string> LeftOut = new Dictionary<string, string>
    {
        ["sdk.billing.unavailable-or-empty"] = "A self-hosted server bills nobody; it has no billing accounts.",
        ["sdk.team.get-all-by-organization"] = "There are no teams: roles are given per organization.",
        ["sdk.fleet.memberships"] = "There are no memberships of single fleets: roles are given per organization.",
    };

    public static IReadOnlyList<string> Run { get; } = [.. All().Where(name => !LeftOut.ContainsKey(name))];

    public static IEnumerable<string> All()
    {
        using var list = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, "tests/clients/cases.json")));
        return [.. list.RootElement.GetProperty("cases").EnumerateObject().Select(scenario => scenario.Name)];
    }
}
