namespace Muster.Server.Resources.Writes.Rules;

/// <summary>The release that a fleet runs when it tracks the latest.</summary>
internal static class TargetRelease
{
    /// <summary>
    /// Sets the fleet's target to its latest release, if it tracks it: the one started last of those that are final,
    /// successful, pass their tests and are not invalidated. With none the target stays as it is.
    /// </summary>
    public static async Task FollowAsync(Write write, long fleet)
    {
        if (await write.NumberAsync("SELECT track_latest FROM fleet WHERE id = @p0", fleet) is not 1)
            return;
        var latest = await write.NumberAsync(
            """
            SELECT id FROM release WHERE fleet_id = @p0 AND status = 'success' AND is_final = 1 AND is_passing_tests = 1 AND is_invalidated = 0
            ORDER BY start_timestamp DESC, id DESC LIMIT 1
            """, fleet);
        if (latest is null)
            return;
        var moved = await write.DoAsync(
            "UPDATE fleet SET target_release_id = @p1, modified_at = @p2 WHERE id = @p0 AND (target_release_id IS NULL OR target_release_id <> @p1)", fleet, latest, write.Now);
        if (moved > 0)
            write.After.Fleets.Add(fleet);
    }

    /// <summary>Keeps others from changing the fleet's releases until this write is done: the row's lock, on both databases.</summary>
    public static Task LockAsync(Write write, long fleet) => write.DoAsync("UPDATE fleet SET modified_at = modified_at WHERE id = @p0", fleet);
}
