namespace Muster.Simulator.Devices;

public enum RequestKind { Register, LookUp, ExchangeKey, InitialConfig, Poll, Report, OsProgress, Log }

/// <summary>What a device wants to say to the cloud, ready to be sent.</summary>
/// <param name="Boot">Number of the boot that made it; an answer to an earlier boot is no longer heard.</param>
public sealed record DeviceRequest(RequestKind Kind, string Method, string Path, string Key, int Boot)
{
    public string? Body { get; init; }

    public string ContentType { get; init; } = "application/json";

    public string? IfNoneMatch { get; init; }

    /// <summary>What the body claims, for the record of what the device really did.</summary>
    public Claim? Claim { get; init; }
}

/// <summary>The cloud's answer.</summary>
public readonly record struct DeviceAnswer(int Status, string? ETag, string Body)
{
    public bool IsSuccess => Status is >= 200 and < 300;
}

/// <summary>What a device says of itself in a report, as far as the status depends on it.</summary>
/// <param name="Downloading">A service of the target release is being downloaded.</param>
/// <param name="UpdateStatus">The lowest over the releases reported; null before there was any.</param>
/// <param name="RunningRelease">Commit of the settled release.</param>
/// <param name="OsProgress">provisioning_progress as the OS's own tool sends it, which says nothing of the rest; null in a supervisor's report.</param>
public sealed record Claim(bool Downloading, string? UpdateStatus, string? RunningRelease, int? OsProgress);
