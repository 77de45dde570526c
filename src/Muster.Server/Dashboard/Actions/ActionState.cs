namespace Muster.Server.Dashboard.Actions;

/// <summary>What a page knows of a device that its action buttons depend on.</summary>
/// <param name="Name">Of the device, as people call it.</param>
/// <param name="OrganizationId">Decides, with the role in it, whether there are buttons at all.</param>
/// <param name="CloudlinkSince">Since when it is up or down, Unix ms; null when it never was up.</param>
/// <param name="CloudlinkExpected">False when configuration switches it off.</param>
public sealed record ActionState(string Name, long OrganizationId, bool CloudlinkConnected, long? CloudlinkSince, bool CloudlinkExpected = true, bool IsFrozen = false);
