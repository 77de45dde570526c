using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Storage;
using Muster.Tests.Storage;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Resources.Writes;

/// <summary>How many rows one owner may have holds also for requests that come at once, on both databases.</summary>
public sealed class OwnerBoundsTests
{
    private const int AtOnce = 12;
    private const int Left = 2;
    private const string Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Of_those_who_come_at_once_only_as_many_as_are_left_get_in(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("bounded");
        var release = await world.ReleaseAsync(fleet);
        var service = await world.MakeAsync("service", new JsonObject { ["application"] = Id(fleet), ["service_name"] = "main" });
        var image = await world.MakeAsync("image", new JsonObject { ["is_a_build_of__service"] = Id(service), ["status"] = "success", ["start_timestamp"] = "2026-11-01T00:00:00Z" });
        var part = await world.MakeAsync("release_image", new JsonObject { ["image"] = Id(image), ["is_part_of__release"] = Id(release) });
        var person = (long)(await world.GetAsync("/user/v1/whoami")).Json["id"]!;

        foreach (var kept in (Kept[])
            [
                new("fleet_tag", "fleet_id", "application_tag", "application", Id(fleet), "tag_key"),
                new("release_tag", "release_id", "release_tag", "release", Id(release), "tag_key"),
                new("service_label", "service_id", "service_label", "service", Id(service), "label_name"),
                new("image_label", "release_image_id", "image_label", "release_image", Id(part), "label_name"),
                new("public_key", "account_id", "user__has__public_key", "user", person, "title", "public_key", Key, OwnerBounds.MostPublicKeys),
            ])
        {
            await FillAsync(world, kept);
            var answers = await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(i =>
                world.PostAsync($"/v7/{kept.Resource}", new JsonObject { [kept.Owner] = kept.Id, [kept.Name] = $"new{i}", [kept.Text] = kept.Value })));
            Assert.Equal((kept.Resource, Left), (kept.Resource, answers.Count(a => a.Status == 201)));
            Assert.All(answers.Where(a => a.Status != 201), refused =>
            {
                Assert.Equal(400, refused.Status);
                Assert.Contains($"at most {kept.Most} of {kept.Resource} with one owner", refused.Sentence, StringComparison.Ordinal);
            });
            Assert.Equal(kept.Most, await world.Server.ScalarAsync<int>($"SELECT count(*) FROM {kept.Table} WHERE {kept.Column} = @p0", kept.Id));

            // What is there can still be changed.
            Assert.Equal(200, (await world.PatchAsync($"/v7/{kept.Resource}?$filter={kept.Owner} eq {kept.Id} and {kept.Name} eq 'k1'", new JsonObject { [kept.Text] = kept.Value })).Status);
        }
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_device_that_sets_tags_of_its_own_and_people_who_do_share_one_bound(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        await FillAsync(server.Server.Database, new("device_tag", "device_id", "device_tag", "device", device.Id, "tag_key"));

        var answers = await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(i => i % 2 == 0
            ? server.PostAsync("/v7/device_tag", server.Admin, new JsonObject { ["device"] = device.Id, ["tag_key"] = $"new{i}", ["value"] = "1" })
            : server.Server.SendAsync("PATCH", "/device/v3/tags", device.Key, new JsonObject { [device.Uuid] = new JsonObject { [$"new{i}"] = "1" } })));

        Assert.Equal(Left, answers.Count(a => a.Status is 200 or 201));
        Assert.All(answers.Where(a => a.Status is not (200 or 201)), refused => Assert.Equal(400, refused.Status));
        Assert.Equal(OwnerBounds.MostEntries, await server.Server.ScalarAsync<int>("SELECT count(*) FROM device_tag WHERE device_id = @p0", device.Id));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task The_characters_of_one_owners_values_are_bounded(string kind)
    {
        await using var world = await World.StartAsync(kind);
        var fleet = await world.FleetAsync("bounded");
        async Task<Answer> AddAsync(string name, int characters) =>
            await world.PostAsync("/v7/application_environment_variable", new JsonObject { ["application"] = Id(fleet), ["name"] = name, ["value"] = new string('v', characters) });

        const int piece = OwnerBounds.MostCharacters / 4;
        for (var i = 0; i < 3; i++)
            Assert.Equal(201, (await AddAsync($"V{i}", piece)).Status);
        var answers = await Task.WhenAll(AddAsync("A", piece), AddAsync("B", piece));
        Assert.Equal([201, 400], answers.Select(a => a.Status).Order());
        var more = await world.PatchAsync($"/v7/application_environment_variable?$filter=application eq {Id(fleet)} and name eq 'V0'", new JsonObject { ["value"] = new string('w', piece) });
        Assert.Equal(200, more.Status);
        var refused = await AddAsync("C", 1);
        Assert.Equal(400, refused.Status);
        Assert.Contains($"application_environment_variable with one owner, with {OwnerBounds.MostCharacters} characters in their values", refused.Sentence, StringComparison.Ordinal);
    }

    private static Task FillAsync(World world, Kept kept) => FillAsync(world.Server.Database, kept);

    /// <summary>All rows that one owner may have, but for the last few.</summary>
    private static Task FillAsync(Database database, Kept kept) => database.WriteAsync(async write =>
    {
        await using var fill = write.Command(
            $"""
            INSERT INTO {kept.Table} ({kept.Column}, {kept.Name}, {kept.Text}, created_at, modified_at)
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {kept.Most - Left}) SELECT {kept.Id}, 'k' || i, '', 0, 0 FROM n
            """);
        await fill.ExecuteNonQueryAsync();
    });

    /// <summary>Something that an owner has a number of.</summary>
    /// <param name="Owner">The field that refers to the owner; <paramref name="Column"/>: its column.</param>
    /// <param name="Name">The field that tells one from another.</param>
    private sealed record Kept(string Table, string Column, string Resource, string Owner, long Id, string Name, string Text = "value", string Value = "1", int Most = OwnerBounds.MostEntries);
}
