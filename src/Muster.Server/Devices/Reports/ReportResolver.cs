using System.Collections.Immutable;
using Muster.Core.Status;
using Muster.Server.Devices.Targets;
using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Devices.Reports;

/// <summary>
/// Turns the names of releases and images in a report into our ids. What was found is kept (bounded) until a change of its
/// fleet is told; what was not found is looked for anew. What the device cannot run (a release that was deleted, an app of
/// the fleet that it has left) is passed over: the rest of the report is as true without it.
/// </summary>
internal sealed class ReportResolver(Database database, FleetPresence presence, FleetRows fleets)
{
    /// <summary>More builds of one commit than anybody makes; older ones are not looked at.</summary>
    private const int MaxBuilds = 16;

    /// <param name="Builds">The successful builds of the commit, the newest first; without any, the newest alone.</param>
    /// <param name="IsShared">A public app (a supervisor's or a host's), whose releases any device may run.</param>
    private sealed record FoundRelease(ImmutableArray<long> Builds, long FleetId, bool IsShared, int Ticket);

    private sealed record FoundImage(long Id, long FleetId, string? Digest, int Ticket);

    private readonly BoundedCache<(string App, string Commit), FoundRelease> releases = new(20_000);
    private readonly BoundedCache<string, FoundImage> images = new(50_000);

    /// <param name="address">Where the report came from; null when that says nothing of the device.</param>
    /// <param name="isFresh">Nothing that was kept counts: it has just proved to be stale.</param>
    public async ValueTask<ResolvedReport> ResolveAsync(ParsedReport parsed, DeviceSlot slot, string? address, bool isFresh, CancellationToken cancellation)
    {
        var resolved = new ResolvedReport { Report = parsed.Fields };
        var device = new Reporter(presence.DeviceId(slot), presence.FleetId(slot), presence.TargetReleaseId(slot), isFresh);
        if (parsed.Apps is { } apps)
        {
            foreach (var app in apps)
                await OfAppAsync(app, device, resolved, cancellation);
        }

        if (parsed.Images is { } ids)
            await OfIdsAsync(ids, device.FleetId, resolved, cancellation);

        if (parsed.RunningCommit is { IsPresent: true, Value: var commit })
            await OfRunningCommitAsync(resolved, commit, device, cancellation);
        resolved.Complete(device.FleetId, hasApps: parsed.Apps is not null || parsed.Images is not null, address);
        return resolved;
    }

    private async ValueTask OfAppAsync(ReportedApp app, Reporter device, ResolvedReport resolved, CancellationToken cancellation)
    {
        foreach (var reported in app.Releases)
        {
            if (await ReleaseAsync(app.Uuid, reported.Commit, device, cancellation) is not { } release)
            {
                resolved.PassOver($"release {reported.Commit} of app {app.Uuid}");
                continue;
            }

            var id = await BuildAsync(release, reported.Services, device, cancellation);
            if (release.FleetId == device.FleetId)
            {
                resolved.Updates.Add(new(id, reported.UpdateStatus));
                if (reported is { UpdateStatus: UpdateStatus.Rejected, Services.Count: 0 })
                    resolved.Silent.Add(id);
                if (reported.Commit == app.RunningCommit)
                    resolved.Running = id;
            }

            if (reported.Services.Count == 0)
                resolved.KnowsSome = true;
            foreach (var service in reported.Services)
            {
                if (await ImageAsync(service.Image, release.FleetId, device.IsFresh, cancellation) is { } image)
                    resolved.Add(new(image.Id, id, service.Status, service.Progress));
                else
                    resolved.PassOver($"image {service.Image}");
            }
        }

        if (app.RunningCommit is { } running && !app.Releases.Any(r => r.Commit == running))
            await OfRunningReleaseAsync(app.Uuid, running, device, resolved, cancellation);
    }

    private async ValueTask OfRunningReleaseAsync(string app, string running, Reporter device, ResolvedReport resolved, CancellationToken cancellation)
    {
        if (await ReleaseAsync(app, running, device, cancellation) is not { } release)
        {
            resolved.PassOver($"release {running} of app {app}");
            return;
        }

        resolved.KnowsSome = true;
        if (release.FleetId == device.FleetId)
            resolved.Running = await BuildAsync(release, [], device, cancellation);
    }

    /// <summary>Null when there is no such release that the device can run.</summary>
    private async ValueTask<FoundRelease?> ReleaseAsync(string appUuid, string commit, Reporter device, CancellationToken cancellation)
    {
        if (device.IsFresh || !releases.TryGet((appUuid, commit), out var found) || found.Ticket != presence.FleetTicket(found.FleetId))
        {
            var ticket = presence.FleetTicket(device.FleetId);
            if (await FindReleaseAsync(appUuid, commit, ticket, cancellation) is not { } read)
                return null;
            found = read;
            // The ticket is the own fleet's; another's is not known before its row is.
            if (found.FleetId == device.FleetId)
                releases.Set((appUuid, commit), found);
        }

        return found.FleetId == device.FleetId || found.IsShared || await IsSupervisorOrHostAsync(device.Id, found.FleetId, cancellation) ? found : null;
    }

    private async Task<FoundRelease?> FindReleaseAsync(string appUuid, string commit, int ticket, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        await using var command = connection.Statement(
            $"""
            SELECT r.id, f.id, f.is_public, CASE WHEN r.status = 'success' THEN 0 ELSE 1 END AS failed FROM release r JOIN fleet f ON f.id = r.fleet_id
            WHERE f.uuid = @p0 AND r."commit" = @p1 ORDER BY failed, r.id DESC LIMIT {MaxBuilds}
            """, appUuid, commit);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var builds = ImmutableArray.CreateBuilder<long>();
        var (fleet, isShared) = (0L, false);
        while (await reader.ReadAsync(cancellation))
        {
            // Only a build that succeeded runs anywhere; without any, the newest stands for the commit.
            if (builds.Count > 0 && reader.GetInt64(3) != 0)
                break;
            builds.Add(reader.GetInt64(0));
            (fleet, isShared) = (reader.GetInt64(1), reader.GetInt64(2) != 0);
        }

        return builds.Count == 0 ? null : new(builds.DrainToImmutable(), fleet, isShared, ticket);
    }

    /// <summary>Which of several successful builds of one commit the device has: the one that its images are of, else the one that it should run, else the newest.</summary>
    private async ValueTask<long> BuildAsync(FoundRelease found, IReadOnlyList<ReportedService> services, Reporter device, CancellationToken cancellation)
    {
        if (found.Builds.Length == 1)
            return found.Builds[0];
        var counts = new Dictionary<long, int>();
        await using (var connection = await database.OpenReadAsync(cancellation))
        {
            foreach (var service in services)
            {
                await using var command = connection.Statement(
                    $"SELECT ri.release_id FROM release_image ri JOIN image i ON i.id = ri.image_id WHERE i.location = @p0 AND ri.release_id IN ({string.Join(',', found.Builds)})", Location(service.Image).Location);
                await using var reader = await command.ExecuteReaderAsync(cancellation);
                while (await reader.ReadAsync(cancellation))
                    counts[reader.GetInt64(0)] = counts.GetValueOrDefault(reader.GetInt64(0)) + 1;
            }
        }

        return found.Builds.OrderByDescending(b => counts.GetValueOrDefault(b)).ThenByDescending(b => b == device.TargetReleaseId).ThenByDescending(b => b).First();
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
    private async ValueTask<FoundImage?> ImageAsync(string reference, long appId, bool isFresh, CancellationToken cancellation)
    {
        var (location, digest) = Location(reference);
        if (isFresh || !images.TryGet(location, out var found) || found.Ticket != presence.FleetTicket(found.FleetId))
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

    private static (string Location, string? Digest) Location(string reference) =>
        reference.IndexOf('@', StringComparison.Ordinal) is >= 0 and var at ? (reference[..at], reference[(at + 1)..]) : (reference, null);

    private async Task OfIdsAsync(List<ReportedImage> reported, long fleetId, ResolvedReport resolved, CancellationToken cancellation)
    {
        await using var connection = await database.OpenReadAsync(cancellation);
        foreach (var image in reported)
        {
            await using var command = connection.Statement(
                "SELECT 1 FROM image i JOIN service s ON s.id = i.service_id JOIN release r ON r.fleet_id = s.fleet_id WHERE i.id = @p0 AND r.id = @p1 AND s.fleet_id = @p2",
                image.ImageId, image.ReleaseId, fleetId);
            if (await command.ExecuteScalarAsync(cancellation) is null)
                resolved.PassOver(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"image {image.ImageId} of release {image.ReleaseId}"));
            else
                resolved.Add(new(image.ImageId, image.ReleaseId, image.Status, image.Progress));
        }
    }

    // An unknown commit is passed over (recordings, state-patch-v2, "unknown commit is ignored").
    private async Task OfRunningCommitAsync(ResolvedReport resolved, string? commit, Reporter device, CancellationToken cancellation)
    {
        if (string.IsNullOrEmpty(commit))
            resolved.Running = (long?)null;
        else if (await fleets.ReleaseIdAsync(device.FleetId, commit, device.TargetReleaseId, cancellation) is { } id)
            resolved.Running = id;
    }

    /// <summary>The device that reports.</summary>
    private readonly record struct Reporter(long Id, long FleetId, long? TargetReleaseId, bool IsFresh);
}
