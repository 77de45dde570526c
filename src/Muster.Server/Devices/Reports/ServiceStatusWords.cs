using System.Text.Json;

namespace Muster.Server.Devices.Reports;

/// <summary>The words that supervisors have for a service's status (docs/device-protocol.md, "State reports").</summary>
internal static class ServiceStatusWords
{
    private static readonly (byte[] Utf8, string Word)[] Known = Array.ConvertAll<string, (byte[], string)>(
        [
            "Running", "Downloading", "Downloaded", "Installing", "Installed", "Starting", "Stopping", "Stopped", "exited", "Idle",
            "Deleting", "deleted", "Dead", "dead", "paused", "restarting", "removing", "created", "Handing over", "Awaiting handover", "Aborted",
            "Exited", "Paused", "Restarting", "Removing", "Updating", "Killed",
        ],
        word => (System.Text.Encoding.UTF8.GetBytes(word), word));

    /// <summary>The word at the reader, or "" when it is none. Allocates nothing.</summary>
    public static string Read(ref Utf8JsonReader reader)
    {
        foreach (var (utf8, word) in Known)
        {
            if (reader.ValueTextEquals(utf8))
                return word;
        }

        return "";
    }
}
