using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Muster.Simulator.Devices;
using Muster.Storage;
using Npgsql;

namespace Muster.Server;

/// <param name="Fleet">organization/fleet; both are made when missing.</param>
/// <param name="Fleets">The devices are spread evenly over this many fleets: the one named, then the same name with -2, -3, …</param>
/// <param name="Seed">Uuid and key of device n follow from it (<see cref="DeviceIdentity.Of"/>), so that a load generator needs no list.</param>
/// <param name="Lived">The devices have reported all that a supervisor reports, and polled a moment ago; otherwise they were never seen.</param>
internal sealed record SeedOptions(string Fleet, int Fleets, int Devices, string Seed, bool Lived);

/// <summary>
/// Fills a database with registered devices, for figures and load: far faster than registering them over HTTP. Not beside
/// a running server. A second run with the same seed adds only what is missing.
/// </summary>
internal sealed class Seeding(Database database, TimeProvider time)
{
    private const int Batch = 50_000;
    private const string DeviceType = "generic-amd64";

    private sealed record SeededFleet(long Id, long ReleaseId, long ImageId);

    /// <returns>How many devices were added.</returns>
    public async Task<int> RunAsync(SeedOptions options, Action<int> progress)
    {
        var fleets = await database.WriteAsync(async write =>
        {
            var made = new List<SeededFleet>();
            for (var i = 1; i <= options.Fleets; i++)
                made.Add(await FleetAsync(write, i == 1 ? options.Fleet : string.Create(CultureInfo.InvariantCulture, $"{options.Fleet}-{i}")));
            return made;
        });
        var first = await FirstMissingAsync(options);
        for (var from = first; from < options.Devices; from += Batch)
        {
            var until = Math.Min(options.Devices, from + Batch);
            await database.WriteAsync(write => DevicesAsync(write, options, fleets, from, until));
            progress(until);
        }

        return Math.Max(0, options.Devices - first);
    }

    /// <summary>Devices are added in order, so those that are there are the first ones.</summary>
    private async Task<int> FirstMissingAsync(SeedOptions options)
    {
        await using var connection = await database.OpenReadAsync();
        var (low, high) = (0, options.Devices);
        while (low < high)
        {
            var middle = low + ((high - low) / 2);
            await using var command = connection.Statement("SELECT 1 FROM device WHERE uuid = @p0", DeviceIdentity.Of(options.Seed, middle).Uuid);
            if (await command.ExecuteScalarAsync() is null)
                high = middle;
            else
                low = middle + 1;
        }

        return low;
    }

    private async Task DevicesAsync(WriteScope write, SeedOptions options, List<SeededFleet> fleets, int from, int until)
    {
        var deviceType = (long)(await ScalarAsync(write, "SELECT id FROM device_type WHERE slug = @p0", DeviceType))!;
        // Node or not, the clock of listening stands where it was last written.
        var observed = await ScalarAsync(write, "SELECT max(observed) FROM observer_clock") as long? ?? 0;
        var actor = await NextIdAsync(write, "actor");
        var device = await NextIdAsync(write, "device");
        var key = await NextIdAsync(write, "api_key");
        var now = Now;
        var numbers = Enumerable.Range(from, until - from).Select(n => (Number: n, Offset: n - from, Identity: DeviceIdentity.Of(options.Seed, n), Fleet: fleets[n % fleets.Count])).ToArray();

        await InsertAsync(write, "actor", ["id", "kind"], numbers.Select(n => new object?[] { actor + n.Offset, "device" }));
        if (options.Lived)
        {
            await InsertAsync(write, "device",
                [
                    "id", "actor_id", "uuid", "name", "fleet_id", "device_type_id", "created_at", "modified_at", "is_active", "activated_at", "status", "os_version", "os_variant",
                    "supervisor_version", "ip_address", "mac_address", "public_address", "api_port", "api_secret", "memory_usage", "memory_total", "storage_block_device",
                    "storage_usage", "storage_total", "cpu_usage", "cpu_temp", "cpu_id", "running_release_id", "heartbeat", "heartbeat_changed_at", "overall_status", "status_reason", "status_since", "update_status", "update_status_changed_at",
                ],
                numbers.Select(n => new object?[]
                {
                    device + n.Offset, actor + n.Offset, n.Identity.Uuid, Name(n.Number), n.Fleet.Id, deviceType, now, now, 1, now, "Idle", "balenaOS 6.5.39", "prod",
                    "19.0.5", Address(10, n.Number), Mac(n.Number), Address(203, n.Number), 48484, n.Identity.Key, 512, 4096, "/dev/mmcblk0p6",
                    2048, 29_000, 20, 45, n.Identity.Uuid[..16], n.Fleet.ReleaseId, "online", now, "reduced-functionality", "cloudlink-missing", now, "done", now,
                }));
            await InsertAsync(write, "device_contact", ["device_id", "last_poll_at", "last_contact_at", "observed_poll", "observed_contact"],
                numbers.Select(n => new object?[] { device + n.Offset, now, now, observed, observed }));
            await InsertAsync(write, "image_install", ["device_id", "image_id", "release_id", "status", "install_date", "created_at", "modified_at"],
                numbers.Select(n => new object?[] { device + n.Offset, n.Fleet.ImageId, n.Fleet.ReleaseId, "Running", now, now, now }));
        }
        else
        {
            await InsertAsync(write, "device", ["id", "actor_id", "uuid", "name", "fleet_id", "device_type_id", "created_at", "modified_at"],
                numbers.Select(n => new object?[] { device + n.Offset, actor + n.Offset, n.Identity.Uuid, Name(n.Number), n.Fleet.Id, deviceType, now, now }));
        }

        await InsertAsync(write, "api_key", ["id", "actor_id", "key_hash", "roles", "created_at", "modified_at"],
            numbers.Select(n => new object?[] { key + n.Offset, actor + n.Offset, SHA256.HashData(Encoding.UTF8.GetBytes(n.Identity.Key)), "device-api-key", now, now }));
        if (write.Connection is NpgsqlConnection)
        {
            foreach (var table in (string[])["actor", "device", "api_key"])
                await DoAsync(write, $"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))");
        }
    }

    private async Task<SeededFleet> FleetAsync(WriteScope write, string slug)
    {
        var parts = slug.Split('/');
        if (parts is not [{ Length: > 0 } handle, { Length: > 0 } name])
            throw new ArgumentException($"\"{slug}\" is not of the form organization/fleet.");
        var now = Now;
        var organization = await ScalarAsync(write, "SELECT id FROM organization WHERE handle = @p0", handle)
            ?? await ScalarAsync(write, "INSERT INTO organization (name, handle, created_at, modified_at) VALUES (@p0, @p0, @p1, @p1) RETURNING id", handle, now);
        if (await ScalarAsync(write, "SELECT id FROM fleet WHERE slug = @p0", slug) is not long fleet)
        {
            var actor = await ScalarAsync(write, "INSERT INTO actor (kind) VALUES ('fleet') RETURNING id");
            fleet = (long)(await ScalarAsync(write,
                """
                INSERT INTO fleet (actor_id, uuid, name, slug, organization_id, device_type_id, fleet_type_id, created_at, modified_at)
                SELECT @p0, @p1, @p2, @p3, @p4, d.id, (SELECT id FROM fleet_type ORDER BY needs_paid_plan, id LIMIT 1), @p6, @p6 FROM device_type d WHERE d.slug = @p5 RETURNING id
                """, actor, RandomNumberGenerator.GetHexString(32, lowercase: true), name, slug, organization, DeviceType, now))!;
        }

        if (await ScalarAsync(write, "SELECT target_release_id FROM fleet WHERE id = @p0", fleet) is not long release)
        {
            release = (long)(await ScalarAsync(write,
                "INSERT INTO release (fleet_id, \"commit\", composition, status, start_timestamp, update_timestamp, semver_major, revision, created_at, modified_at) VALUES (@p0, @p1, @p2, 'success', @p3, @p3, 1, 0, @p3, @p3) RETURNING id",
                fleet, "c0ffee" + RandomNumberGenerator.GetHexString(34, lowercase: true), """{"version":"2.1","services":{"main":{"image":"main"}}}""", now))!;
            var service = await ScalarAsync(write, "INSERT INTO service (fleet_id, service_name, created_at, modified_at) VALUES (@p0, 'main', @p1, @p1) RETURNING id", fleet, now);
            var image = await ScalarAsync(write,
                "INSERT INTO image (service_id, location, content_hash, status, start_timestamp, end_timestamp, push_timestamp, created_at, modified_at) VALUES (@p0, @p1, @p2, 'success', @p3, @p3, @p3, @p3, @p3) RETURNING id",
                service, $"registry2.muster.local/v2/{RandomNumberGenerator.GetHexString(32, lowercase: true)}", $"sha256:{RandomNumberGenerator.GetHexString(64, lowercase: true)}", now);
            await DoAsync(write, "INSERT INTO release_image (release_id, image_id, created_at, modified_at) VALUES (@p0, @p1, @p2, @p2)", release, image, now);
            await DoAsync(write, "UPDATE fleet SET target_release_id = @p1 WHERE id = @p0", fleet, release);
        }

        return new(fleet, release, (long)(await ScalarAsync(write, "SELECT min(image_id) FROM release_image WHERE release_id = @p0", release))!);
    }

    private static async Task InsertAsync(WriteScope write, string table, string[] columns, IEnumerable<object?[]> rows)
    {
        if (write.Connection is NpgsqlConnection postgres)
        {
            await using var copy = await postgres.BeginBinaryImportAsync($"COPY {table} ({string.Join(", ", columns)}) FROM STDIN (FORMAT BINARY)");
            foreach (var row in rows)
                await copy.WriteRowAsync(CancellationToken.None, row);
            await copy.CompleteAsync();
            return;
        }

        await using var command = write.Command(
            $"INSERT INTO {table} ({string.Join(", ", columns)}) VALUES ({string.Join(", ", columns.Select((_, i) => string.Create(CultureInfo.InvariantCulture, $"@p{i}")))})", new object?[columns.Length]);
        await command.PrepareAsync();
        foreach (var row in rows)
        {
            for (var i = 0; i < row.Length; i++)
                command.Parameters[i].Value = row[i] ?? DBNull.Value;
            await command.ExecuteNonQueryAsync();
        }
    }

    private static string Address(int network, int number) =>
        string.Create(CultureInfo.InvariantCulture, $"{network}.{(number >> 16) & 255}.{(number >> 8) & 255}.{number & 255}");

    private static string Mac(int number) => string.Create(CultureInfo.InvariantCulture, $"DC:A6:32:{(number >> 16) & 255:X2}:{(number >> 8) & 255:X2}:{number & 255:X2}");

    private static string Name(int number) => string.Create(CultureInfo.InvariantCulture, $"device-{number:0000000}");

    private static async Task<long> NextIdAsync(WriteScope write, string table) => (await ScalarAsync(write, $"SELECT max(id) FROM {table}") as long? ?? 0) + 1;

    private static async Task<object?> ScalarAsync(WriteScope write, string sql, params object?[] parameters)
    {
        await using var command = write.Command(sql, parameters);
        return await command.ExecuteScalarAsync() is { } value and not DBNull ? value : null;
    }

    private static async Task DoAsync(WriteScope write, string sql, params object?[] parameters)
    {
        await using DbCommand command = write.Command(sql, parameters);
        await command.ExecuteNonQueryAsync();
    }

    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();
}
