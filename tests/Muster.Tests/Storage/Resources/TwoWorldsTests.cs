using System.Data.Common;
using System.Text;
using CsCheck;
using Muster.Core.Access;
using Muster.Storage;
using Muster.Storage.Resources;

namespace Muster.Tests.Storage.Resources;

/// <summary>
/// Two databases that differ in nothing but what a caller may not see answer this caller alike, byte for byte: reads, counts
/// and the rows that a write names, along random ways through the whole model.
/// </summary>
public sealed class TwoWorldsTests
{
    /// <summary>Columns that decide what is seen, or that others are found by.</summary>
    private static readonly string[] Kept = ["id", "is_public", "is_frozen", "role", "uuid"];

    private static readonly string[] Texts = ["secret", "s", "w7", "w", "1", "k", "alpha", "oslo", "RESIN_A", "success", "operational", ""];

    private static readonly ReadScope[] Scopes = [.. Zoo.Scopes.Where(s => s.Kind != ReadScopeKind.Everything)];

    public static TheoryData<string, int> Cases()
    {
        var cases = new TheoryData<string, int>();
        foreach (var kind in (string[])[TestDatabases.Sqlite, TestDatabases.Postgres])
        {
            for (var scope = 0; scope < Scopes.Length; scope++)
                cases.Add(kind, scope);
        }

        return cases;
    }

    [Theory, MemberData(nameof(Cases))]
    public async Task What_a_caller_may_not_see_changes_no_answer(string kind, int who)
    {
        var scope = Scopes[who];
        await using var one = await Zoo.CreateAsync(kind);
        await using var other = await Zoo.CreateAsync(kind);
        await ChangeUnseenAsync(other, scope);

        var urls = new List<string>();
        AnyQuestion.Sample(url => { lock (urls) urls.Add(url); }, iter: 400, threads: 1);
        var answers = 0;
        foreach (var url in urls)
        {
            foreach (var ask in new Func<Database, Task<string>>[] { d => RowsAsync(d, url, scope), d => NumberAsync(d, url, scope), d => NamedAsync(d, url, scope) })
            {
                var answer = await ask(one);
                Assert.True(answer == await ask(other), $"{url} tells {scope.Kind} {scope.SubjectId} of what it may not see: {answer} | {await ask(other)}");
                answers += answer is "[]" or "0" or "" || answer.Contains("refused", StringComparison.Ordinal) ? 0 : 1;
            }
        }

        Assert.True(answers > (scope.Kind is ReadScopeKind.Anonymous or ReadScopeKind.Fleet ? 5 : 30), $"Only {answers} answers had rows.");
    }

    /// <summary>Every row that the caller does not see gets other values, and what nothing hangs on goes.</summary>
    private static async Task ChangeUnseenAsync(Database database, ReadScope scope)
    {
        // By table: some resources show parts of one.
        var seen = new Dictionary<string, HashSet<long>>(StringComparer.Ordinal);
        foreach (var resource in ResourceModel.Version7.Resources)
        {
            if (!seen.TryGetValue(resource.Table, out var ids))
                seen[resource.Table] = ids = [0];
            try
            {
                ids.UnionWith(await database.IdsAsync(Zoo.All(resource.Name), scope));
            }
            catch (QueryRefusedException)
            {
                // Nothing of it is seen.
            }
        }

        string Seen(Resource resource) => string.Join(',', seen[resource.Table]);

        await database.WriteAsync(async write =>
        {
            foreach (var resource in ResourceModel.Version7.Resources.Where(r => r.Table != "service_install"))
            {
                var values = resource.Fields.Where(f => f.Column is { } column && !Kept.Contains(column)).DistinctBy(f => f.Column).Select(f => (f.Type, f.IsNullable) switch
                {
                    (FieldType.Text, _) => $"\"{f.Column}\" = 'w' || id",
                    (FieldType.Flag, _) => $"\"{f.Column}\" = 1 - \"{f.Column}\"",
                    (FieldType.Number or FieldType.Size or FieldType.Instant, _) => $"\"{f.Column}\" = coalesce(\"{f.Column}\", 6) + 1",
                    (FieldType.Reference, true) => $"\"{f.Column}\" = NULL",
                    _ => null,
                }).OfType<string>().ToList();
                if (values.Count == 0)
                    continue;
                await using var change = write.Command($"UPDATE {resource.Table} SET {string.Join(", ", values)} WHERE id NOT IN ({Seen(resource)})");
                await change.ExecuteNonQueryAsync();
            }

            foreach (var leaf in (string[])["device_tag", "device_config_variable", "image_install", "device_history", "service_environment_variable", "release_tag", "user__has__public_key", "api_key", "release_image"])
            {
                var resource = ResourceModel.Version7.Resource(leaf)!;
                await using var removal = write.Command($"DELETE FROM {resource.Table} WHERE id NOT IN ({Seen(resource)}) AND id <> 2");
                await removal.ExecuteNonQueryAsync();
            }
        });
    }

    private static Task<string> RowsAsync(Database database, string url, ReadScope scope) =>
        AskAsync(database, scope, c => c.Rows(Asked.Parse(url).Query), r => Encoding.UTF8.GetString(r.GetFieldValue<byte[]>(0)), "[", ",", "]");

    private static Task<string> NumberAsync(Database database, string url, ReadScope scope) =>
        AskAsync(database, scope, c => c.Count(Asked.Parse(url).Query), r => r.GetValue(0).ToString()!, "", ",", "");

    private static Task<string> NamedAsync(Database database, string url, ReadScope scope) =>
        AskAsync(database, scope, c => c.Named(Asked.Parse(url).Query), r => r.GetValue(0).ToString()!, "", ",", "");

    /// <summary>The answer, or in what way it is refused: by the compiler, or by the database.</summary>
    private static async Task<string> AskAsync(Database database, ReadScope scope, Func<QueryCompiler, SqlStatement> compile, Func<DbDataReader, string> read, string begin, string between, string end)
    {
        try
        {
            var statement = compile(new QueryCompiler(ResourceModel.Version7, database.Dialect, scope, Asked.Now));
            await using var connection = await database.OpenReadAsync();
            await using var command = statement.On(connection);
            await using var reader = await command.ExecuteReaderAsync();
            var rows = new List<string>();
            while (await reader.ReadAsync())
                rows.Add(read(reader));
            return begin + string.Join(between, rows) + end;
        }
        catch (QueryRefusedException e)
        {
            return $"refused {e.Refusal}: {e.Message}";
        }
        catch (DbException e)
        {
            return $"refused by the database: {e.SqlState}";
        }
    }

    /// <summary>A root, a way of up to four navigations, a condition on a field at its end, and what is shown and in which order.</summary>
    private static readonly Gen<string> AnyQuestion =
        Gen.Select(Gen.Int[0, 10_000], Gen.Int[0, 10_000].Array[0, 4], Gen.Int[0, 10_000], Gen.Int[0, 10_000], Gen.Int[0, 7], (root, turns, at, value, form) =>
        {
            var model = ResourceModel.Version7;
            var resources = model.Resources.OrderBy(r => r.Name, StringComparer.Ordinal).ToList();
            // Half of all questions begin at what callers know best.
            var start = root % 2 == 0 ? resources[root / 2 % resources.Count] : model.Resource(((string[])["device", "application", "release", "device_type"])[root / 2 % 4])!;
            var way = new List<Navigation>();
            var last = start;
            foreach (var turn in turns)
            {
                var ways = model.Ways(last).Values.DistinctBy(w => w.Name).OrderBy(w => w.Name, StringComparer.Ordinal).ToList();
                if (ways.Count == 0)
                    break;
                way.Add(ways[turn % ways.Count]);
                last = model.Resource(way[^1].Target)!;
            }

            var field = last.Fields[at % last.Fields.Length];
            var condition = Condition(field, value);
            string Lambda(int level, string path) => level == way.Count ? condition.Replace("{f}", $"{path}{field.Name}", StringComparison.Ordinal)
                : $"{path}{way[level].Name}/{(value % 7 == 0 ? "all" : "any")}(x{level}:{Lambda(level + 1, $"x{level}/")})";
            string Expand(int level) => level == way.Count ? "" : $"$expand={way[level].Name}{(form % 2 == 0 && level == way.Count - 1 && way[level].IsCollection ? "/$count" : "")}"
                + (level == way.Count - 1 ? form is 3 or 4 ? $"($filter={condition.Replace("{f}", field.Name, StringComparison.Ordinal)})" : "" : $"({Expand(level + 1)})");
            var count = way.Count == 0 ? field.Name : $"{way[0].Name}/$count{(way.Count == 1 ? $"($filter={condition.Replace("{f}", field.Name, StringComparison.Ordinal)})" : "")}";
            var single = way.TakeWhile(w => !w.IsCollection).Count() == way.Count;
            return $"/v7/{start.Name}?" + form switch
            {
                0 or 1 => $"$filter={Lambda(0, "")}",
                2 or 3 or 4 => Expand(0),
                5 when single => $"$orderby={string.Concat(way.Select(w => w.Name + "/"))}{field.Name} desc&$top=2",
                5 or 6 => $"$orderby={count} desc&$top=2",
                _ => $"$filter=id gt 0 and ({Lambda(0, "")} or id eq 1)&$top=3",
            };
        });

    private static string Condition(Field field, int value) => field.Type switch
    {
        FieldType.Text or FieldType.Document => (value % 4) switch
        {
            0 => $"startswith({{f}},'{Texts[value / 4 % Texts.Length]}')",
            1 => $"{{f}} eq '{Texts[value / 4 % Texts.Length]}'",
            2 => $"length({{f}}) mul 4611686018427387904 gt {value / 4 % 8}",
            _ => $"contains(tolower({{f}}),'{Texts[value / 4 % Texts.Length]}')",
        },
        FieldType.Flag => $"{{f}} eq {(value % 2 == 0 ? "true" : "false")}",
        FieldType.Instant => $"{{f}} gt datetime'{(value % 2 == 0 ? "1970-01-01" : "2026-01-01")}T00:00:00.003Z'",
        FieldType.Reference => value % 3 == 0 ? "{f} eq null" : $"{{f}} eq {value % 8}",
        _ => value % 3 == 0 ? "{f} mul 4611686018427387904 gt 1" : $"{{f}} gt {value % 9}",
    };
}
