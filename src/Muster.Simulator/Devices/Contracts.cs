using System.Text.Json;

namespace Muster.Simulator.Devices;

/// <summary>What the device offers to the contracts of services.</summary>
public sealed record Platform(string DeviceType, string Architecture, string OsVersion, string SupervisorVersion)
{
    public static readonly Platform Default = new("generic-amd64", "amd64", "6.5.39", "19.0.5");
}

/// <summary>Container requirements (docs/device-protocol.md, "Contracts"), as far as a slug and one version comparison go.</summary>
public static class Contracts
{
    public static bool AreMet(string? contract, Platform platform)
    {
        if (contract is null)
            return true;
        using var document = JsonDocument.Parse(contract);
        return !document.RootElement.TryGetProperty("requires", out var requires) || requires.EnumerateArray().All(r => IsMet(r, platform));
    }

    private static bool IsMet(JsonElement requirement, Platform platform)
    {
        if (requirement.TryGetProperty("or", out var alternatives))
            return alternatives.EnumerateArray().Any(a => IsMet(a, platform));
        var (slug, version) = (Text(requirement, "slug"), Text(requirement, "version"));
        return Text(requirement, "type") switch
        {
            "hw.device-type" => slug is null || slug == platform.DeviceType,
            "arch.sw" => slug is null || slug == platform.Architecture,
            "sw.os" => slug is null or "balena-os" && Satisfies(platform.OsVersion, version),
            "sw.supervisor" => Satisfies(platform.SupervisorVersion, version),
            _ => true,
        };
    }

    private static bool Satisfies(string actual, string? range)
    {
        if (range is null)
            return true;
        var digits = range.AsSpan().TrimStart("<>=^~v ");
        if (!Version.TryParse(digits, out var wanted) || !Version.TryParse(actual, out var have))
            return true;
        return range[0] switch
        {
            '<' => range.StartsWith("<=", StringComparison.Ordinal) ? have <= wanted : have < wanted,
            '>' => range.StartsWith(">=", StringComparison.Ordinal) ? have >= wanted : have > wanted,
            '^' => have >= wanted && have.Major == wanted.Major,
            '~' => have >= wanted && have.Major == wanted.Major && have.Minor == wanted.Minor,
            _ => have == wanted,
        };
    }

    private static string? Text(JsonElement element, string property) => element.TryGetProperty(property, out var value) ? value.GetString() : null;
}
