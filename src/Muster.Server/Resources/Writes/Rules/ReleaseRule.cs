using Muster.Core.Access;

namespace Muster.Server.Resources.Writes.Rules;

/// <summary>Releases: versions and revisions, and the fleet's target that follows them.</summary>
internal sealed class ReleaseRule : ResourceRule
{
    private static readonly string[] Statuses = ["running", "success", "failed", "error", "cancelled", "interrupted", "timeout", "local"];
    private static readonly string[] Sources = ["cloud", "local"];
    private static readonly string[] Phases = ["next", "current", "sunset", "end-of-life"];

    public override async Task CreatingAsync(Write write, RowValues row)
    {
        CheckWords(row);
        // The author is the caller. Clients name one in the body too, which is ignored.
        row["created_by_account_id"] = write.Caller.Kind == CallerKind.User ? write.Caller.SubjectId : null;
        row["update_timestamp"] = write.Now;
        row.Default("is_final", 1L);
        row.Default("variant", "");
        var version = row.Take("semver") is string text ? SemanticVersion.Parse(text) : SemanticVersion.Zero;
        Put(row, version);
        if (row.Flag("is_final") == true)
        {
            var fleet = row.Number("fleet_id")!.Value;
            await TargetRelease.LockAsync(write, fleet);
            var revision = await NextRevisionAsync(write, fleet, version, row.Text("variant")!);
            version.CheckRevision(revision);
            (row["revision"], row["is_finalized_at"]) = (revision, write.Now);
        }
    }

    public override Task CreatedAsync(Write write, RowValues row, long id) => FollowAsync(write, [row.Number("fleet_id")!.Value]);

    public override async Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        CheckWords(row);
        row["update_timestamp"] = write.Now;
        var version = row.Take("semver") is string text ? SemanticVersion.Parse(text) : null;
        var final = row.Take("is_final") is long flag ? flag != 0 : (bool?)null;
        var variant = row.Text("variant");
        if (version is not null)
            Put(row, version);
        if (version is null && final is null && variant is null)
            return;

        var releases = await write.RowsOfAsync(ids,
            "SELECT id, fleet_id, is_final, variant, semver_major, semver_minor, semver_patch, semver_prerelease, semver_build FROM release WHERE id IN ({ids}) ORDER BY fleet_id, is_finalized_at, id",
            r => (Id: r.GetInt64(0), Fleet: r.GetInt64(1), IsFinal: r.GetInt32(2) != 0, Variant: r.GetString(3), Version: new SemanticVersion(r.GetInt32(4), r.GetInt32(5), r.GetInt32(6), r.GetString(7), r.GetString(8))));
        if (final == false && releases.Any(r => r.IsFinal))
            throw RefusedException.Invalid("Finalized releases cannot be converted to draft.");
        foreach (var fleet in releases.Select(r => r.Fleet).Distinct())
            await TargetRelease.LockAsync(write, fleet);
        foreach (var release in releases)
        {
            var (newVersion, newVariant) = (version ?? release.Version, variant ?? release.Variant);
            var becomesFinal = final == true && !release.IsFinal;
            var moves = release.IsFinal && (newVersion with { Build = "" } != release.Version with { Build = "" } || newVariant != release.Variant);
            if (!becomesFinal && !moves)
                continue;
            var revision = await NextRevisionAsync(write, release.Fleet, newVersion, newVariant);
            newVersion.CheckRevision(revision);
            await write.DoAsync(
                """
                UPDATE release SET is_final = 1, revision = @p1, is_finalized_at = coalesce(is_finalized_at, @p2), variant = @p3,
                    semver_major = @p4, semver_minor = @p5, semver_patch = @p6, semver_prerelease = @p7 WHERE id = @p0
                """, release.Id, revision, write.Now, newVariant, newVersion.Major, newVersion.Minor, newVersion.Patch, newVersion.Prerelease);
        }
    }

    public override async Task ChangedAsync(Write write, RowValues row, IReadOnlyList<long> ids) =>
        await FollowAsync(write, await write.RowsOfAsync(ids, "SELECT DISTINCT fleet_id FROM release WHERE id IN ({ids})", r => r.GetInt64(0)));

    public override async Task RemovingAsync(Write write, IReadOnlyList<long> ids)
    {
        var version = write.Model.Resource("release")!.Field("raw_version")!.Of("r");
        var targets = await write.RowsOfAsync(ids, $"SELECT {version} FROM release r JOIN fleet f ON f.target_release_id = r.id WHERE r.id IN ({{ids}})", r => r.GetString(0));
        if (targets is [var target, ..])
            throw RefusedException.Invalid($"Unable to delete release {target} because it is the fleet's target release.");
        var pinned = await write.RowsOfAsync(ids, $"SELECT {version}, count(*) FROM release r JOIN device d ON d.pinned_release_id = r.id WHERE r.id IN ({{ids}}) GROUP BY r.id", r => (Version: r.GetString(0), Devices: r.GetInt64(1)));
        if (pinned is [var first, ..])
            throw RefusedException.Invalid($"Unable to delete release {first.Version} because {first.Devices} device(s) are pinned to it.");
        // Devices that still run it lose their running release, those on the way to it their update status: they are read anew.
        write.After.Cause = "release-removed";
        write.After.Releases.UnionWith(await write.RowsOfAsync(ids, "SELECT DISTINCT fleet_id FROM release WHERE id IN ({ids})", r => r.GetInt64(0)));
        write.After.Devices.UnionWith(await write.RowsOfAsync(ids,
            """
            SELECT id FROM device WHERE running_release_id IN ({ids}) UNION SELECT device_id FROM image_install WHERE release_id IN ({ids})
            UNION SELECT id FROM device WHERE update_status <> 'done' AND fleet_id IN (SELECT fleet_id FROM release WHERE id IN ({ids}))
            """, r => r.GetInt64(0)));
    }

    private static async Task FollowAsync(Write write, IEnumerable<long> fleets)
    {
        write.After.Cause = "release";
        foreach (var fleet in fleets)
        {
            write.After.Releases.Add(fleet);
            await TargetRelease.FollowAsync(write, fleet);
        }
    }

    private static async Task<long> NextRevisionAsync(Write write, long fleet, SemanticVersion version, string variant) =>
        await write.NumberAsync(
            """
            SELECT max(revision) + 1 FROM release WHERE fleet_id = @p0 AND semver_major = @p1 AND semver_minor = @p2 AND semver_patch = @p3
                AND semver_prerelease = @p4 AND variant = @p5 AND revision IS NOT NULL
            """, fleet, version.Major, version.Minor, version.Patch, version.Prerelease, variant) ?? 0;

    private static void Put(RowValues row, SemanticVersion version)
    {
        (row["semver_major"], row["semver_minor"], row["semver_patch"]) = ((long)version.Major, (long)version.Minor, (long)version.Patch);
        (row["semver_prerelease"], row["semver_build"]) = (version.Prerelease, version.Build);
    }

    private static void CheckWords(RowValues row)
    {
        if ((row.Text("status") is { } status && !Statuses.Contains(status)) || (row.Text("source") is { } source && !Sources.Contains(source)) || (row.Text("phase") is { } phase && !Phases.Contains(phase)))
            throw RefusedException.Invalid("Check constraint violated");
    }
}
