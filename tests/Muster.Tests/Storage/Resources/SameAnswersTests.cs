using CsCheck;
using Muster.Core.Access;
using Muster.Core.Query;
using Muster.Storage.Resources;

namespace Muster.Tests.Storage.Resources;

public sealed class SameAnswersTests
{
    [Fact]
    public async Task Both_databases_give_the_same_answer_to_every_recorded_query_and_whole_row()
    {
        await using var sqlite = await Zoo.CreateAsync(TestDatabases.Sqlite);
        await using var postgres = await Zoo.CreateAsync(TestDatabases.Postgres);
        var urls = (await File.ReadAllLinesAsync(TestFiles.At("cases/query-shapes.txt"))).Where(s => s.StartsWith("GET ", StringComparison.Ordinal)).Select(s => s[4..])
            .Concat(ResourceModel.Version7.Resources.Select(r => $"/v7/{r.Name}"))
            .Concat(ResourceModel.Version7.Resources.Select(r => $"/v7/{r.Name}?$select={string.Join(',', r.Fields.Select(f => f.Name))}"))
            .Append("/v6/device");
        foreach (var url in urls)
        {
            var (_, query) = Asked.Parse(url);
            if (ResourceModel.Version7.Resource(query.Resource) is null)
                continue;
            if (query.IsCount)
                Assert.Equal(await sqlite.CountAsync(url, Zoo.Anna), await postgres.CountAsync(url, Zoo.Anna));
            else
                Assert.Equal(await sqlite.AskTextAsync(url, Zoo.Anna), await postgres.AskTextAsync(url, Zoo.Anna));
        }
    }

    [Fact]
    public async Task Whatever_a_client_writes_as_a_value_stays_a_value()
    {
        // No name or note has this in it: whatever is made up before it, no row can match.
        const string Unheard = "\u00a4\u00a4";
        await using var database = await Zoo.CreateAsync(TestDatabases.Sqlite);
        var written = new List<string> { "'", "''", "';DROP TABLE device--", "\") OR 1=1 --", "%", "_", "\\", "@p0", "{t}", "{v}", "{q}", "$1", "?", "/*", "\u0001", "a\nb" };
        Gen.String.Where(s => !s.Contains('\0', StringComparison.Ordinal)).Sample(s => { lock (written) written.Add(s + Unheard); }, iter: 200, threads: 1);
        var texts = new HashSet<string>();
        foreach (var value in written)
        {
            var literal = Uri.EscapeDataString($"'{value.Replace("'", "''", StringComparison.Ordinal)}'");
            foreach (var filter in new[] { $"device_name%20eq%20{literal}", $"device_name%20in%20({literal},'x')", $"contains(note,{literal})", $"device_tag/any(t:t/value%20eq%20{literal})", $"uuid%20eq%20@v&@v={literal}" })
            {
                var (model, query) = Asked.Parse($"/v7/device?$select=id&$filter={filter}");
                texts.Add(new QueryCompiler(model, database.Dialect, Zoo.Anna, 0).Rows(query).Text);
                Assert.Equal("[]", await database.AskTextAsync($"/v7/device?$select=id&$filter={filter}", Zoo.Anna));
            }
        }

        // One text for each form, whatever the values.
        Assert.Equal(5, texts.Count);
        Assert.Equal(7, await database.CountAsync("/v7/device/$count", ReadScope.Everything));
    }

    [Fact]
    public void Whatever_a_client_writes_as_a_name_is_of_the_model_or_refused()
    {
        var names = ResourceModel.Version7.Resource("device")!.Fields.Select(f => f.Name).ToHashSet(StringComparer.Ordinal);
        Gen.Char["abcdefgh_xyz019\"';- "].Array[1, 12].Select(c => new string(c)).Sample(name =>
        {
            if (names.Contains(name))
                return;
            foreach (var url in new[] { $"/v7/device?$select={Uri.EscapeDataString(name)}", $"/v7/device?$orderby={Uri.EscapeDataString(name)}", $"/v7/device?$expand={Uri.EscapeDataString(name)}" })
            {
                var refused = Record.Exception(() =>
                {
                    var (model, query) = Asked.Parse(url);
                    new QueryCompiler(model, new Muster.Storage.Sqlite.SqliteDialect(), Zoo.Anna, 0).Rows(query);
                });
                Assert.True(refused is QuerySyntaxException or QueryRefusedException, $"{name} was taken");
            }
        }, iter: 2000);
    }
}
