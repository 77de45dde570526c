using System.Text.Json.Nodes;
using Muster.Storage;
using Muster.Tests.Storage;

namespace Muster.Tests.Devices;

/// <summary>Every device-facing recording of the reference server, replayed.</summary>
public sealed class RecordingReplayTests
{
    /// <summary>
    /// Fields that stand otherwise after a capture, by the table of docs/api-differences.md, "The device's API", and
    /// its rule that fields are stored as sent: the reference drops metrics and progress that come too often.
    /// </summary>
    private static readonly Dictionary<string, (string Field, JsonNode? Value)[]> OtherFields = new()
    {
        ["device after: nothing (fresh device)"] = [("overall_status", "inactive")],
        ["device after: metrics only (dropped: throttled)"] = [("memory_usage", 600), ("cpu_usage", 50)],
        ["device after: metrics + changed field (metrics written along)"] = [("memory_usage", 601), ("cpu_usage", 50)],
        ["device after: metrics + unchanged field (nothing written)"] = [("memory_usage", 777), ("cpu_usage", 50)],
        ["device after: misc"] = [("storage_total", int.MaxValue)],
        ["device after: progress 22 (dropped, still 21)"] = [("image_install", Installs("3:2:Downloading:22", "4:2:Downloaded:"))],
    };

    /// <summary>Ids, instants, the address of the test itself, and what follows from a device's word about its own connection, which counts for nothing with us.</summary>
    private static readonly string[] NotCompared = ["id", "public_address", "modified_at", "is_online", "last_connectivity_event", "last_update_status_event"];

    private const string ReportingUuid = "5fb8480a59705a8f10a8312e231ce8d0";
    private const string OldUuid = "443218387bf29a6ea0f9eae3a8e240a5";
    private const string LoggingUuid = "497b8d1499d685b69dd4de70ea97e8bc";

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Target_states_are_answered_as_recorded(string kind)
    {
        await using var world = await RecordedWorld.StartAsync(kind);
        await new Replay(world, "state-get-v3")
        {
            Before =
            {
                ["pinned to an older release"] = async () =>
                {
                    await world.DoAsync("UPDATE device SET pinned_release_id = 1 WHERE uuid = '9b6232dca204209e1fed310811527762'");
                    await world.Presence.ChangedAsync(new("pin") { Devices = [(long)(await world.ReadAsync("SELECT id FROM device WHERE uuid = '9b6232dca204209e1fed310811527762'"))!] });
                },
            },
        }.RunAsync();
        await new Replay(world, "state-get-v2").RunAsync();
        await new Replay(world, "fleet-state-v3").RunAsync();
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task State_reports_are_answered_and_written_as_recorded(string kind)
    {
        await using var world = await RecordedWorld.StartAsync(kind);
        await world.AddDeviceAsync(ReportingUuid, "10fac226e5a9b60120c6f1b1efc37c40");
        var metricsOf = new Dictionary<string, JsonNode?>();
        await new Replay(world, "state-patch-v3") { Look = capture => LookAsync(world, ReportingUuid, capture, metricsOf) }.RunAsync();
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task State_reports_of_the_old_form_are_answered_and_written_as_recorded(string kind)
    {
        await using var world = await RecordedWorld.StartAsync(kind);
        await world.AddDeviceAsync(OldUuid, "76e4048d70e7794dde8fbf16bbbab95f");
        await new Replay(world, "state-patch-v2") { Look = capture => LookAsync(world, OldUuid, capture, []) }.RunAsync();
        Assert.Equal("renamed", await world.ReadAsync("SELECT name FROM device WHERE uuid = @p0", OldUuid));
        Assert.Equal("n", await world.ReadAsync("SELECT note FROM device WHERE uuid = @p0", OldUuid));
        Assert.Equal(1L, await world.ReadAsync("SELECT pinned_release_id FROM device WHERE uuid = @p0", OldUuid));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Registrations_are_answered_as_recorded(string kind)
    {
        await using var world = await RecordedWorld.StartAsync(kind);
        // Known to the seed, registered by the recording.
        foreach (var uuid in new[] { "6713349f7fb2bbb0ac01a02bc0c32d9b", "b71bc83976c1b303edea3196e3845681" })
        {
            var id = (long)(await world.ReadAsync("SELECT id FROM device WHERE uuid = @p0", uuid))!;
            await world.DoAsync("DELETE FROM device WHERE id = @p0", id);
            await world.Presence.ChangedAsync(new("deleted") { Removed = [(id, uuid)] });
        }

        await new Replay(world, "device-register").RunAsync();
        const string where = "FROM device WHERE uuid = '6713349f7fb2bbb0ac01a02bc0c32d9b'";
        Assert.Equal("inactive", await world.ReadAsync($"SELECT overall_status {where}"));
        Assert.Equal("17.0.1|balenaOS 6.0.24|prod|00:11:22:33:44:55", await world.ReadAsync($"SELECT supervisor_version || '|' || os_version || '|' || os_variant || '|' || mac_address {where}"));
        Assert.Null(await world.ReadAsync("SELECT os_variant FROM device WHERE uuid = 'aacfe00b1110ccd816ca75e0b17cd1e1'"));
        // The key that the server made opens the device's state.
        Assert.Equal(200, (await world.SendAsync("GET", "/device/v3/6713349f7fb2bbb0ac01a02bc0c32d9b/state", RecordedWorld.As("b08c8fe31c4a9fa3b64f24d586ef0e2b"), (string?)null, null)).Status);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Tags_are_set_as_recorded(string kind)
    {
        await using var world = await RecordedWorld.StartAsync(kind);
        await world.AddDeviceAsync(OldUuid, "76e4048d70e7794dde8fbf16bbbab95f");
        await new Replay(world, "tags-patch-v3")
        {
            Look = async capture =>
            {
                await using var connection = await world.Database.OpenReadAsync();
                await using var command = connection.Statement("SELECT t.tag_key, t.value FROM device_tag t JOIN device d ON d.id = t.device_id WHERE d.uuid = @p0 ORDER BY t.tag_key", OldUuid);
                await using var reader = await command.ExecuteReaderAsync();
                var tags = new JsonArray();
                while (await reader.ReadAsync())
                    tags.Add((JsonNode)new JsonObject { ["tag_key"] = reader.GetString(0), ["value"] = reader.GetString(1) });
                AssertSame(capture.Json["tags"], tags);
            },
        }.RunAsync();
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Logs_are_taken_and_read_back_as_recorded(string kind)
    {
        await using var world = await RecordedWorld.StartAsync(kind);
        await world.AddDeviceAsync(LoggingUuid, "cb7b3c2ec5461b1c0838a4fdc9177222");
        await world.AddDeviceAsync("395d12eefdccf1ab4474c204992503ee", "395d12eefdccf1ab4474c204992503dd");
        // Live streams end by the reader's leaving; DeviceLogTests read them.
        await new Replay(world, "device-logs") { IsOurs = c => !c.Name.StartsWith("GET stream=1", StringComparison.Ordinal) }.RunAsync();
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_deleted_device_stays_quiet_as_recorded(string kind)
    {
        const string uuid = "728b7a87d23fd8b414be6197f696f2f4";
        await using var world = await RecordedWorld.StartAsync(kind);
        var id = await world.AddDeviceAsync(uuid, "60585f5e8b73b92929d85611351f8781");
        await new Replay(world, "deleted-device")
        {
            Before =
            {
                ["delete"] = async () =>
                {
                    await world.DoAsync("DELETE FROM device WHERE id = @p0", id);
                    await world.Presence.ChangedAsync(new("deleted") { Removed = [(id, uuid)] });
                },
            },
            IsOurs = c => IsDeviceFacing(c) && c.Name != "delete",
        }.RunAsync();
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_frozen_device_stays_quiet_as_recorded(string kind)
    {
        const string uuid = "1d516f0c86dd294197773063f0f73ecb";
        await using var world = await RecordedWorld.StartAsync(kind);
        var id = await world.AddDeviceAsync(uuid, "33514a3ea9a3b44ef05e5a89cbc1ae7f");
        await new Replay(world, "frozen-inactive")
        {
            Before =
            {
                ["frozen: GET v3 state"] = async () =>
                {
                    await world.DoAsync("UPDATE organization SET device_allowance = 0");
                    await world.Presence.ChangedAsync(new("allowance") { Organizations = [(long)(await world.ReadAsync("SELECT organization_id FROM fleet WHERE id = 1"))!] });
                    Assert.Equal(1L, Convert.ToInt64(await world.ReadAsync("SELECT is_frozen FROM device WHERE id = @p0", id), System.Globalization.CultureInfo.InvariantCulture));
                },
            },
            IsOurs = IsDeviceFacing,
        }.RunAsync();
    }

    private static bool IsDeviceFacing(Capture capture) =>
        ((string?)capture.Request?["path"])?.StartsWith("/device/", StringComparison.Ordinal) ?? false;

    private static async Task LookAsync(RecordedWorld world, string uuid, Capture capture, Dictionary<string, JsonNode?> kept)
    {
        if (capture.Json["lengths"] is JsonObject lengths)
        {
            foreach (var (field, length) in lengths)
                Assert.Equal((long)length!, Convert.ToInt64(await world.ReadAsync($"SELECT length({field}) FROM device WHERE uuid = @p0", uuid), System.Globalization.CultureInfo.InvariantCulture));
            return;
        }

        if (capture.Json["device"] is not JsonObject recorded)
        {
            Assert.Equal((string?)capture.Json["status"], await world.ReadAsync("SELECT status FROM device WHERE uuid = @p0", uuid));
            return;
        }

        var expected = recorded.DeepClone().AsObject();
        expected["image_install"] = Installs([.. recorded["image_install"]!.AsArray().Select(i => $"{i!["installs__image"]![0]!["id"]}:{i["is_provided_by__release"]![0]!["id"]}:{i["status"]}:{i["download_progress"]}")]);
        expected["is_running__release"] = recorded["is_running__release"]!.AsArray() is [{ } release] ? release["id"]!.DeepClone() : null;
        foreach (var (field, value) in OtherFields.GetValueOrDefault(capture.Name, []))
        {
            if (field is "cpu_usage" or "memory_usage" or "storage_total")
                kept[field] = value;
            else
                expected[field] = value?.DeepClone();
        }

        // What the reference dropped stays with us until a later report says otherwise.
        foreach (var (field, value) in kept)
            expected[field] = value?.DeepClone();
        // The reference believes a device that calls itself online (docs/api-differences.md, "The device's API": the partition alone writes links).
        if ((bool)recorded["is_online"]!)
            expected["overall_status"] = (string?)recorded["overall_status"] == "disconnected" ? "configuring" : recorded["overall_status"]!.DeepClone();
        var actual = await DeviceAsync(world, uuid);
        foreach (var field in NotCompared)
        {
            expected.Remove(field);
            actual.Remove(field);
        }

        AssertSame(expected, actual);
        Assert.Equal(recorded["last_update_status_event"] is null, await world.ReadAsync("SELECT update_status_changed_at FROM device WHERE uuid = @p0", uuid) is null);
    }

    private static async Task<JsonObject> DeviceAsync(RecordedWorld world, string uuid)
    {
        await using var connection = await world.Database.OpenReadAsync();
        await using var command = connection.Statement(
            """
            SELECT running_release_id AS is_running__release, status, os_version, os_variant, supervisor_version, provisioning_progress, provisioning_state, ip_address, mac_address,
                public_address, api_port, api_secret, memory_usage, memory_total, storage_block_device, storage_usage, storage_total, cpu_temp, cpu_usage, cpu_id, is_undervolted,
                download_progress, update_status, heartbeat AS api_heartbeat_state, overall_status, overall_progress
            FROM device WHERE uuid = @p0
            """, uuid);
        await using var reader = await command.ExecuteReaderAsync();
        Assert.True(await reader.ReadAsync());
        var device = new JsonObject();
        for (var i = 0; i < reader.FieldCount; i++)
        {
            device[reader.GetName(i)] = reader.GetValue(i) switch
            {
                DBNull => null,
                string text => text,
                var number when reader.GetName(i) == "is_undervolted" => Convert.ToInt64(number, System.Globalization.CultureInfo.InvariantCulture) != 0,
                var number => Convert.ToInt64(number, System.Globalization.CultureInfo.InvariantCulture),
            };
        }

        await reader.DisposeAsync();
        await using var installs = connection.Statement("SELECT i.image_id, i.release_id, i.status, i.download_progress FROM image_install i JOIN device d ON d.id = i.device_id WHERE d.uuid = @p0 ORDER BY i.image_id", uuid);
        await using var rows = await installs.ExecuteReaderAsync();
        List<string> all = [];
        while (await rows.ReadAsync())
            all.Add($"{rows.GetInt64(0)}:{rows.GetInt64(1)}:{rows.GetString(2)}:{(rows.IsDBNull(3) ? "" : rows.GetInt32(3).ToString(System.Globalization.CultureInfo.InvariantCulture))}");
        device["image_install"] = Installs([.. all]);
        return device;
    }

    private static JsonArray Installs(params string[] installs) => new([.. installs.Order(StringComparer.Ordinal).Select(i => (JsonNode)i)]);

    private static void AssertSame(JsonNode? expected, JsonNode? actual)
    {
        // Numbers of the recording and of the database are the same number.
        static string Text(JsonNode? node) => node is JsonObject o ? $"{{{string.Join(", ", o.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"{p.Key}: {p.Value?.ToJsonString() ?? "null"}"))}}}" : node?.ToJsonString() ?? "null";
        Assert.Equal(Text(expected), Text(actual));
    }
}
