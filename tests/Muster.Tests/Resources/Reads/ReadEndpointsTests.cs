using System.Text.Json;
using System.Text.Json.Nodes;
using Muster.Tests.Storage;

namespace Muster.Tests.Resources.Reads;

public sealed class ReadEndpointsTests
{
    private static readonly JsonArray Recorded = JsonNode.Parse(File.ReadAllText(TestFiles.At("recordings/odata.json")))!["captures"]!.AsArray();

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Whole_rows_have_every_recorded_property_in_its_recorded_form(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var release = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        var device = await server.AddDeviceAsync();
        foreach (var (name, path) in new[]
        {
            ("full fleet resource", $"/v7/application({server.Fleet.Id})"),
            ("full release resource", $"/v7/release({release.Id})"),
            ("full device resource v7", $"/v7/device({device.Id})"),
            ("full device resource v6", $"/v6/device({device.Id})"),
        })
        {
            var answer = await server.GetAsync(path, server.Admin);
            Assert.Equal("application/json; charset=utf-8", answer.ContentType);
            Assert.Equal(["d"], answer.Json.AsObject().Select(p => p.Key));
            var row = Assert.Single(answer.Rows)!.AsObject();
            foreach (var (property, recorded) in Of(name)["response"]!["body"]!["d"]![0]!.AsObject())
            {
                Assert.True(row.ContainsKey(property), $"{path} has no {property}");
                if (recorded is not null && row[property] is { } ours)
                    Assert.True(Form(recorded) == Form(ours), $"{path}: {property} is {ours.ToJsonString()}, and was {recorded.ToJsonString()}");
            }
        }
    }

    [Fact]
    public async Task Errors_are_as_recorded()
    {
        await using var server = await ServerWithFleet.StartAsync();
        foreach (var capture in Recorded.Where(c => (string?)c!["request"]!["method"] == "GET" && c["response"]!["status"]!.GetValue<int>() is 400 or 401 or 404))
        {
            var request = capture!["request"]!;
            // The names of the recorded keys tell who asked.
            var token = request["headers"]?["Authorization"] is null || ((string)capture["name"]!).Contains("bad bearer", StringComparison.Ordinal) ? null : server.Admin;
            if (((string)capture["name"]!).Contains("provisioning key", StringComparison.Ordinal))
                continue;
            var answer = await server.GetAsync((string)request["path"]!, token);
            Assert.True(capture["response"]!["status"]!.GetValue<int>() == answer.Status, $"{capture["name"]}: {answer.Status}");
            Assert.Equal((string?)capture["response"]!["body"], answer.Sentence);
        }
    }

    [Fact]
    public async Task What_is_missing_is_an_empty_list_and_counts_are_bare_numbers()
    {
        await using var server = await ServerWithFleet.StartAsync();
        await server.AddDeviceAsync();
        Assert.Equal("""{"d":[]}""", (await server.GetAsync("/v7/device(999999999)", server.Admin)).Text);
        Assert.Equal("""{"d":1}""", (await server.GetAsync($"/v7/device/$count?$filter=belongs_to__application%20eq%20{server.Fleet.Id}", server.Admin)).Text);
        Assert.Equal("""{"d":0}""", (await server.GetAsync("/v7/device/$count?$filter=device_name%20eq%20'x'", server.Admin)).Text);
    }

    [Fact]
    public async Task A_slash_in_a_key_may_be_encoded()
    {
        await using var server = await ServerWithFleet.StartAsync();
        await server.Fixture.DoAsync("UPDATE fleet SET slug = 'org/the fleet' WHERE id = @p0", server.Fleet.Id);
        Assert.Equal($$"""{"d":[{"id":{{server.Fleet.Id}}}]}""", (await server.GetAsync("/v7/application(slug='org%2Fthe%20fleet')?$select=id", server.Admin)).Text);
    }

    [Fact]
    public async Task The_public_catalogue_needs_no_credentials_and_devices_do()
    {
        await using var server = await ServerWithFleet.StartAsync();
        Assert.Equal(200, (await server.GetAsync("/v7/device_type?$select=id,slug&$top=2", null)).Status);
        Assert.Equal("""{"d":[]}""", (await server.GetAsync("/v7/application?$select=id", null)).Text);
        Assert.Equal(200, (await server.GetAsync("/v7/device_type?$select=id&$top=1", "nope")).Status);
        Assert.Equal((401, ""), ((await server.GetAsync("/v7/device?$select=id&$top=1", "nope")) is var answer ? (answer.Status, answer.Text) : default));
    }

    [Fact]
    public async Task A_device_reads_itself_and_a_provisioning_key_no_device()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        await server.AddDeviceAsync();
        Assert.Equal($$"""{"d":[{"id":{{device.Id}}}]}""", (await server.GetAsync("/v7/device?$select=id", device.Key)).Text);
        var actor = (long)(await server.Fixture.ReadAsync("SELECT actor_id FROM fleet WHERE id = @p0", server.Fleet.Id))!;
        await server.Fixture.AddKeyAsync(actor, "provisioning", "provisioning-api-key");
        Assert.Equal(401, (await server.GetAsync("/v7/device?$select=id", "provisioning")).Status);
    }

    [Fact]
    public async Task Many_rows_come_whole()
    {
        await using var server = await ServerWithFleet.StartAsync();
        await server.Fixture.DoAsync(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO fleet_tag (fleet_id, tag_key, value, created_at, modified_at) SELECT @p0, 'key' || i, 'a value that is long enough to need more than one flush', 0, 0 FROM n",
            server.Fleet.Id);
        Assert.Equal(3000, (await server.GetAsync("/v7/application_tag", server.Admin)).Rows.Count);
    }

    [Fact]
    public async Task A_release_asset_is_fetched_by_its_link_by_who_may_see_it()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var release = await server.Fixture.AddReleaseAsync(server.Fleet);
        await server.Fixture.DoAsync("INSERT INTO release_asset (release_id, asset_key, filename, content_type, size, content, created_at, modified_at) VALUES (@p0, 'notes', 'notes.txt', 'text/html', 2, @p1, 0, 0)", release.Id, "hi"u8.ToArray());
        var asset = (await server.GetAsync($"/v7/release({release.Id})?$select=id&$expand=release_asset($select=asset)", server.Admin)).Rows[0]!["release_asset"]![0]!["asset"]!;
        var link = new Uri((string)asset["href"]!);
        Assert.Equal(("notes.txt", 2), ((string)asset["filename"]!, (int)asset["size"]!));
        Assert.Equal("hi", (await server.GetAsync(link.PathAndQuery, server.Admin)).Text);
        Assert.Equal(404, (await server.GetAsync(link.PathAndQuery, null)).Status);
    }

    private static JsonNode Of(string name) => Recorded.Single(c => (string?)c!["name"] == name)!;

    /// <summary>Type, and for texts whether it is an instant; for objects, whether it is a reference.</summary>
    private static string Form(JsonNode value) => value switch
    {
        JsonObject reference when reference.ContainsKey("__id") => "reference",
        _ when value.GetValueKind() is JsonValueKind.True or JsonValueKind.False => "flag",
        _ when value.GetValueKind() == JsonValueKind.String && DateTimeOffset.TryParse((string)value!, out _) => $"instant of {((string)value!).Length}",
        _ => value.GetValueKind().ToString(),
    };
}
