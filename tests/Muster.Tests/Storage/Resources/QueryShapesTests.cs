using Muster.Core.Access;
using Muster.Core.Query;
using Muster.Storage.Resources;

namespace Muster.Tests.Storage.Resources;

/// <summary>Every query that existing clients were recorded to send (tests/cases/query-shapes.txt).</summary>
public sealed class QueryShapesTests
{
    private static readonly string[] NotOurs = ["team", "user_application_membership"];

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Every_recorded_query_runs(string kind)
    {
        await using var database = await TestDatabases.CreateAsync(kind);
        var failures = new List<string>();
        foreach (var scope in new[] { ReadScope.Everything, new ReadScope(ReadScopeKind.Memberships, 1, 1) })
        {
            foreach (var shape in await File.ReadAllLinesAsync(TestFiles.At("cases/query-shapes.txt")))
            {
                var (method, url) = (shape[..shape.IndexOf(' ', StringComparison.Ordinal)], shape[(shape.IndexOf(' ', StringComparison.Ordinal) + 1)..]);
                try
                {
                    var (_, query) = Asked.Parse(url);
                    if (NotOurs.Contains(query.Resource))
                        continue;
                    if (query.IsCount)
                        await database.CountAsync(url, scope);
                    else if (method == "GET")
                        await database.AskAsync(url, scope);
                    else
                        await database.IdsAsync(url, scope);
                }
                catch (Exception e) when (e is QuerySyntaxException or QueryRefusedException or System.Data.Common.DbException)
                {
                    failures.Add($"{shape}: {e.Message}");
                }
            }
        }

        Assert.Empty(failures);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Every_field_and_every_navigation_of_the_model_can_be_asked_for(string kind)
    {
        await using var database = await TestDatabases.CreateAsync(kind);
        foreach (var model in new[] { ResourceModel.Version7, ResourceModel.Version6 })
        {
            foreach (var resource in model.Resources)
            {
                var fields = string.Join(',', resource.Fields.Select(f => f.Name));
                await database.AskAsync($"/{model.Version}/{resource.Name}?$select={fields}");
                await database.AskAsync($"/{model.Version}/{resource.Name}?$orderby={fields}&$top=1");
                foreach (var way in model.Ways(resource).Keys)
                {
                    await database.AskAsync($"/{model.Version}/{resource.Name}?$select=id&$expand={way}");
                    await database.AskAsync($"/{model.Version}/{resource.Name}?$select=id&$expand={way}/$count&$filter={way}/any(x:x/id eq 1)");
                }

                foreach (var key in resource.Keys)
                {
                    var parts = key.Fields.Select(f => $"{f}={(resource.Field(f)!.Type is FieldType.Text ? "'1'" : "1")}");
                    await database.AskAsync($"/{model.Version}/{resource.Name}({string.Join(',', parts)})");
                }
            }
        }
    }
}
