using Muster.Server.Devices.Targets;
using Muster.Tests.Storage;

namespace Muster.Tests.Devices;

public sealed class TargetStatePollTests
{
    private const string Uuid = "6713349f7fb2bbb0ac01a02bc0c32d9b", Key = "b08c8fe31c4a9fa3b64f24d586ef0e2b", Path = $"/device/v3/{Uuid}/state";

    [Fact]
    public async Task A_poll_makes_the_heartbeat_online_whether_something_is_new_or_not_and_a_persons_look_does_not()
    {
        await using var world = await RecordedWorld.StartAsync(TestDatabases.Sqlite);
        Task<object?> Heartbeat() => world.ReadAsync("SELECT heartbeat FROM device WHERE uuid = @p0", Uuid);
        var seen = await world.SendAsync("GET", Path, world.AsPerson, (string?)null, null);
        Assert.Equal((200, "unknown"), (seen.Status, (string?)await Heartbeat()));
        // The version was composed for a person; the device knows it, so this poll is answered before any endpoint.
        Assert.Equal(304, (await world.SendAsync("GET", Path, [.. RecordedWorld.As(Key), ("If-None-Match", seen.Version!)], (string?)null, null)).Status);
        Assert.Equal("online", await Heartbeat());
    }

    [Theory]
    [InlineData("INSERT INTO fleet_environment_variable (fleet_id, name, value, created_at, modified_at) VALUES (1, 'NEW', 'x', 0, 0)", true)]
    [InlineData("UPDATE service_label SET value = 'changed' WHERE service_id = 1", true)]
    [InlineData("UPDATE fleet SET target_release_id = 1 WHERE id = 1", true)]
    [InlineData("UPDATE device SET name = 'renamed' WHERE uuid = '6713349f7fb2bbb0ac01a02bc0c32d9b'", false)]
    public async Task A_change_gives_the_next_poll_a_new_document(string change, bool ofFleet)
    {
        await using var world = await RecordedWorld.StartAsync(TestDatabases.Sqlite);
        var before = await world.SendAsync("GET", Path, RecordedWorld.As(Key), (string?)null, null);
        await world.DoAsync(change);
        var id = (long)(await world.ReadAsync("SELECT id FROM device WHERE uuid = @p0", Uuid))!;
        await world.Presence.ChangedAsync(ofFleet ? new("test") { Fleets = [1] } : new("test") { Devices = [id] });
        var after = await world.SendAsync("GET", Path, [.. RecordedWorld.As(Key), ("If-None-Match", before.Version!)], (string?)null, null);
        Assert.Equal(200, after.Status);
        Assert.NotEqual(before.Version, after.Version);
        Assert.Equal(304, (await world.SendAsync("GET", Path, [.. RecordedWorld.As(Key), ("If-None-Match", after.Version!)], (string?)null, null)).Status);
    }

    [Fact]
    public async Task A_body_of_ten_megabytes_is_too_large_and_nothing_is_written()
    {
        await using var world = await RecordedWorld.StartAsync(TestDatabases.Sqlite);
        var answer = await world.SendAsync("PATCH", "/device/v3/state", RecordedWorld.As(Key), $"{{\"{Uuid}\":{{\"status\":\"{new string('x', 10_000_000)}\"}}}}", "application/json");
        Assert.Equal(413, answer.Status);
        Assert.EndsWith(".", (string?)answer.Json, StringComparison.Ordinal);
        Assert.Null(await world.ReadAsync("SELECT status FROM device WHERE uuid = @p0", Uuid));
    }

    [Fact]
    public async Task A_refused_report_is_still_a_sign_of_life()
    {
        await using var world = await RecordedWorld.StartAsync(TestDatabases.Sqlite);
        Assert.Equal(400, (await world.SendAsync("PATCH", "/device/v3/state", RecordedWorld.As(Key), $"{{\"{Uuid}\":{{\"status\":5}}}}", "application/json")).Status);
        Assert.Equal("configuring", await world.ReadAsync("SELECT overall_status FROM device WHERE uuid = @p0", Uuid));
    }

    [Theory]
    [InlineData("/device/v3/abc/state", "abc", 3)]
    [InlineData("/device/v2/abc/state", "abc", 2)]
    [InlineData("/device/v3/state", null, 0)]
    [InlineData("/device/v3/fleet/abc/state", null, 0)]
    [InlineData("/device/v4/abc/state", null, 0)]
    [InlineData("/device/v3//state", null, 0)]
    [InlineData("/", null, 0)]
    public void The_path_of_a_poll_is_known(string path, string? uuid, int api)
    {
        Assert.Equal(uuid is not null, UnchangedPolls.TryParse(path, out var found, out var version));
        if (uuid is not null)
            Assert.Equal((uuid, api), (found.ToString(), version));
    }
}
