using System.Collections.Immutable;
using Muster.Core.Status;

namespace Muster.Server.Devices.Reports;

/// <summary>A report with our ids in the place of names, and the names for which there are none.</summary>
internal sealed class ResolvedReport
{
    /// <summary>So many names are told to the device; the rest is counted.</summary>
    private const int NamesTold = 5;
    private const int LongestName = 200;

    private readonly ImmutableArray<ServiceInstall>.Builder installs = ImmutableArray.CreateBuilder<ServiceInstall>();
    private readonly List<string> passedOver = [];
    private int passedOverCount;

    public required StateReport Report { get; set; }

    /// <summary>The own fleet's releases that are named, with their update statuses.</summary>
    public ImmutableArray<ReleaseUpdate>.Builder Updates { get; } = ImmutableArray.CreateBuilder<ReleaseUpdate>();

    /// <summary>Rejected releases that say nothing of their services.</summary>
    public ImmutableArray<long>.Builder Silent { get; } = ImmutableArray.CreateBuilder<long>();

    /// <summary>The release that the device says it runs, if it says so.</summary>
    public Reported<long?> Running { get; set; }

    /// <summary>Whether any release or image of those named is known.</summary>
    public bool KnowsSome { get; set; }

    /// <summary>Whether something was named that the device cannot run.</summary>
    public bool PassesOver => passedOverCount > 0;

    /// <summary>What was passed over, for the answer; null when nothing was. It repeats the device's own words and tells of no row.</summary>
    public string? Note => passedOverCount == 0
        ? null
        : $"Taken, but for what is not of the device's fleet: {string.Join(", ", passedOver)}{(passedOverCount > passedOver.Count ? $" and {passedOverCount - passedOver.Count} more" : "")}.";

    public void Add(ServiceInstall install)
    {
        installs.Add(install);
        KnowsSome = true;
    }

    public void PassOver(string name)
    {
        passedOverCount++;
        if (passedOver.Count < NamesTold)
            passedOver.Add(name.Length <= LongestName ? name : FieldLimits.Cut(name, LongestName));
    }

    /// <summary>Puts what was gathered into the report. A report is large; this is its one copy.</summary>
    /// <param name="fleet">The device's fleet, of which the releases are.</param>
    /// <param name="hasApps">Whether the device speaks of apps: what was gathered of them is then all that it says.</param>
    /// <param name="address">Where the report came from; null when that says nothing of the device.</param>
    public void Complete(long fleet, bool hasApps, string? address)
    {
        var from = address is null ? default : (Reported<string?>)address;
        if (!hasApps)
        {
            Report = Report with { OfFleet = fleet, RunningReleaseId = Running, PublicAddress = from };
            return;
        }

        var updates = Updates.DrainToImmutable();
        Report = Report with
        {
            OfFleet = fleet,
            RunningReleaseId = Running,
            PublicAddress = from,
            Installs = installs.DrainToImmutable(),
            ReleaseUpdates = updates,
            UpdateStatus = ReleaseUpdate.Lowest(updates) is not UpdateStatus.None and var lowest ? lowest : default(Reported<UpdateStatus>),
            SilentReleases = Silent.DrainToImmutable(),
        };
    }
}
