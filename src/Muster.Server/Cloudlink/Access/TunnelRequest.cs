using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Muster.Server.Cloudlink.Access;

/// <summary>What a CONNECT asks for (docs/device-protocol.md, "Tunnels"): <c>CONNECT {uuid}.balena:{port} HTTP/1.x</c>.</summary>
/// <param name="Secret">The caller's token or key, the password of Basic; null when there is none.</param>
internal sealed partial record TunnelRequest(string Uuid, int Port, string? Secret)
{
    private const int DefaultPort = 80;

    /// <param name="head">The request to the end of its headers.</param>
    /// <param name="status">Why it is refused: 400 no such request, 403 the target is no device; else 200.</param>
    public static TunnelRequest? Parse(ReadOnlySpan<byte> head, out int status)
    {
        var lines = Encoding.Latin1.GetString(head).Split("\r\n");
        if (lines[0].Split(' ') is not ["CONNECT", var target, "HTTP/1.0" or "HTTP/1.1"])
        {
            status = StatusCodes.Status400BadRequest;
            return null;
        }

        var match = Target().Match(target);
        var port = match.Groups["port"] is { Success: true } digits ? int.Parse(digits.ValueSpan, CultureInfo.InvariantCulture) : DefaultPort;
        if (!match.Success || port is < 1 or > ushort.MaxValue)
        {
            status = StatusCodes.Status403Forbidden;
            return null;
        }

        status = StatusCodes.Status200OK;
        return new(match.Groups["uuid"].Value, port, lines.Skip(1).Select(SecretOf).FirstOrDefault(secret => secret is not null));
    }

    private static string? SecretOf(string line)
    {
        var colon = line.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0 || !line.AsSpan(0, colon).Equals("Proxy-Authorization", StringComparison.OrdinalIgnoreCase))
            return null;
        var value = line.AsSpan(colon + 1).Trim();
        var space = value.IndexOf(' ');
        if (space < 0 || !value[..space].Equals("Basic", StringComparison.OrdinalIgnoreCase) || value[(space + 1)..].Trim() is not { Length: > 0 } encoded || !Base64.IsValid(encoded))
            return null;
        var credentials = Encoding.UTF8.GetString(Convert.FromBase64String(encoded.ToString()));
        var end = credentials.IndexOf(':', StringComparison.Ordinal);
        return end >= 0 && end < credentials.Length - 1 ? credentials[(end + 1)..] : null;
    }

    [GeneratedRegex(@"^(?<uuid>[0-9a-f]{32,64})\.(balena|vpn|resin)(:(?<port>[0-9]{1,5}))?\z", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Target();
}
