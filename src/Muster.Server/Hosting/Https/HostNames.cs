using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Muster.Server.Hosting.Https;

/// <summary>The names and addresses under which clients reach the https addresses of this server.</summary>
internal static class HostNames
{
    /// <param name="urls">Addresses listened on, separated by ';'. A wildcard stands for every address of the machine.</param>
    /// <param name="further">Further names, separated by ','.</param>
    /// <exception cref="SettingException">An address is malformed.</exception>
    public static IReadOnlyList<string> Of(string urls, string? further)
    {
        List<string> names = [.. Split(further, ',')];
        foreach (var url in Split(urls, ';'))
        {
            var address = Parse(url);
            if (!address.Scheme.Equals("https", StringComparison.OrdinalIgnoreCase))
                continue;
            var host = address.Host.Trim('[', ']');
            if (host is "*" or "+" || (IPAddress.TryParse(host, out var ip) && (ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any))))
                names.AddRange([Dns.GetHostName(), "localhost", .. OfMachine()]);
            else
                names.Add(host);
        }

        return [.. names.Distinct(StringComparer.OrdinalIgnoreCase)];
    }

    private static BindingAddress Parse(string url)
    {
        try
        {
            return BindingAddress.Parse(url);
        }
        catch (FormatException e)
        {
            throw new SettingException($"'{url}' is no address to listen on; one looks like https://0.0.0.0:8443.", e);
        }
    }

    private static IEnumerable<string> OfMachine() =>
        from card in NetworkInterface.GetAllNetworkInterfaces()
        where card.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown
        from unicast in card.GetIPProperties().UnicastAddresses
        let address = unicast.Address
        where address.AddressFamily is AddressFamily.InterNetwork || address is { IsIPv6LinkLocal: false }
        select address.ToString();

    private static string[] Split(string? list, char separator) =>
        list?.Split(separator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
}
