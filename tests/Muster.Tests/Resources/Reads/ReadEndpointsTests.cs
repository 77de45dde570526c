using System.IO.Compression;
using System.Net.Http.Headers;
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
            if ((string?)capture["name"] is "unknown resource" or "metadata")
            {
                // The reference asks for credentials even where there are some.
                Assert.Equal(404, answer.Status);
                continue;
            }

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
    public async Task The_version_alone_and_an_unknown_resource_are_404_for_who_is_logged_in()
    {
        await using var server = await ServerWithFleet.StartAsync();
        foreach (var path in (string[])["/v7", "/v7/", "/v6", "/v6/", "/v7?$top=1", "/V7", "/v7/nope", "/v7/nope(1)", "/v7/nope/$count", "/v6/nope?$filter=a eq 1"])
        {
            foreach (var method in (string[])["GET", "POST", "PATCH", "PUT", "DELETE"])
            {
                var body = method is "GET" or "DELETE" ? null : new JsonObject();
                foreach (var (token, status) in ((string?, int)[])[(server.Admin, 404), (null, 401)])
                    Assert.Equal((method, path, status), (method, path, (await server.Server.SendAsync(method, path, token, body)).Status));
            }
        }

        Assert.Equal(404, (await server.GetAsync("/v7/$metadata", server.Admin)).Status);
        foreach (var path in (string[])["/v7/device/", "/v7//device", "/v7/device()", "/v7/device(1", "/v7/%", "/v7/device(%00)", "/v7/device(1)/nope", "/v7/device/$count/x"])
            Assert.InRange((await server.GetAsync(path, server.Admin)).Status, 400, 404);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task An_answer_carries_its_length_and_an_etag_and_is_not_sent_again_unchanged(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        foreach (var path in (string[])["/v7/device", $"/v7/device({device.Id})", "/v7/device/$count", "/v6/device", "/v7/device(999999999)"])
        {
            var first = await AskAsync(server, path);
            Assert.Equal(first.Content.Headers.ContentLength, (await first.Content.ReadAsByteArrayAsync()).Length);
            Assert.Contains("Accept-Encoding", first.Headers.Vary);
            Assert.Contains("Authorization", first.Headers.Vary);
            var tag = first.Headers.ETag!.ToString();
            foreach (var known in (string[])[tag, $"\"other\", {tag}", "*", tag[2..]])
            {
                var again = await AskAsync(server, path, ("If-None-Match", known));
                Assert.Equal((304, tag, 0), ((int)again.StatusCode, again.Headers.ETag!.ToString(), (await again.Content.ReadAsByteArrayAsync()).Length));
            }

            Assert.Equal(200, (int)(await AskAsync(server, path, ("If-None-Match", "W/\"other\""))).StatusCode);
        }

        var before = (await AskAsync(server, "/v7/device")).Headers.ETag!.ToString();
        Assert.Equal(200, (await server.Server.SendAsync("PATCH", $"/v7/device({device.Id})", server.Admin, new JsonObject { ["note"] = "changed" })).Status);
        Assert.Equal(200, (int)(await AskAsync(server, "/v7/device", ("If-None-Match", before))).StatusCode);
    }

    [Theory]
    [InlineData("gzip", "gzip")]
    [InlineData("br", "br")]
    [InlineData("gzip, deflate, br", "br")]
    [InlineData("gzip;q=1.0, br;q=0.5", "gzip")]
    [InlineData("gzip;q=0, identity", null)]
    [InlineData("*", "br")]
    [InlineData("deflate", null)]
    public async Task An_answer_is_compressed_as_the_client_asks(string accepted, string? encoding)
    {
        await using var server = await ServerWithFleet.StartAsync();
        // One that is sent whole, and one that is sent while it is read.
        foreach (var rows in (int[])[100, 30_000])
        {
            await server.Fixture.DoAsync(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @p1) INSERT INTO fleet_tag (fleet_id, tag_key, value, created_at, modified_at) SELECT @p0, 'key' || @p1 || '-' || i, 'value', 0, 0 FROM n", server.Fleet.Id, rows);
            var plain = await (await AskAsync(server, "/v7/application_tag?$orderby=id%20asc")).Content.ReadAsByteArrayAsync();
            var answer = await AskAsync(server, "/v7/application_tag?$orderby=id%20asc", ("Accept-Encoding", accepted));
            Assert.Equal(encoding is null ? [] : [encoding], answer.Content.Headers.ContentEncoding);
            await using var body = await answer.Content.ReadAsStreamAsync();
            await using Stream open = encoding switch
            {
                "br" => new BrotliStream(body, CompressionMode.Decompress),
                "gzip" => new GZipStream(body, CompressionMode.Decompress),
                _ => body,
            };
            using var all = new MemoryStream();
            await open.CopyToAsync(all);
            Assert.Equal(plain, all.ToArray());
            if (rows == 100)
                Assert.NotNull(answer.Content.Headers.ContentLength);
        }

        // What fits into a packet stays as it is.
        Assert.Empty((await AskAsync(server, "/v7/device/$count", ("Accept-Encoding", accepted))).Content.Headers.ContentEncoding);
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

    private static async Task<HttpResponseMessage> AskAsync(ServerWithFleet server, string path, params (string Name, string Value)[] headers)
    {
        using var http = new HttpClient { BaseAddress = server.Server.Address };
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", server.Admin);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return await http.SendAsync(request);
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
