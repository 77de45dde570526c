using System.Collections.Immutable;

namespace Muster.Simulator.Verifying;

/// <summary>One reading of a device's statuses: true at some instant between the two.</summary>
/// <param name="AskedAt">Unix ms.</param>
/// <param name="AnsweredAt">Unix ms.</param>
public readonly record struct Sample(string Device, long AskedAt, long AnsweredAt, string? OverallStatus, string? Heartbeat, bool? Cloudlink, string? UpdateStatus);

/// <summary>One line of the server's own history.</summary>
/// <param name="Fact">overall_status, heartbeat, cloudlink or update_status.</param>
/// <param name="At">Unix ms.</param>
public sealed record Transition(string Device, string Fact, string? To, long At);

/// <summary>All that Muster said of the fleet.</summary>
public sealed record Said(ImmutableArray<Sample> Samples, ImmutableArray<Transition> History);

/// <summary>What separates late from false.</summary>
/// <param name="TimeoutMargin">Over the poll interval, before silence is timeout, ms.</param>
/// <param name="OfflineAfter">From timeout to offline, ms.</param>
/// <param name="Tolerance">How late the server may say so, ms. There is no tolerance for saying it too early.</param>
/// <param name="PollInterval">Where a device was told none, ms.</param>
/// <param name="HasTunnels">A tunnel server takes part.</param>
public sealed record Bounds(long TimeoutMargin, long OfflineAfter, long Tolerance, long PollInterval, bool HasTunnels);
