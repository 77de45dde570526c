using Muster.Server.Hosting.Https;

namespace Muster.Server.Cloudlink.OpenVpn;

/// <summary>Where devices find the OpenVPN gateway, and what they are told of it.</summary>
internal sealed class OpenVpnEndpoint(OpenVpnOptions options, IConfiguration configuration, ServerCertificates certificates)
{
    /// <summary>The port that openvpn clients use where nothing else is said.</summary>
    private const int StockPort = 443;

    public bool IsOn => options.IsOn;

    /// <summary>Port of the gateway as devices reach it; without a gateway the stock one.</summary>
    public int Port => options switch
    {
        { IsOn: false } => StockPort,
        { EndpointPort: > 0 } => options.EndpointPort,
        _ => options.Port,
    };

    /// <summary>Name in the gateway's certificate. Devices check the authority, not the name.</summary>
    public string Name => Named ?? "muster";

    /// <summary>Certificate (PEM) of the authority that devices know the gateway by.</summary>
    public string Authority => certificates.AuthorityPem ?? "";

    private string? Named =>
        options.EndpointHost is { Length: > 0 } host ? host
        : configuration["hostname"]?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is [var first, ..] ? first
        : null;

    /// <param name="apiHost">Host under which devices reach the API: theirs for the gateway too, unless another is set.</param>
    public string Host(string apiHost) => options.IsOn && Named is { } named ? named : apiHost;

    /// <summary>The OS's openvpn.conf. A host of a request that is no host name is passed over.</summary>
    public string ClientConfig(string apiHost)
    {
        var host = Host(apiHost.Trim('[', ']'));
        return OpenVpnTexts.Client(options, Uri.CheckHostName(host) == UriHostNameType.Unknown ? Name : host, Port);
    }
}
