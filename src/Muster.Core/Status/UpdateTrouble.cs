namespace Muster.Core.Status;

public enum UpdateTroubleKind : byte { Rejected, Aborted, DownloadFails, DownloadStandsStill, Locked, Waits, ServiceFails, StandsStill, TargetRefused }

/// <summary>How far an update is, and what the device's log says of it. Instants in Unix ms.</summary>
/// <param name="Since">When the status was entered; null when that is not known.</param>
/// <param name="MovedAt">When the update last went on; null when that is not known.</param>
/// <param name="IsDownloading">Whether the device tells of an image under way: supervisors before 16.7 tell no update status.</param>
/// <param name="IsHeard">Whether anything reaches us from the device.</param>
/// <param name="IsOnTarget">Whether it runs the release that it should; null when it should run none.</param>
/// <param name="Sign">The newest line of its log that tells of an update.</param>
public readonly record struct UpdateProgress(UpdateStatus Status, long? Since, long? MovedAt, bool IsDownloading, bool IsHeard, bool? IsOnTarget, UpdateSign? Sign);

/// <summary>
/// What is wrong with a device's update. It stands beside the overall status, which says nothing of it: a device that is
/// Operational may have rejected its release for weeks.
/// </summary>
/// <param name="Said">What the device's own log says, or null.</param>
public sealed record UpdateTrouble(UpdateTroubleKind Kind, string Sentence, string NextStep, string? Said = null)
{
    private const long Minute = 60_000;
    private const long Hour = 60 * Minute;

    /// <summary>A download that tells no progress for so long stands still: a supervisor reports every percent, at most each ten seconds.</summary>
    private const long StillAfter = 15 * Minute;

    /// <summary>Bound of a download of which it is not known when it last moved.</summary>
    private const long DownloadPatience = 2 * Hour;
    private const long WaitPatience = Hour;

    /// <summary>A lock that is told in the log is no mere moment's after so long.</summary>
    private const long LockPatience = 10 * Minute;
    private const long ApplyPatience = 30 * Minute;

    /// <summary>As on a mark.</summary>
    public string Word => Kind switch
    {
        UpdateTroubleKind.Rejected => "Update rejected",
        UpdateTroubleKind.Aborted => "Update aborted",
        UpdateTroubleKind.DownloadFails => "Download fails",
        UpdateTroubleKind.DownloadStandsStill => "Download stands still",
        UpdateTroubleKind.Locked => "Update locked",
        UpdateTroubleKind.Waits => "Update waits",
        UpdateTroubleKind.ServiceFails => "Service fails",
        UpdateTroubleKind.TargetRefused => "Target refused",
        _ => "Update stands still",
    };

    /// <summary>For the API; stable.</summary>
    public string Code => Kind switch
    {
        UpdateTroubleKind.Rejected => "rejected",
        UpdateTroubleKind.Aborted => "aborted",
        UpdateTroubleKind.DownloadFails => "download-fails",
        UpdateTroubleKind.DownloadStandsStill => "download-stands-still",
        UpdateTroubleKind.Locked => "update-locked",
        UpdateTroubleKind.Waits => "update-waits",
        UpdateTroubleKind.ServiceFails => "service-fails",
        UpdateTroubleKind.TargetRefused => "target-refused",
        _ => "update-stands-still",
    };

    /// <summary>It does not end by itself.</summary>
    public bool IsFailure => Kind is UpdateTroubleKind.Rejected or UpdateTroubleKind.Aborted or UpdateTroubleKind.DownloadFails or UpdateTroubleKind.TargetRefused;

    /// <summary>Null when nothing is wrong, as far as is known.</summary>
    /// <param name="now">Unix ms.</param>
    public static UpdateTrouble? Of(in UpdateProgress update, long now)
    {
        // What was said before the status was entered is of another update.
        var sign = update.Sign is { Kind: not UpdateSignKind.GoesOn } said && (update.Since is not { } since || said.At >= since) ? said : null;
        var standing = now - (update.Since ?? now);
        switch (update.Status)
        {
            // The device holds to these until it is given something else, whether it is heard or not.
            case UpdateStatus.Rejected:
                return new(UpdateTroubleKind.Rejected, "The device rejected the release that it should run: a service has requirements that it does not meet. It goes on with what it runs.",
                    "Compare the requirements in the services' contracts with the device's type, OS and supervisor, or pin the device to a release that it can run.",
                    // It is said once, and perhaps before the report.
                    update.Sign is { Kind: UpdateSignKind.Rejected } reason ? reason.Line : null);
            case UpdateStatus.Aborted:
                return new(UpdateTroubleKind.Aborted, "The device gave up on the release that it should run.", "See in its log why, mend that, and pin the device to another release meanwhile.", sign?.Line);
            case var _ when !update.IsHeard:
                return null;
            case UpdateStatus.Downloading:
            case UpdateStatus.None when update.IsDownloading:
                return OfDownload(update, sign, now);
            case UpdateStatus.Downloaded when sign?.Kind is UpdateSignKind.Locked && standing > LockPatience:
                return new(UpdateTroubleKind.Locked, "The release is downloaded, and an update lock on the device holds it back.",
                    "Have the service that holds the lock release it, or update with force.", sign.Line);
            case UpdateStatus.Downloaded when standing > WaitPatience:
                return new(UpdateTroubleKind.Waits, "The release is downloaded, and the device has not begun to install it. A service may hold an update lock.",
                    "Have the service release its lock, or update with force.", sign?.Line);
            case UpdateStatus.ApplyingChanges when sign?.Kind is UpdateSignKind.ServiceFails:
                return new(UpdateTroubleKind.ServiceFails, "The device cannot install or start a service of the release; it tries again and again.",
                    "Mend the service (its command, volumes or devices) and make a new release, or pin the device to one that works.", sign.Line);
            case UpdateStatus.ApplyingChanges when standing > ApplyPatience:
                return new(UpdateTroubleKind.StandsStill, "The device has been applying changes for a long time.", "Its log names the service that does not start or stop.", sign?.Line);
            case UpdateStatus.Done or UpdateStatus.None when sign?.Kind is UpdateSignKind.TargetRefused && update.IsOnTarget is false:
                return new(UpdateTroubleKind.TargetRefused, "The device refused its target state as a whole, and goes on with what it runs.",
                    "Mend what its log names (a contract, a variable's name, a service's name) and make a new release.", sign.Line);
            default:
                return null;
        }
    }

    private static UpdateTrouble? OfDownload(in UpdateProgress update, UpdateSign? sign, long now)
    {
        if (sign?.Kind is UpdateSignKind.DownloadFails)
            return new(UpdateTroubleKind.DownloadFails, "The device cannot download an image of the release; it tries again and again.", WhyOf(sign.Line), sign.Line);
        var stands = update.MovedAt is { } moved ? now - moved > StillAfter : now - (update.Since ?? now) > DownloadPatience;
        return stands
            ? new(UpdateTroubleKind.DownloadStandsStill, "The download stands still.", "Check the device's network and its free storage; its log names failed downloads.", sign?.Line)
            : null;
    }

    private static string WhyOf(string line)
    {
        bool Says(params ReadOnlySpan<string> words)
        {
            foreach (var word in words)
            {
                if (line.Contains(word, StringComparison.OrdinalIgnoreCase))
                    return true;
            }

            return false;
        }

        return Says("unauthorized", "denied", "forbidden", "401", "403")
            ? "The image registry does not let the device in: check that it trusts this server's tokens (Registry settings) and that the image is of the device's fleet."
            : Says("no space left", "disk full") ? "The device's storage is full: remove old data or images, or purge the services' volumes."
            : Says("not found", "manifest unknown", "404") ? "The registry does not have the image: push it again, or make a new release."
            : Says("certificate", "x509") ? "The device does not trust the registry's certificate: give it the authority (balenaRootCA), and check its clock."
            : "Check that the device reaches the image registry (address, name resolution, firewall).";
    }
}
