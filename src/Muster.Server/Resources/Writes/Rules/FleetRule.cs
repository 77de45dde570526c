using System.Text.RegularExpressions;
using Muster.Server.Resources.Accounts;
using Muster.Server.Resources.Catalog;

namespace Muster.Server.Resources.Writes.Rules;

/// <summary>Fleets (wire: <c>application</c>).</summary>
internal sealed partial class FleetRule : ResourceRule
{
    private const string WrongTarget = "It is necessary that each release that should be running on an application, has a status that is equal to \"success\" and belongs to the application.";

    public override async Task CreatingAsync(Write write, RowValues row)
    {
        if (row.Flag("is_host") == true && row.Flag("is_public") == true)
            CheckHostForAll(write);
        await NameAsync(write, row, row.Number("organization_id")!.Value);
        if (row.Text("class") is not ("fleet" or "app" or "block"))
            throw RefusedException.Invalid("Check constraint violated");
        row.Default("uuid", Guid.NewGuid().ToString("N"));
        if (!Uuid().IsMatch(row.Text("uuid")!))
            throw RefusedException.Invalid("Application UUID must be a 32 character long lower case hex string.");
        if (!row.Has("fleet_type_id"))
            row["fleet_type_id"] = await write.NumberAsync("SELECT id FROM fleet_type WHERE slug = @p0", FleetTypes.Default);
        if (row.Number("target_release_id") is not null)
            throw RefusedException.Invalid(WrongTarget);
        row["actor_id"] = await People.AddActorAsync(write.Scope, "fleet");
    }

    public override async Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        if (row.Flag("is_public") == true && (await write.RowsOfAsync(ids, "SELECT id FROM fleet WHERE is_host = 1 AND id IN ({ids})", r => r.GetInt64(0))).Count > 0)
            CheckHostForAll(write);
        if (row.Has("name"))
        {
            if (ids is not [var id])
                throw RefusedException.Invalid("Fleets are renamed one at a time.");
            await NameAsync(write, row, (await write.NumberAsync("SELECT organization_id FROM fleet WHERE id = @p0", id))!.Value);
        }

        if (row.Number("target_release_id") is { } release
            && await write.NumberAsync("SELECT fleet_id FROM release WHERE id = @p0 AND status = 'success'", release) is var owner && ids.Any(id => id != owner))
            throw RefusedException.Invalid(WrongTarget);
        if (row.Number("device_type_id") is { } type)
        {
            var others = await write.RowsOfAsync(ids, $"SELECT f.id FROM fleet f JOIN device_type t ON t.id = f.device_type_id WHERE f.id IN ({{ids}}) AND t.cpu_architecture_id <> (SELECT cpu_architecture_id FROM device_type WHERE id = {type})", r => r.GetInt64(0));
            if (others.Count > 0)
                throw RefusedException.Invalid("The device type of a fleet can only be changed to one of the same architecture.");
        }
    }

    public override async Task ChangedAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        write.After.Cause = "fleet";
        // Whoever turns tracking on gets the latest, whichever release the client believed to be that.
        if (row.Flag("track_latest") == true)
        {
            foreach (var id in ids)
                await TargetRelease.FollowAsync(write, id);
        }

        if (row.Has("name") || row.Has("target_release_id") || row.Has("track_latest") || row.Has("fleet_type_id") || row.Has("device_type_id"))
            write.After.Fleets.UnionWith(ids);
        if (row.Has("fleet_type_id"))
            write.After.Organizations.UnionWith(await write.RowsOfAsync(ids, "SELECT organization_id FROM fleet WHERE id IN ({ids})", r => r.GetInt64(0)));
    }

    public override async Task RemovingAsync(Write write, IReadOnlyList<long> ids)
    {
        write.After.Cause = "fleet-removed";
        write.After.Callers = true;
        write.After.Fleets.UnionWith(ids);
        write.After.Organizations.UnionWith(await write.RowsOfAsync(ids, "SELECT organization_id FROM fleet WHERE id IN ({ids})", r => r.GetInt64(0)));
        write.After.Removed.AddRange(await write.RowsOfAsync(ids, "SELECT id, uuid FROM device WHERE fleet_id IN ({ids})", r => (r.GetInt64(0), r.GetString(1))));
    }

    public override void NothingToRemove() => throw new RefusedException(StatusCodes.Status404NotFound, "Application(s) not found.");

    // What a public host fleet releases may run beneath everybody's devices.
    private static void CheckHostForAll(Write write)
    {
        if (!write.Caller.IsServerAdmin)
            throw RefusedException.NotPermitted();
    }

    private static async Task NameAsync(Write write, RowValues row, long organization)
    {
        var name = row.Text("name")!;
        if (!Name().IsMatch(name))
            throw RefusedException.Invalid("App name may only contain [a-zA-Z0-9_-].");
        row["slug"] = $"{await write.TextAsync("SELECT handle FROM organization WHERE id = @p0", organization)}/{name.ToLowerInvariant()}";
    }

    [GeneratedRegex(@"\A[a-zA-Z0-9_-]+\z")]
    private static partial Regex Name();

    [GeneratedRegex(@"\A[0-9a-f]{32}\z")]
    private static partial Regex Uuid();
}
