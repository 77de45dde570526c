using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace Muster.Server.Resources.Writes.Rules;

/// <summary>Which names variables may have; <c>/config/vars</c> tells clients the same.</summary>
internal static partial class VariableNames
{
    public static readonly ImmutableArray<string> ReservedNames = ["RESIN", "BALENA", "USER"];

    public static readonly ImmutableArray<string> ReservedNamespaces = ["RESIN_", "BALENA_"];

    /// <summary>What an environment variable's name must not match.</summary>
    public const string Invalid = @"^\d|\W";

    /// <summary>What a configuration variable's name must not match.</summary>
    public const string InvalidConfig = "^[\\d:]|[^A-Za-z0-9_:]";

    /// <exception cref="RefusedException">400 with the sentence that clients know.</exception>
    public static void CheckEnvironment(string name)
    {
        if (InvalidName().IsMatch(name))
            throw RefusedException.Invalid("Environment variable names can only contain alphanumeric characters and underscores.");
        if (ReservedNames.Contains(name))
            throw RefusedException.Invalid($"Environment variables named {string.Join(", ", ReservedNames)} are reserved.");
        if (ReservedNamespaces.Any(n => name.StartsWith(n, StringComparison.Ordinal)))
            throw RefusedException.Invalid($"Environment variables beginning with {string.Join(", ", ReservedNamespaces)} are reserved.");
    }

    /// <exception cref="RefusedException">400 with the sentence that clients know.</exception>
    public static void CheckConfig(string name)
    {
        if (InvalidConfigName().IsMatch(name))
            throw RefusedException.Invalid("Configuration variable names can only contain alphanumeric characters, underscores or a colon");
        if (!ReservedNamespaces.Any(n => name.StartsWith(n, StringComparison.Ordinal)))
            throw RefusedException.Invalid($"Configuration variables must be part of one of the following namespaces: {string.Join(", ", ReservedNamespaces)}");
    }

    // As in JavaScript, where clients check too: \d and \W know ASCII only.
    [GeneratedRegex(Invalid, RegexOptions.ECMAScript)]
    private static partial Regex InvalidName();

    [GeneratedRegex(InvalidConfig, RegexOptions.ECMAScript)]
    private static partial Regex InvalidConfigName();
}
