using System.Text.Json.Nodes;
using Muster.Core.Access;
using Muster.Server.Cloudlink.Actions;

namespace Muster.Server.Dashboard.Actions;

/// <summary>What can be done with many devices.</summary>
public enum BulkAct { AddTag, RemoveTag, Pin, Track, Move, Activate, Deactivate, Reboot, Restart, Purge }

/// <summary>What is done with each device of a bulk job.</summary>
/// <param name="Words">As the job is called: "Add tag site=oslo".</param>
public sealed record BulkTask(BulkAct Act, string Words)
{
    public string TagKey { get; init; } = "";

    public string TagValue { get; init; } = "";

    /// <summary>The release to pin to.</summary>
    public long Release { get; init; }

    /// <summary>The fleet to move to.</summary>
    public long Fleet { get; init; }

    /// <summary>Overrides update locks.</summary>
    public bool Force { get; init; }

    /// <summary>An action is queued for each device until it is connected.</summary>
    public bool WhenBack { get; init; }

    /// <summary>The action to call each device with; null for what is written here.</summary>
    public DeviceAction? Action => Act switch
    {
        BulkAct.Reboot => DeviceAction.Reboot,
        BulkAct.Restart => DeviceAction.Restart,
        BulkAct.Purge => DeviceAction.Purge,
        _ => null,
    };

    /// <summary>The fields of the device that are set; null for tags and actions.</summary>
    public JsonObject? Fields => Act switch
    {
        BulkAct.Pin => new() { ["is_pinned_on__release"] = Release },
        BulkAct.Track => new() { ["is_pinned_on__release"] = null },
        BulkAct.Move => new() { ["belongs_to__application"] = Fleet },
        BulkAct.Activate => new() { ["is_active"] = true },
        BulkAct.Deactivate => new() { ["is_active"] = false },
        _ => null,
    };

    /// <summary>Whether the caller may do this to a device of the organization; the write, or the call, decides it once more.</summary>
    public bool IsAllowed(Caller caller, long organization) => Act switch
    {
        BulkAct.AddTag or BulkAct.RemoveTag => AccessRule.Allows(caller, "device_tag", Core.Access.Act.Change, [], new Owner(organization)),
        _ when Fields is { } fields => AccessRule.Allows(caller, "device", Core.Access.Act.Change, [.. fields.Select(f => f.Key)], new Owner(organization)),
        _ => AccessRule.Has(caller, Role.Operator, organization),
    };

    /// <summary>Whether there can be any device to which the caller may do this.</summary>
    public bool IsAllowedSomewhere(Caller caller) => caller.IsServerAdmin || caller.Memberships.Keys.Any(organization => IsAllowed(caller, organization));
}
