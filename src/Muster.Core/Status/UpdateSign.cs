namespace Muster.Core.Status;

/// <summary>What a line of a device's own log says of its update.</summary>
public enum UpdateSignKind : byte
{
    /// <summary>An image was downloaded, or a lock was released: what was wrong before is over.</summary>
    GoesOn,
    DownloadFails,
    Locked,
    Rejected,
    /// <summary>The target state as a whole was refused; the supervisor reports nothing of it.</summary>
    TargetRefused,
    ServiceFails,
}

/// <summary>A line of a device's log that tells how its update goes. A supervisor reports none of this in another way (docs/device-protocol.md, "State reports").</summary>
/// <param name="At">When the line came, Unix ms.</param>
public sealed record UpdateSign(UpdateSignKind Kind, string Line, long At)
{
    private const int LongestLine = 300;

    private static readonly (string Words, UpdateSignKind Kind)[] Known =
    [
        ("Failed to download image", UpdateSignKind.DownloadFails),
        ("Failed to download", UpdateSignKind.DownloadFails),
        ("Updates are locked", UpdateSignKind.Locked),
        ("unmet requirements", UpdateSignKind.Rejected),
        ("Could not move to new release", UpdateSignKind.TargetRefused),
        ("Failed to install service", UpdateSignKind.ServiceFails),
        ("Failed to start service", UpdateSignKind.ServiceFails),
        ("Failed to kill service", UpdateSignKind.ServiceFails),
        ("Failed to create", UpdateSignKind.ServiceFails),
        ("Downloaded image", UpdateSignKind.GoesOn),
        ("Installed service", UpdateSignKind.GoesOn),
        ("Started service", UpdateSignKind.GoesOn),
    ];

    /// <summary>Null when the line tells nothing of an update.</summary>
    public static UpdateSign? Of(string line, long at)
    {
        foreach (var (words, kind) in Known)
        {
            if (line.Contains(words, StringComparison.OrdinalIgnoreCase))
                return new(kind, Cut(line.Trim()), at);
        }

        return null;
    }

    private static string Cut(string line)
    {
        if (line.Length <= LongestLine)
            return line;
        var end = char.IsHighSurrogate(line[LongestLine - 1]) ? LongestLine - 1 : LongestLine;
        return line[..end] + "…";
    }
}
