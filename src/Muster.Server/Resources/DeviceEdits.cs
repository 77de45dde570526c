namespace Muster.Server.Resources;

/// <summary>
/// Tells of devices of which something changed that people see and neither status nor target state reads: note, tags, place.
/// Of all else <see cref="Presence.FleetPresence.InputsChanged"/> tells.
/// </summary>
internal sealed class DeviceEdits
{
    /// <summary>Raised with ids of devices after the commit. Handlers return at once and don't throw.</summary>
    public event Action<IReadOnlyCollection<long>>? Edited;

    public void Tell(IReadOnlyCollection<long> devices) => Edited?.Invoke(devices);
}
