namespace Muster.Server.Resources.Writes.Rules;

/// <summary>Tags of fleets, devices and releases.</summary>
internal sealed class TagRule : ResourceRule
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
}
