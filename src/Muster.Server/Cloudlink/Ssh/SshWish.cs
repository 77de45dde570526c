using System.Text.RegularExpressions;

namespace Muster.Server.Cloudlink.Ssh;

/// <summary>What a person asks of the SSH gateway: a device's host OS or one of its containers.</summary>
/// <param name="Container">Id or name of a container; null for the host OS.</param>
/// <param name="Command">A command line for the host OS's shell; null for a shell.</param>
internal sealed partial record SshWish(string Uuid, string? Container, string? Command)
{
    public const string Usage = "Say which device: host UUID [COMMAND], or enter UUID CONTAINER. (balena device ssh UUID does.)";

    private const string Engine = "$(command -v balena-engine || command -v balena || command -v docker)";

    /// <summary>Reads what <c>balena device ssh</c> sends: <c>host UUID [COMMAND]</c> or <c>enter UUID CONTAINER</c>. Null when it is neither.</summary>
    public static SshWish? Parse(string? text)
    {
        var match = Form().Match(text?.Trim() ?? "");
        if (!match.Success)
            return null;
        var rest = match.Groups["rest"].Value.Trim();
        return match.Groups["verb"].Value == "host"
            ? new(match.Groups["uuid"].Value, null, rest.Length > 0 ? rest : null)
            : ContainerName().IsMatch(rest) ? new(match.Groups["uuid"].Value, rest, null) : null;
    }

    /// <summary>The command line for the device's SSH server; null for its shell.</summary>
    /// <param name="isTerminal">Whether the person sits at a terminal.</param>
    public string? ForDevice(bool isTerminal) => Container is null
        ? Command
        : $"exec {Engine} exec -i{(isTerminal ? "t" : "")} {Container} /bin/sh -c 'command -v bash >/dev/null && exec bash; exec sh'";

    [GeneratedRegex(@"^(?<verb>host|enter) +(?<uuid>[0-9a-f]{32}|[0-9a-f]{62})( +(?<rest>.*))?$", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture | RegexOptions.Singleline)]
    private static partial Regex Form();

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}\z", RegexOptions.NonBacktracking)]
    private static partial Regex ContainerName();
}
