using System.Text.Json.Nodes;
using CsCheck;
using Muster.Core.Access;
using Muster.Storage;
using Muster.Storage.Resources;

namespace Muster.Tests.Storage.Resources;

public sealed class VisibilityTests
{
    /// <summary>What each caller sees of each resource; "401" where it may see nothing at all.</summary>
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Each_caller_sees_its_own(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        (string Resource, string Anna, string Bert, string Alpha, string Provisioning, string Tunnel, string Anonymous)[] expected =
        [
            ("device", "1,2,3,4,5,6", "7", "1", "401", "1,2,3,4,5,6,7", "401"),
            ("application", "1,3", "2,3", "1,3", "1,3", "1,2,3", "3"),
            ("application_tag", "1,3", "2,3", "1,3", "1,3", "1,2,3", "3"),
            ("application_config_variable", "1", "2,3", "1", "401", "1,2,3", "401"),
            ("release", "1,2,3,5", "4,5", "1,2,3,5", "1,2,3,5", "1,2,3,4,5", "5"),
            ("release_tag", "1", "2", "1", "1", "1,2", ""),
            ("service", "1,2,4", "3,4", "1,2,4", "1,2,4", "1,2,3,4", "4"),
            ("service_environment_variable", "1", "2,3", "1", "401", "1,2,3", "401"),
            ("image", "1,2,4", "3,4", "1,2,4", "1,2,4", "1,2,3,4", "4"),
            ("release_image", "1,2,4", "3,4", "1,2,4", "1,2,4", "1,2,3,4", "4"),
            ("device_tag", "1,2,3,4,5", "6", "1", "401", "1,2,3,4,5,6", "401"),
            ("device_config_variable", "1", "2", "", "401", "1,2", "401"),
            ("device_service_environment_variable", "1", "2", "", "401", "1,2", "401"),
            ("image_install", "1,2,3,4", "5", "", "401", "1,2,3,4,5", "401"),
            ("device_history", "1", "2", "", "401", "1,2", "401"),
            ("organization", "1", "2", "401", "401", "1,2", "401"),
            ("organization_membership", "1", "2", "401", "401", "1,2", "401"),
            ("invitee__is_invited_to__organization", "1", "", "401", "401", "401", "401"),
            ("invitee__is_invited_to__application", "2", "", "401", "401", "401", "401"),
            ("invitee", "1,2", "", "401", "401", "401", "401"),
            ("organization_membership_role", "1,2,3,4", "1,2,3,4", "1,2,3,4", "1,2,3,4", "1,2,3,4", "1,2,3,4"),
            ("application_membership_role", "1,2,3,4", "1,2,3,4", "1,2,3,4", "1,2,3,4", "1,2,3,4", "1,2,3,4"),
            ("user", "1", "2", "401", "401", "401", "401"),
            ("api_key", "1", "2", "401", "3", "401", "401"),
            ("user__has__public_key", "1", "2", "401", "401", "401", "401"),
            ("service_instance", "", "", "401", "", "", "401"),
            ("application_type", "1", "1", "401", "1", "1", "1"),
            ("build_environment_variable", "", "", "401", "401", "", "401"),
            ("device_type", "1,2", "1,2", "1,2", "1,2", "1,2", "1,2"),
            ("cpu_architecture", "1,2", "1,2", "1,2", "1,2", "1,2", "1,2"),
        ];
        var wrong = new List<string>();
        foreach (var row in expected)
        {
            (ReadScope Scope, string Ids)[] callers = [(Zoo.Anna, row.Anna), (Zoo.Bert, row.Bert), (Zoo.AlphasKey, row.Alpha), (Zoo.ProvisioningKey, row.Provisioning), (Zoo.Tunnel, row.Tunnel), (ReadScope.Anonymous, row.Anonymous)];
            foreach (var (scope, ids) in callers)
            {
                var seen = await SeenAsync(database, $"/v7/{row.Resource}", scope) is { } found ? string.Join(',', found) : "401";
                if (seen != ids)
                    wrong.Add($"{row.Resource} by {scope.Kind} {scope.SubjectId}: {seen} instead of {ids}");
            }
        }

        Assert.Empty(wrong);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_frozen_device_sees_nothing_of_itself(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        await database.WriteAsync(async write =>
        {
            await using var freeze = write.Command("UPDATE device SET is_frozen = 1 WHERE id = 1");
            await freeze.ExecuteNonQueryAsync();
        });
        Assert.Equal("[]", await database.AskTextAsync("/v7/device?$select=id", Zoo.AlphasKey));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_secret_is_read_compared_and_ordered_by_only_by_who_may_act_on_the_device(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        Assert.Equal("[{'api_secret':'secret'}]", await database.AskTextAsync("/v7/device(4)?$select=api_secret", Zoo.Anna));
        Assert.Equal("[{'api_secret':null}]", await database.AskTextAsync("/v7/device(7)?$select=api_secret", Zoo.Bert));
        Assert.Equal("[]", await database.AskTextAsync("/v7/device?$select=id&$filter=startswith(api_secret,'s')", Zoo.Bert));
        Assert.Equal("[]", await database.AskTextAsync("/v7/application?$select=id&$filter=owns__device/any(d:d/api_secret eq 'secret')", Zoo.Bert));
        Assert.Equal("[{'api_secret':'secret'}]", await database.AskTextAsync("/v7/device(7)?$select=api_secret", Zoo.Tunnel));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Whatever_way_a_query_takes_it_reaches_only_rows_that_the_caller_sees(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        var seen = new Dictionary<(ReadScope, string), HashSet<long>?>();
        foreach (var scope in Zoo.Scopes)
        {
            foreach (var resource in ResourceModel.Version7.Resources)
                seen[(scope, resource.Name)] = await SeenAsync(database, Zoo.All(resource.Name), scope) is { } ids ? [.. ids] : null;
        }

        var cases = new List<(ReadScope, Way)>();
        AnyWay.Sample((scope, way) => { lock (cases) cases.Add((scope, way)); }, iter: 400, threads: 1);
        foreach (var (scope, way) in cases)
        {
            try
            {
                var rows = await database.AskAsync(way.Url, scope);
                Check(rows, way.Root, way.Expands, r => seen[(scope, r)], way.Url, scope);
                // A lambda over the same way finds a row exactly where the way shows one.
                var shown = rows.Where(r => Leads(r!, way.Expands)).Select(r => (long)r!["id"]!).Order().ToList();
                if (way.Expands.Count > 0)
                    Assert.Equal(shown, await database.IdsAsync(way.AnyUrl, scope));
            }
            catch (QueryRefusedException e) when (e.Refusal == QueryRefusal.NotPermitted)
            {
                // Refused as a whole: nothing was shown.
            }
        }
    }

    /// <summary>A root and a chain of navigations from it, with expands and the same as nested lambdas.</summary>
    private sealed record Way(string Root, IReadOnlyList<Navigation> Expands)
    {
        public string Url => $"{Zoo.All(Root)}{(Zoo.All(Root).Contains('?', StringComparison.Ordinal) ? "&" : "?")}$select=id{(Expands.Count == 0 ? "" : "&$expand=" + Nested(0))}";

        public string AnyUrl => $"/v7/{Root}?$filter={Any(0)}";

        private string Nested(int level) => $"{Expands[level].Name}($select=id{(level + 1 < Expands.Count ? ";$expand=" + Nested(level + 1) : "")})";

        private string Any(int level) => $"{(level == 0 ? "" : $"x{level - 1}/")}{Expands[level].Name}/any(x{level}:{(level + 1 < Expands.Count ? Any(level + 1) : "1 eq 1")})";
    }

    private static readonly Gen<(ReadScope, Way)> AnyWay = Gen.Select(Gen.Int[0, Zoo.Scopes.Length - 1], Gen.Int[0, 10_000], Gen.Int[0, 10_000].Array[0, 4], (scope, root, turns) =>
    {
        var model = ResourceModel.Version7;
        var resources = model.Resources.OrderBy(r => r.Name, StringComparer.Ordinal).ToList();
        var at = resources[root % resources.Count];
        var name = at.Name;
        var expands = new List<Navigation>();
        foreach (var turn in turns)
        {
            var ways = model.Ways(at).Values.DistinctBy(w => w.Name).OrderBy(w => w.Name, StringComparer.Ordinal).ToList();
            if (ways.Count == 0)
                break;
            expands.Add(ways[turn % ways.Count]);
            at = model.Resource(expands[^1].Target)!;
        }

        return (Zoo.Scopes[scope], new Way(name, expands));
    });

    private static void Check(JsonArray rows, string resource, IEnumerable<Navigation> expands, Func<string, HashSet<long>?> seen, string url, ReadScope scope)
    {
        var next = expands.FirstOrDefault();
        foreach (var row in rows)
        {
            Assert.True(seen(resource)?.Contains((long)row!["id"]!) == true, $"{url} shows {resource} {row!["id"]} to {scope}");
            if (next is not null)
                Check(row![next.Name]!.AsArray(), next.Target, expands.Skip(1), seen, url, scope);
        }
    }

    private static bool Leads(JsonNode row, IEnumerable<Navigation> expands) =>
        expands.FirstOrDefault() is not { } next || row[next.Name]!.AsArray().Any(r => Leads(r!, expands.Skip(1)));

    /// <summary>The ids that the plain collection shows; null when it is refused.</summary>
    private static async Task<List<long>?> SeenAsync(Database database, string url, ReadScope scope)
    {
        try
        {
            return await database.IdsAsync(url, scope);
        }
        catch (QueryRefusedException e) when (e.Refusal == QueryRefusal.NotPermitted)
        {
            return null;
        }
    }
}
