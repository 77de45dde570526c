namespace Muster.Core.Status;

/// <summary>The one rule for the overall status (DESIGN.md, "The status rule"; cases/overall-status.jsonl).</summary>
public static class OverallStatusRule
{
    public static StatusAnswer Evaluate(in DeviceFacts facts)
    {
        if (!facts.IsActive)
            return new(OverallStatus.Inactive, null, facts.EverSeen ? StatusReason.Deactivated : StatusReason.NeverSeen);
        if (facts.IsFrozen)
            return new(OverallStatus.Frozen, null, StatusReason.Frozen);
        return new(OverallStatus.Configuring, null, StatusReason.NotPolledYet);
    }
}
