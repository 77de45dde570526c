using System.Security.Cryptography;
using System.Text;
using Muster.Storage;

namespace Muster.Tests.Storage;

/// <summary>Rows that most tests need, written by plain SQL so that no code under test makes its own evidence.</summary>
public sealed class FleetFixture(Database database)
{
    private static int counter;
    private long architecture;
    private long deviceType;

    public Database Database { get; } = database;

    public static async Task<FleetFixture> CreateAsync(string kind) => new(await TestDatabases.CreateAsync(kind));

    public async Task<long> AddOrganizationAsync(string plan = "paid", int? allowance = null)
    {
        var name = Unique("org");
        return await InsertAsync("INSERT INTO organization (name, handle, plan, device_allowance, created_at, modified_at) VALUES (@p0, @p0, @p1, @p2, 0, 0) RETURNING id", name, plan, allowance);
    }

    /// <summary>A fleet; <paramref name="organization"/> 0 makes an organization too.</summary>
    public async Task<FixtureFleet> AddFleetAsync(long organization = 0, bool needsPaidPlan = false)
    {
        if (organization == 0)
            organization = await AddOrganizationAsync();
        if (deviceType == 0)
        {
            architecture = await InsertAsync("INSERT INTO cpu_architecture (slug, created_at, modified_at) VALUES (@p0, 0, 0) RETURNING id", Unique("arch"));
            deviceType = await InsertAsync("INSERT INTO device_type (slug, name, cpu_architecture_id, created_at, modified_at) VALUES (@p0, @p0, @p1, 0, 0) RETURNING id", Unique("type"), architecture);
        }

        var fleetType = await InsertAsync("INSERT INTO fleet_type (slug, name, needs_paid_plan, created_at, modified_at) VALUES (@p0, @p0, @p1, 0, 0) RETURNING id", Unique("fleet-type"), needsPaidPlan);
        var actor = await InsertAsync("INSERT INTO actor (kind) VALUES ('fleet') RETURNING id");
        var name = Unique("fleet");
        var uuid = Hex(16);
        var id = await InsertAsync(
            "INSERT INTO fleet (actor_id, uuid, name, slug, organization_id, device_type_id, fleet_type_id, created_at, modified_at) VALUES (@p0, @p1, @p2, @p2, @p3, @p4, @p5, 0, 0) RETURNING id",
            actor, uuid, name, organization, deviceType, fleetType);
        return new(id, uuid, name, organization);
    }

    /// <summary>A registered device that was never seen, with a key of its own.</summary>
    public async Task<FixtureDevice> AddDeviceAsync(FixtureFleet fleet)
    {
        var (uuid, key) = (Hex(16), Hex(16));
        var actor = await InsertAsync("INSERT INTO actor (kind) VALUES ('device') RETURNING id");
        var id = await InsertAsync(
            "INSERT INTO device (actor_id, uuid, name, fleet_id, device_type_id, created_at, modified_at) VALUES (@p0, @p1, @p2, @p3, @p4, 0, 0) RETURNING id",
            actor, uuid, Unique("device"), fleet.Id, deviceType);
        await AddKeyAsync(actor, key);
        return new(id, actor, uuid, key, fleet.Id);
    }

    public Task<long> AddKeyAsync(long actor, string key, string roles = "device-api-key") =>
        InsertAsync("INSERT INTO api_key (actor_id, key_hash, roles, created_at, modified_at) VALUES (@p0, @p1, @p2, 0, 0) RETURNING id", actor, SHA256.HashData(Encoding.UTF8.GetBytes(key)), roles);

    /// <summary>A successful release with one image per service name; the newest becomes the fleet's target.</summary>
    public async Task<FixtureRelease> AddReleaseAsync(FixtureFleet fleet, params string[] services)
    {
        var commit = Hex(16);
        var id = await InsertAsync(
            "INSERT INTO release (fleet_id, \"commit\", composition, status, start_timestamp, update_timestamp, created_at, modified_at) VALUES (@p0, @p1, '{}', 'success', 0, 0, 0, 0) RETURNING id",
            fleet.Id, commit);
        var images = new List<long>();
        foreach (var service in services)
        {
            var serviceId = await InsertAsync(
                "INSERT INTO service (fleet_id, service_name, created_at, modified_at) VALUES (@p0, @p1, 0, 0) ON CONFLICT (fleet_id, service_name) DO UPDATE SET modified_at = 0 RETURNING id",
                fleet.Id, service);
            var image = await InsertAsync(
                "INSERT INTO image (service_id, location, status, start_timestamp, created_at, modified_at) VALUES (@p0, @p1, 'success', 0, 0, 0) RETURNING id",
                serviceId, Unique("registry/v2/"));
            await InsertAsync("INSERT INTO release_image (release_id, image_id, created_at, modified_at) VALUES (@p0, @p1, 0, 0) RETURNING id", id, image);
            images.Add(image);
        }

        await DoAsync("UPDATE fleet SET target_release_id = @p0 WHERE id = @p1", id, fleet.Id);
        return new(id, commit, [.. images]);
    }

    public Task<long> AddServiceInstanceAsync() =>
        InsertAsync("INSERT INTO service_instance (ip_address, last_heartbeat, created_at, modified_at) VALUES ('127.0.0.1', 0, 0, 0) RETURNING id");

    public Task DoAsync(string sql, params object?[] parameters) => Database.WriteAsync(async write =>
    {
        await using var command = write.Command(sql, parameters);
        await command.ExecuteNonQueryAsync();
    });

    /// <summary>The first column of the first row, or null.</summary>
    public async Task<object?> ReadAsync(string sql, params object?[] parameters)
    {
        await using var connection = await Database.OpenReadAsync();
        await using var command = connection.Statement(sql, parameters);
        return await command.ExecuteScalarAsync() is { } value and not DBNull ? value : null;
    }

    private Task<long> InsertAsync(string sql, params object?[] parameters) => Database.WriteAsync(async write =>
    {
        await using var command = write.Command(sql, parameters);
        return (long)(await command.ExecuteScalarAsync())!;
    });

    private static string Unique(string name) => $"{name}-{Interlocked.Increment(ref counter)}";

    private static string Hex(int bytes) => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(bytes));
}

public sealed record FixtureFleet(long Id, string Uuid, string Name, long OrganizationId);

public sealed record FixtureDevice(long Id, long ActorId, string Uuid, string Key, long FleetId);

public sealed record FixtureRelease(long Id, string Commit, long[] Images);
