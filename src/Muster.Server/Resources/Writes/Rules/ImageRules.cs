using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Muster.Server.Resources.Writes.Rules;

/// <summary>Services: their names stand in compositions and in what devices report.</summary>
internal sealed partial class ServiceRule : ResourceRule
{
    public override Task CreatingAsync(Write write, RowValues row) => CheckAsync(row);

    public override Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids) => CheckAsync(row);

    public override async Task ChangedAsync(Write write, RowValues row, IReadOnlyList<long> ids) => await TellAsync(write, ids);

    public override async Task RemovingAsync(Write write, IReadOnlyList<long> ids) => await TellAsync(write, ids);

    private static async Task TellAsync(Write write, IReadOnlyList<long> ids)
    {
        write.After.Cause = "service";
        write.After.Fleets.UnionWith(await write.RowsOfAsync(ids, "SELECT DISTINCT fleet_id FROM service WHERE id IN ({ids})", r => r.GetInt64(0)));
    }

    private static Task CheckAsync(RowValues row) => row.Text("service_name") is { } name && !Name().IsMatch(name)
        ? throw RefusedException.Invalid("Service names can only contain alphanumeric characters, dots, dashes and underscores.")
        : Task.CompletedTask;

    [GeneratedRegex(@"\A[a-zA-Z0-9._-]+\z")]
    private static partial Regex Name();
}

/// <summary>Images: each gets a place of its own in the registry, which devices name in their reports.</summary>
/// <param name="registry">Host of the registry.</param>
internal sealed class ImageRule(string registry) : ResourceRule
{
    private static readonly string[] Statuses = ["running", "success", "failed", "error", "cancelled", "interrupted", "timeout"];

    public override Task CreatingAsync(Write write, RowValues row)
    {
        CheckStatus(row);
        row["location"] = $"{registry}/v2/{RandomNumberGenerator.GetHexString(32, lowercase: true)}";
        return Task.CompletedTask;
    }

    public override Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        CheckStatus(row);
        return Task.CompletedTask;
    }

    // Only what a target state shows of an image matters to devices, and only once its release can be a target.
    public override async Task ChangedAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        if (row.Has("content_hash") || row.Has("contract") || row.Has("status"))
            await TellAsync(write, ids);
    }

    public override Task RemovingAsync(Write write, IReadOnlyList<long> ids) => TellAsync(write, ids);

    private static async Task TellAsync(Write write, IReadOnlyList<long> ids)
    {
        write.After.Cause = "release";
        write.After.Fleets.UnionWith(await write.RowsOfAsync(ids,
            "SELECT DISTINCT r.fleet_id FROM release_image ri JOIN release r ON r.id = ri.release_id WHERE r.status = 'success' AND ri.image_id IN ({ids})", r => r.GetInt64(0)));
    }

    private static void CheckStatus(RowValues row)
    {
        if (row.Text("status") is { } status && !Statuses.Contains(status))
            throw RefusedException.Invalid("Check constraint violated");
    }
}

/// <summary>Which images a release consists of.</summary>
internal sealed class ReleaseImageRule : ResourceRule
{
    public override async Task CreatingAsync(Write write, RowValues row)
    {
        var sameFleet = await write.NumberAsync(
            "SELECT 1 FROM image i JOIN service s ON s.id = i.service_id JOIN release r ON r.fleet_id = s.fleet_id WHERE i.id = @p0 AND r.id = @p1", row["image_id"], row["release_id"]);
        if (sameFleet is null && await write.NumberAsync("SELECT 1 FROM image WHERE id = @p0", row["image_id"]) is not null && await write.NumberAsync("SELECT 1 FROM release WHERE id = @p0", row["release_id"]) is not null)
            throw RefusedException.Invalid("It is necessary that each image that is part of a release, is a build of a service that belongs to the application that the release belongs to.");
    }

    public override Task CreatedAsync(Write write, RowValues row, long id) => TellAsync(write, [id]);

    public override Task RemovingAsync(Write write, IReadOnlyList<long> ids) => TellAsync(write, ids);

    private static async Task TellAsync(Write write, IReadOnlyList<long> ids)
    {
        write.After.Cause = "release";
        write.After.Fleets.UnionWith(await write.RowsOfAsync(ids,
            "SELECT DISTINCT r.fleet_id FROM release_image ri JOIN release r ON r.id = ri.release_id WHERE r.status = 'success' AND ri.id IN ({ids})", r => r.GetInt64(0)));
    }
}

/// <summary>Files that belong to a release, sent as multipart bodies.</summary>
internal sealed class ReleaseAssetRule : ResourceRule
{
    public override Task CreatingAsync(Write write, RowValues row) => TakeFileAsync(write, row);

    public override Task ChangingAsync(Write write, RowValues row, IReadOnlyList<long> ids) => TakeFileAsync(write, row);

    private static Task TakeFileAsync(Write write, RowValues row)
    {
        if (write.Body.Files.TryGetValue("asset", out var file))
        {
            (row["filename"], row["content_type"]) = (file.Name, file.ContentType);
            (row["size"], row["content"]) = ((long)file.Content.Length, file.Content);
        }

        return Task.CompletedTask;
    }
}
