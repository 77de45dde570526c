using Muster.Server.Presence;

namespace Muster.Server.Resources.Writes;

/// <summary>What a write changed for others, gathered in its transaction and told after the commit.</summary>
internal sealed class Consequences
{
    /// <summary>A stable word for the history.</summary>
    public string Cause { get; set; } = "change";

    /// <summary>Devices of which the status or the target state reads something that changed.</summary>
    public HashSet<long> Devices { get; } = [];

    /// <summary>Devices of which something else changed that people see.</summary>
    public HashSet<long> Edited { get; } = [];

    /// <summary>Fleets of which every device does.</summary>
    public HashSet<long> Fleets { get; } = [];

    /// <summary>Fleets of which a release came, changed or went.</summary>
    public HashSet<long> Releases { get; } = [];

    /// <summary>Organizations whose allowance is to be counted anew.</summary>
    public HashSet<long> Organizations { get; } = [];

    public HashSet<long> Added { get; } = [];

    public List<(long Id, string Uuid)> Removed { get; } = [];

    /// <summary>Devices that lost a key.</summary>
    public HashSet<long> KeysOf { get; } = [];

    /// <summary>Tunnel service instances that said they live.</summary>
    public HashSet<long> ServiceInstances { get; } = [];

    /// <summary>What goes into the audit log with the write, in its transaction: a short word, and the device.</summary>
    public List<(string What, long Device)> Audited { get; } = [];

    /// <summary>The same about an organization, with a detail for people.</summary>
    public List<(string What, long Organization, string Detail)> AuditedOfOrganizations { get; } = [];

    /// <summary>Whether what a caller may do has changed for anybody.</summary>
    public bool Callers { get; set; }

    /// <summary>When this completes, the next read shows everything that follows from the write.</summary>
    public async Task TellAsync(FleetPresence presence, Callers callers, DeviceEdits edits)
    {
        if (Edited.Count > 0)
            edits.Tell(Edited);
        if (Callers || Removed.Count > 0)
            callers.Forget();
        if (Devices.Count + Fleets.Count + Releases.Count + Organizations.Count + Added.Count + Removed.Count > 0)
        {
            await presence.ChangedAsync(new InputChange(Cause)
            {
                Devices = Devices,
                Fleets = Fleets,
                Organizations = Organizations,
                Releases = Releases,
                Added = Added,
                Removed = Removed,
            });
        }

        foreach (var device in KeysOf)
            await presence.KeysChangedAsync(device);
        foreach (var instance in ServiceInstances)
            await presence.ServiceInstanceAliveAsync(instance);
    }
}
