using System.Collections.Immutable;

namespace Muster.Server.Resources.Catalog;

/// <summary>A fleet type (wire: <c>application_type</c>).</summary>
/// <param name="NeedsPaidPlan">Devices of such a fleet are frozen while their organization is on the free plan (docs/device-statuses.md).</param>
internal sealed record FleetType(string Slug, string Name, string Description, bool NeedsPaidPlan, bool Multicontainer, bool IsLegacy);

internal static class FleetTypes
{
    /// <summary>The type of a fleet that names none.</summary>
    public const string Default = "microservices-starter";

    public static readonly ImmutableArray<FleetType> All =
    [
        new(Default, "Starter", "Several containers; open to every plan.", NeedsPaidPlan: false, Multicontainer: true, IsLegacy: false),
        new("microservices", "Microservices", "Several containers; needs a paid plan.", NeedsPaidPlan: true, Multicontainer: true, IsLegacy: false),
        new("essentials", "Essentials", "Several containers, without the dearer features; needs a paid plan.", NeedsPaidPlan: true, Multicontainer: true, IsLegacy: false),
        new("legacy-v2", "Classic", "One container; needs a paid plan.", NeedsPaidPlan: true, Multicontainer: false, IsLegacy: false),
        new("legacy-v1", "Legacy", "One container; for old operating systems only.", NeedsPaidPlan: false, Multicontainer: false, IsLegacy: true),
    ];
}
