using System.Collections.Immutable;
using System.Globalization;

namespace Muster.Core.Status;

/// <summary>The update status that a device told of one release of its own fleet.</summary>
public readonly record struct ReleaseUpdate(long ReleaseId, UpdateStatus Status)
{
    private const char Between = ',';
    private const char Within = ':';

    /// <summary>The device's own status: the lowest over its releases.</summary>
    public static UpdateStatus Lowest(ImmutableArray<ReleaseUpdate> updates)
    {
        var lowest = UpdateStatus.None;
        foreach (var update in updates)
            lowest = UpdateStatusRule.Lower(lowest, update.Status);
        return lowest;
    }

    /// <summary>Whether both tell the same; an unknown list is the same as another unknown one only.</summary>
    public static bool Same(ImmutableArray<ReleaseUpdate> one, ImmutableArray<ReleaseUpdate> other) =>
        one.IsDefault || other.IsDefault ? one.IsDefault == other.IsDefault : one.AsSpan().SequenceEqual(other.AsSpan());

    /// <summary>As it stands on record; null for a list that is not known.</summary>
    public static string? Text(ImmutableArray<ReleaseUpdate> updates) => updates.IsDefault
        ? null
        : string.Join(Between, updates.Select(u => string.Create(CultureInfo.InvariantCulture, $"{u.ReleaseId}{Within}{u.Status.Word()}")));

    /// <summary>The reverse of <see cref="Text"/>; what is not readable is passed over.</summary>
    public static ImmutableArray<ReleaseUpdate> Parse(string? text)
    {
        if (text is null)
            return default;
        var updates = ImmutableArray.CreateBuilder<ReleaseUpdate>();
        foreach (var part in text.Split(Between, StringSplitOptions.RemoveEmptyEntries))
        {
            if (part.Split(Within) is [var id, var word] && long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var release)
                && StatusWords.Update(word) is { } status)
                updates.Add(new(release, status));
        }

        return updates.DrainToImmutable();
    }
}
