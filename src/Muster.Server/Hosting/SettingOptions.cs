using System.CommandLine;

namespace Muster.Server.Hosting;

/// <summary>
/// The settings of the command line. They are ordinary .NET configuration: each option here is only a documented name for
/// a configuration key, and any other key is passed through (<c>--Presence:OfflineAfter 00:00:30</c>; <c>__</c> serves for <c>:</c>).
/// </summary>
internal sealed class SettingOptions(IReadOnlyList<(string Name, string Description)> known)
{
    public static readonly IReadOnlyList<(string Name, string Description)> Storage =
    [
        ("--data", "Directory of the SQLite file, certificates and first login. Default: data"),
        ("--database", "PostgreSQL connection string. Without it: SQLite in the data directory"),
    ];

    public static readonly IReadOnlyList<(string Name, string Description)> Serve =
    [
        ("--urls", $"Addresses to listen on, separated by ';'. Default: {ServerHost.DefaultUrl}"),
        .. Storage,
        ("--certificate", "For https: certificate (PEM with its chain, or PKCS#12). Without it Muster makes its own authority"),
        ("--certificate-key", "For https: private key (PEM) of --certificate"),
        ("--hostname", "For https without --certificate: further names of this server, separated by ','"),
        ("--demo", "Number of simulated devices that live on this server, to look at"),
    ];

    private readonly List<Option<string>> options = [.. known.Select(k => new Option<string>(k.Name) { Description = k.Description })];

    public Command AddTo(Command command)
    {
        foreach (var option in options)
            command.Options.Add(option);
        command.TreatUnmatchedTokensAsErrors = false;
        return command;
    }

    /// <summary>The settings of a command line, as .NET's command line configuration reads them.</summary>
    /// <exception cref="SettingException">A token is no setting.</exception>
    public string[] Arguments(ParseResult parse)
    {
        List<string> arguments = [];
        foreach (var option in options)
        {
            if (parse.GetValue(option) is { } value)
                arguments.Add($"{option.Name}={value}");
        }

        for (var i = 0; i < parse.UnmatchedTokens.Count; i++)
        {
            var token = parse.UnmatchedTokens[i];
            var (key, value) = token.IndexOf('=', StringComparison.Ordinal) is var at and > 0
                ? (token[..at], token[(at + 1)..])
                : (token, i + 1 < parse.UnmatchedTokens.Count ? parse.UnmatchedTokens[++i] : null);
            key = key.Replace("__", ":", StringComparison.Ordinal);
            // A key of .NET configuration stands in a section; anything else is a slip that would be passed over in silence.
            if (value is null || !key.StartsWith("--", StringComparison.Ordinal) || !key.Contains(':', StringComparison.Ordinal))
                throw new SettingException($"'{token}' is neither an option nor a setting of the form --Section:Key VALUE.");
            arguments.Add($"{key}={value}");
        }

        return [.. arguments];
    }

    /// <summary>The same sources as the server reads: appsettings.json, environment, command line.</summary>
    public IConfiguration Configuration(ParseResult parse) =>
        new ConfigurationBuilder()
            .AddJsonFile(Path.GetFullPath("appsettings.json"), optional: true)
            .AddEnvironmentVariables()
            .AddCommandLine(Arguments(parse))
            .Build();
}
