using Muster.Server.Presence;
using Muster.Storage;

namespace Muster.Server.Devices.Reports;

/// <summary>What a report of the old form (v2) sets on the device's row besides its state: its name, its note, its pin.</summary>
internal sealed class OwnRow(Database database, FleetPresence presence, TimeProvider time)
{
    /// <summary>False when the release to be pinned is not one of the device's fleet; nothing is written then.</summary>
    public async Task<bool> WriteAsync(ParsedReport report, DeviceSlot slot, CancellationToken cancellation)
    {
        if (!report.Name.IsPresent && !report.Note.IsPresent && !report.PinnedReleaseId.IsPresent)
            return true;
        var id = presence.DeviceId(slot);
        var isWritten = await database.WriteAsync(
            async write =>
            {
                await using var command = write.Command(
                    """
                    UPDATE device SET
                        name = CASE WHEN @p1 = 1 THEN CAST(@p2 AS TEXT) ELSE name END,
                        note = CASE WHEN @p3 = 1 THEN CAST(@p4 AS TEXT) ELSE note END,
                        pinned_release_id = CASE WHEN @p5 = 1 THEN CAST(@p6 AS BIGINT) ELSE pinned_release_id END,
                        modified_at = @p7
                    WHERE id = @p0 AND (CAST(@p6 AS BIGINT) IS NULL OR EXISTS (SELECT 1 FROM release r WHERE r.id = CAST(@p6 AS BIGINT) AND r.fleet_id = device.fleet_id))
                    """,
                    id, report.Name.IsPresent, report.Name.Value, report.Note.IsPresent, report.Note.Value, report.PinnedReleaseId.IsPresent, report.PinnedReleaseId.Value,
                    time.GetUtcNow().ToUnixTimeMilliseconds());
                return await command.ExecuteNonQueryAsync(cancellation) == 1;
            },
            cancellation);
        if (isWritten)
            await presence.ChangedAsync(new(report.PinnedReleaseId.IsPresent ? "pin" : "device") { Devices = [id] });
        return isWritten;
    }
}
