using Muster.Storage.Presence;

namespace Muster.Server.Presence;

/// <summary>Hears of every change of a device once it is durable, in the order of the commits.</summary>
public interface ICommitWatcher
{
    /// <summary>Called on the way of every report: returns at once, does not wait for anything and does not throw.</summary>
    void Committed(IReadOnlyList<DeviceChange> changes);
}
