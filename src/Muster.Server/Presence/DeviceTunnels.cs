using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>Where a device holds tunnels: it is connected while any of them lives.</summary>
internal static class DeviceTunnels
{
    /// <summary>Whether the device has a session at the instance.</summary>
    public static bool IsAt(DeviceState device, long instance) =>
        device.CloudlinkConnected && (device.ServiceInstanceId == instance || device.Elsewhere.At(instance) is not null);

    /// <summary>The device without its session at the instance: the newest of the others is its link then.</summary>
    /// <param name="at">Unix ms.</param>
    public static DeviceState WithoutInstance(DeviceState device, long instance, long at)
    {
        if (device.ServiceInstanceId != instance)
            return device with { Elsewhere = device.Elsewhere.Without(instance) };
        if (device.CloudlinkConnected && device.Elsewhere.Newest is { } other)
            return device with { ServiceInstanceId = other.Instance, CloudlinkEpoch = other.Epoch, Elsewhere = device.Elsewhere.Without(other.Instance) };
        return device with { CloudlinkConnected = false, CloudlinkChangedAt = at, ConnectivityChangedAt = at, ServiceInstanceId = null };
    }
}
