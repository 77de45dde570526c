using Muster.Server.Presence;
using Muster.Storage.Presence;

namespace Muster.Server.Cloudlink.Actions;

/// <summary>Hears on the way of the commits which devices are connected again, whoever holds their tunnels.</summary>
internal sealed class LinksUp : ICommitWatcher
{
    /// <summary>Raised with the device's uuid. Handlers return at once and don't throw.</summary>
    public event Action<string>? Up;

    public void Committed(IReadOnlyList<DeviceChange> changes)
    {
        foreach (var change in changes)
        {
            foreach (var transition in change.Transitions)
            {
                if (transition is { Fact: "cloudlink", To: "connected" })
                    Up?.Invoke(change.After.Uuid);
            }
        }
    }
}
