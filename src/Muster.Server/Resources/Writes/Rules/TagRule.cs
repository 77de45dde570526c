namespace Muster.Server.Resources.Writes.Rules;

/// <summary>Tags of fleets, devices and releases.</summary>
internal class TagRule : ResourceRule
{
    private static readonly string[] Reserved = ["io.balena.", "io.resin."];

    public override Task CreatingAsync(Write write, RowValues row)
    {
        var key = row.Text("tag_key")!;
        if (key.Any(char.IsWhiteSpace))
            throw RefusedException.Invalid("Tag keys cannot contain whitespace.");
        if (Reserved.FirstOrDefault(r => key.StartsWith(r, StringComparison.Ordinal)) is { } reserved)
            throw RefusedException.Invalid($"Tag keys beginning with {reserved} are reserved.");
        return Task.CompletedTask;
    }

    public override Task CreatedAsync(Write write, RowValues row, long id) => BoundAsync(write, [id]);

    public override Task ChangedAsync(Write write, RowValues row, IReadOnlyList<long> ids) => BoundAsync(write, ids);
}

/// <summary>Tags of devices: who looks at one sees them change.</summary>
internal sealed class DeviceTagRule : TagRule
{
    public override async Task CreatedAsync(Write write, RowValues row, long id)
    {
        await base.CreatedAsync(write, row, id);
        await EditedAsync(write, [id]);
    }

    public override async Task ChangedAsync(Write write, RowValues row, IReadOnlyList<long> ids)
    {
        await base.ChangedAsync(write, row, ids);
        await EditedAsync(write, ids);
    }

    public override Task RemovingAsync(Write write, IReadOnlyList<long> ids) => EditedAsync(write, ids);

    private static async Task EditedAsync(Write write, IReadOnlyList<long> ids) =>
        write.After.Edited.UnionWith(await write.RowsOfAsync(ids, "SELECT DISTINCT device_id FROM device_tag WHERE id IN ({ids})", r => r.GetInt64(0)));
}
