using System.Net;
using Muster.Core.Access;

namespace Muster.Server.Insight;

/// <summary>Something that somebody is about to do.</summary>
/// <param name="What">A short word: <c>action.reboot</c>, <c>tunnel.open</c>, <c>ssh.open</c>, …</param>
/// <param name="DeviceId">Null when it is about no device, or about several.</param>
/// <param name="OrganizationId">Whose people may read of it; null: the device's.</param>
/// <param name="From">Address it was asked from; see <see cref="Address"/>.</param>
/// <param name="Detail">For people; no secrets.</param>
internal sealed record AuditEntry(Caller Who, string What, long? DeviceId, long? OrganizationId, string? From, string? Detail)
{
    /// <summary>An address as the log has it: IPv4 as such, however it arrived.</summary>
    public static string? Address(IPAddress? address) => (address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address)?.ToString();
}

/// <summary>The words for outcomes that are not the thing's own.</summary>
internal static class AuditOutcome
{
    public const string Done = "done";

    /// <summary>The caller may not do this; it was not done.</summary>
    public const string Refused = "refused";

    /// <summary>The process that began it died, or lost sight of it: nobody knows how it ended.</summary>
    public const string Unknown = "unknown";
}

/// <summary>An entry of the log. Names are those of the time.</summary>
/// <param name="WhoKind"><c>user</c>, <c>device</c>, <c>fleet</c> or <c>service</c>.</param>
/// <param name="Outcome">Null while it goes on.</param>
internal sealed record AuditRecord(
    long Id, DateTimeOffset At, string WhoKind, long WhoId, string Who, string What, long? DeviceId, string? DeviceUuid, string? DeviceName,
    long? FleetId, long? OrganizationId, string? From, string? Detail, string? Outcome, DateTimeOffset? EndedAt);
