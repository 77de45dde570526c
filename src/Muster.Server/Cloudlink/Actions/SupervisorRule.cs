using Muster.Core.Access;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>Who may call a device's supervisor: its organization's people, by their role, and the device itself.</summary>
internal static class SupervisorRule
{
    /// <summary>Whether the device exists for the caller.</summary>
    public static bool MaySee(Caller caller, long deviceId, long organizationId) => May(caller, deviceId, organizationId, Role.Observer);

    /// <summary>Whether the caller may call it with this method: to read, an observer suffices.</summary>
    public static bool MayCall(Caller caller, long deviceId, long organizationId, HttpMethod method) =>
        May(caller, deviceId, organizationId, method == HttpMethod.Get ? Role.Observer : Role.Operator);

    private static bool May(Caller caller, long deviceId, long organizationId, Role role) =>
        caller.Kind is CallerKind.Device ? caller.SubjectId == deviceId : AccessRule.Has(caller, role, organizationId);
}
