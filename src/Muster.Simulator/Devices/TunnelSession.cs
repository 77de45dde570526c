namespace Muster.Simulator.Devices;

/// <summary>A device's session at the tunnel server: it comes up a little after the way opens, and ends at once or, when its end was silent, by the server's time limit.</summary>
public sealed class TunnelSession(SupervisorTimings timings)
{
    private bool wanted;

    /// <summary>What the tunnel server knows.</summary>
    public bool IsUp { get; private set; }

    /// <summary>The tunnel server still counts it as up, but its device is gone.</summary>
    public bool IsHalfOpen => IsUp && !wanted;

    public long NextDue { get; private set; } = long.MaxValue;

    public void Set(bool open, bool silently, long now)
    {
        if (open == wanted)
            return;
        wanted = open;
        NextDue = (open, IsUp) switch
        {
            (true, false) => now + timings.TunnelConnect,
            (false, true) => now + (silently ? timings.TunnelSilence : 0),
            _ => long.MaxValue,
        };
    }

    /// <summary>The change that the tunnel server has to tell, or null.</summary>
    public bool? Take(long now)
    {
        if (now < NextDue)
            return null;
        (IsUp, NextDue) = (wanted, long.MaxValue);
        return IsUp;
    }
}
