using System.Globalization;

namespace Muster.Server.Cloudlink.OpenVpn;

/// <summary>What the gateway needs of the machine.</summary>
internal static class OpenVpnNeeds
{
    private const string Tun = "/dev/net/tun";
    private const int NetAdmin = 12;

    /// <summary>What is missing and what to do about it, in one sentence; null when nothing is.</summary>
    public static string? Missing(OpenVpnOptions options)
    {
        if (!OperatingSystem.IsLinux())
            return "it needs Linux";
        if (Find(options.Executable, Environment.GetEnvironmentVariable("PATH")) is null)
            return $"{options.Executable} is missing: apt-get install openvpn";
        if (options.Firewall == "nft" && Find("nft", SystemPath) is null)
            return "nft is missing: apt-get install nftables (or filter the interface yourself and set Cloudlink:OpenVpn:Firewall to none)";
        if (!HasNetAdmin(File.ReadAllText("/proc/self/status"), Environment.IsPrivilegedProcess))
            return "the right to set up a network interface is missing: run Muster as root or with AmbientCapabilities=CAP_NET_ADMIN (and CAP_NET_BIND_SERVICE for a port below 1024)";
        try
        {
            using var tun = File.Open(Tun, FileMode.Open, FileAccess.ReadWrite);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{Tun} cannot be opened: modprobe tun, or give the container that device";
        }
    }

    /// <summary>Where system tools lie, whatever PATH a service has.</summary>
    public static string SystemPath => $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin:/usr/local/sbin";

    /// <summary>Path of an executable; null when there is none.</summary>
    public static string? Find(string executable, string? path)
    {
        if (executable.Contains('/', StringComparison.Ordinal))
            return File.Exists(executable) ? executable : null;
        return $"{path}:{SystemPath}".Split(':', StringSplitOptions.RemoveEmptyEntries).Select(folder => Path.Combine(folder, executable)).FirstOrDefault(File.Exists);
    }

    /// <summary>Whether a child of this process may set up interfaces: what root may do, or what is passed on (ambient).</summary>
    /// <param name="status">Text of <c>/proc/self/status</c>.</param>
    public static bool HasNetAdmin(string status, bool isRoot)
    {
        var set = isRoot ? "CapEff:" : "CapAmb:";
        var line = status.Split('\n').FirstOrDefault(line => line.StartsWith(set, StringComparison.Ordinal));
        return line is not null && ulong.TryParse(line.AsSpan(set.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var rights) && (rights >> NetAdmin & 1) == 1;
    }
}
