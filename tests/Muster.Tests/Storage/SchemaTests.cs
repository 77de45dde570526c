using Muster.Storage;

namespace Muster.Tests.Storage;

public sealed class SchemaTests
{
    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Counts_follow_devices_in_the_same_transaction(string kind)
    {
        await using var database = await TestDatabases.CreateAsync(kind);
        await database.WriteAsync(async write =>
        {
            async Task Do(string sql)
            {
                await using var command = write.Command(sql);
                await command.ExecuteNonQueryAsync();
            }

            await Do("INSERT INTO actor (id, kind) VALUES (1, 'fleet'), (2, 'device'), (3, 'device')");
            await Do("INSERT INTO organization (id, name, handle, created_at, modified_at) VALUES (1, 'o', 'o', 0, 0)");
            await Do("INSERT INTO cpu_architecture (id, slug, created_at, modified_at) VALUES (1, 'amd64', 0, 0)");
            await Do("INSERT INTO device_type (id, slug, name, cpu_architecture_id, created_at, modified_at) VALUES (1, 'x', 'X', 1, 0, 0)");
            await Do("INSERT INTO fleet_type (id, slug, name, created_at, modified_at) VALUES (1, 'm', 'M', 0, 0)");
            await Do("INSERT INTO fleet (id, actor_id, uuid, name, slug, organization_id, device_type_id, fleet_type_id, created_at, modified_at) VALUES (1, 1, 'f', 'f', 'o/f', 1, 1, 1, 0, 0)");
            await Do("INSERT INTO device (id, actor_id, uuid, name, fleet_id, device_type_id, created_at, modified_at) VALUES (1, 2, 'a', 'a', 1, 1, 0, 0), (2, 3, 'b', 'b', 1, 1, 0, 0)");
            await Do("UPDATE device SET overall_status = 'operational' WHERE id = 2");
            await Do("DELETE FROM device WHERE id = 1");
        });

        await using var connection = await database.OpenReadAsync();
        await using var command = connection.Statement("SELECT value, devices FROM fleet_count WHERE fact = 'overall_status' AND devices <> 0");
        await using var reader = await command.ExecuteReaderAsync();
        Assert.True(await reader.ReadAsync());
        Assert.Equal(("operational", 1L), (reader.GetString(0), reader.GetInt64(1)));
        Assert.False(await reader.ReadAsync());
    }
}
