using System.Collections.Immutable;
using Muster.Core.TargetState;
using Muster.Storage;

namespace Muster.Server.Devices.Targets;

/// <summary>Reads what a target state is composed of.</summary>
internal sealed class TargetStateReader(Database database, FleetRows fleets, PollIntervals intervals)
{
    /// <summary>Null when the device is not on record.</summary>
    public async Task<TargetInputs?> DeviceAsync(long deviceId, CancellationToken cancellation)
    {
        if (await RowAsync(deviceId, cancellation) is not { } row || await fleets.FleetAsync(row.FleetId, cancellation) is not { } fleet)
            return null;
        return new(await UserAsync(fleet, row.Pinned ?? fleet.TargetReleaseId, cancellation), intervals.Of(row.Device.Configuration, fleet.App.Configuration))
        {
            Device = row.Device,
            Supervisor = row.Supervisor is { } s ? await fleets.ReleaseAsync(s, cancellation) : null,
            Host = row.Host is { } h ? await fleets.ReleaseAsync(h, cancellation) : null,
        };
    }

    /// <param name="releaseId">The release to compose; null for the fleet's target.</param>
    public async Task<TargetInputs> FleetAsync(FleetRow fleet, long? releaseId, CancellationToken cancellation) =>
        new(await UserAsync(fleet, releaseId ?? fleet.TargetReleaseId, cancellation), intervals.Of([], fleet.App.Configuration));

    // A release may be kept with an older copy of its fleet's row; the fleet's own counts.
    private async Task<AppTarget> UserAsync(FleetRow fleet, long? releaseId, CancellationToken cancellation) =>
        new(fleet.App, releaseId is { } id ? (await fleets.ReleaseAsync(id, cancellation))?.Release : null);

    // Lets go of its connection before anybody asks for another: after a start every device composes at once, and a
    // request that held one while it waited for the next would wait for itself.
    private async Task<DeviceRow?> RowAsync(long deviceId, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement("SELECT uuid, name, fleet_id, pinned_release_id, managed_by_release_id, operated_by_release_id FROM device WHERE id = @p0", deviceId);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        if (!await reader.ReadAsync(cancellation))
            return null;
        long? Release(int column) => reader.IsDBNull(column) ? null : reader.GetInt64(column);
        var row = new DeviceRow(new TargetDevice(reader.GetString(0), reader.GetString(1)), reader.GetInt64(2), Release(3), Release(4), Release(5));
        await reader.DisposeAsync();
        await using var variables = connection.Statement(
            """
            SELECT 0, device_id, name, value FROM device_environment_variable WHERE device_id = @p0
            UNION ALL SELECT 1, device_id, name, value FROM device_config_variable WHERE device_id = @p0
            UNION ALL SELECT 2, service_id, name, value FROM device_service_environment_variable WHERE device_id = @p0
            """, deviceId);
        await using var rows = await variables.ExecuteReaderAsync(cancellation);
        var (environment, configuration, ofServices) = (ImmutableArray.CreateBuilder<Variable>(), ImmutableArray.CreateBuilder<Variable>(), ImmutableArray.CreateBuilder<ServiceVariable>());
        while (await rows.ReadAsync(cancellation))
        {
            var (name, value) = (rows.GetString(2), rows.GetString(3));
            switch (rows.GetInt32(0))
            {
                case 0: environment.Add(new(name, value)); break;
                case 1: configuration.Add(new(name, value)); break;
                default: ofServices.Add(new(rows.GetInt64(1), name, value)); break;
            }
        }

        return row with { Device = row.Device with { Environment = environment.ToImmutable(), Configuration = configuration.ToImmutable(), ServiceEnvironment = ofServices.ToImmutable() } };
    }

    private sealed record DeviceRow(TargetDevice Device, long FleetId, long? Pinned, long? Supervisor, long? Host);
}
