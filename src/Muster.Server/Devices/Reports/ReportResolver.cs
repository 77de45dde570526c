using System.Collections.Immutable;
using Muster.Core.Status;
using Muster.Server.Devices.Targets;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Devices.Reports;

/// <summary>
/// Turns the names of releases and images in a report into our ids. What was found is kept (bounded) until a change of its
/// fleet is told; what was not found is looked for anew.
/// </summary>
internal sealed class ReportResolver(Database database, FleetPresence presence, FleetRows fleets)
{
    /// <param name="IsShared">A public app (a supervisor's or a host's), whose releases any device may run.</param>
    private sealed record FoundRelease(long Id, long FleetId, bool IsShared, int Ticket);

    private sealed record FoundImage(long Id, long FleetId, string? Digest, int Ticket);

    private readonly BoundedCache<(string App, string Commit), FoundRelease> releases = new(20_000);
    private readonly BoundedCache<string, FoundImage> images = new(50_000);

    /// <summary>Null when the report names a release or an image that the device cannot run.</summary>
    public async ValueTask<StateReport?> ResolveAsync(ParsedReport parsed, DeviceSlot slot, CancellationToken cancellation)
    {
        var report = parsed.Fields;
        var fleetId = presence.FleetId(slot);
        if (parsed.Apps is { } apps)
        {
            var installs = ImmutableArray.CreateBuilder<ServiceInstall>();
            foreach (var app in apps)
            {
                if (await OfAppAsync(app, fleetId, presence.DeviceId(slot), report, installs, cancellation) is not { } with)
                    return null;
                report = with;
            }

            report = report with { Installs = installs.DrainToImmutable() };
        }

        if (parsed.Images is { } ids)
        {
            if (await OfIdsAsync(ids, fleetId, cancellation) is not { } installs)
                return null;
            report = report with { Installs = installs };
        }

        if (parsed.RunningCommit is { IsPresent: true, Value: var commit })
            report = await OfRunningCommitAsync(report, commit, fleetId, cancellation);
        return report;
    }

    private async ValueTask<StateReport?> OfAppAsync(ReportedApp app, long fleetId, long deviceId, StateReport report, ImmutableArray<ServiceInstall>.Builder installs, CancellationToken cancellation)
    {
        if (app.RunningCommit is { } running)
        {
            if (await ReleaseAsync(app.Uuid, running, fleetId, deviceId, cancellation) is not { } release)
                return null;
            if (release.FleetId == fleetId)
                report = report with { RunningReleaseId = release.Id };
        }

        foreach (var reported in app.Releases)
        {
            if (await ReleaseAsync(app.Uuid, reported.Commit, fleetId, deviceId, cancellation) is not { } release)
                return null;
            if (release.FleetId == fleetId && UpdateStatusRule.Lower(report.UpdateStatus.Or(UpdateStatus.None), reported.UpdateStatus) is not UpdateStatus.None and var lowest)
                report = report with { UpdateStatus = lowest };

            foreach (var service in reported.Services)
            {
                if (await ImageAsync(service.Image, release.FleetId, cancellation) is not { } image)
                    return null;
                installs.Add(new(image.Id, release.Id, service.Status, service.Progress));
            }
        }

        return report;
    }

    private async ValueTask<FoundRelease?> ReleaseAsync(string appUuid, string commit, long fleetId, long deviceId, CancellationToken cancellation)
    {
        if (!releases.TryGet((appUuid, commit), out var found) || found.Ticket != presence.FleetTicket(found.FleetId))
        {
            var ticket = presence.FleetTicket(fleetId);
            await using var connection = await database.OpenReadAsync(cancellation);
            await using var command = connection.Statement(
                "SELECT r.id, f.id, f.is_public FROM release r JOIN fleet f ON f.id = r.fleet_id WHERE f.uuid = @p0 AND r.\"commit\" = @p1 ORDER BY r.id DESC LIMIT 1", appUuid, commit);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            if (!await reader.ReadAsync(cancellation))
                return null;
            found = new(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt32(2) != 0, ticket);
            // The ticket is the own fleet's; another's is not known before its row is.
            if (found.FleetId == fleetId)
                releases.Set((appUuid, commit), found);
        }

        return found.FleetId == fleetId || found.IsShared || await IsSupervisorOrHostAsync(deviceId, found.FleetId, cancellation) ? found : null;
    }

    /// <summary>Whether the app is the one that the device's supervisor or host OS is taken from.</summary>
    private async Task<bool> IsSupervisorOrHostAsync(long deviceId, long appId, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            "SELECT 1 FROM device d JOIN release r ON r.id = d.managed_by_release_id OR r.id = d.operated_by_release_id WHERE d.id = @p0 AND r.fleet_id = @p1", deviceId, appId);
        return await command.ExecuteScalarAsync(cancellation) is not null;
    }

    /// <summary>An image of the app, by its location and, where the report has one, its digest.</summary>
    private async ValueTask<FoundImage?> ImageAsync(string reference, long appId, CancellationToken cancellation)
    {
        var at = reference.IndexOf('@', StringComparison.Ordinal);
        var (location, digest) = at < 0 ? (reference, null) : (reference[..at], reference[(at + 1)..]);
        if (!images.TryGet(location, out var found) || found.Ticket != presence.FleetTicket(found.FleetId))
        {
            var ticket = presence.FleetTicket(appId);
            await using var connection = await database.OpenReadAsync(cancellation);
            await using var command = connection.Statement(
                "SELECT i.id, s.fleet_id, i.content_hash FROM image i JOIN service s ON s.id = i.service_id WHERE i.location = @p0", location);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            if (!await reader.ReadAsync(cancellation))
                return null;
            found = new(reader.GetInt64(0), reader.GetInt64(1), reader.IsDBNull(2) ? null : reader.GetString(2), ticket);
            if (found.FleetId == appId)
                images.Set(location, found);
        }

        return found.FleetId == appId && (digest is null || digest == found.Digest) ? found : null;
    }

    private async Task<ImmutableArray<ServiceInstall>?> OfIdsAsync(List<ReportedImage> reported, long fleetId, CancellationToken cancellation)
    {
        var installs = ImmutableArray.CreateBuilder<ServiceInstall>(reported.Count);
        await using var connection = await database.OpenReadAsync(cancellation);
        foreach (var image in reported)
        {
            await using var command = connection.Statement(
                "SELECT 1 FROM image i JOIN service s ON s.id = i.service_id JOIN release r ON r.fleet_id = s.fleet_id WHERE i.id = @p0 AND r.id = @p1 AND s.fleet_id = @p2",
                image.ImageId, image.ReleaseId, fleetId);
            if (await command.ExecuteScalarAsync(cancellation) is null)
                return null;
            installs.Add(new(image.ImageId, image.ReleaseId, image.Status, image.Progress));
        }

        return installs.DrainToImmutable();
    }

    // An unknown commit is passed over (recordings, state-patch-v2, "unknown commit is ignored").
    private async Task<StateReport> OfRunningCommitAsync(StateReport report, string? commit, long fleetId, CancellationToken cancellation)
    {
        if (string.IsNullOrEmpty(commit))
            return report with { RunningReleaseId = (long?)null };
        return await fleets.ReleaseIdAsync(fleetId, commit, cancellation) is { } id ? report with { RunningReleaseId = id } : report;
    }
}
