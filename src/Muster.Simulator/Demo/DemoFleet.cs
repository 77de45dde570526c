using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Muster.Simulator.Devices;
using Muster.Simulator.Fleet;

namespace Muster.Simulator.Demo;

/// <summary>The demo's fleet, made through the ordinary API as a person would: releases with services, and a short poll interval.</summary>
public static class DemoFleet
{
    public const string Name = "lighthouse";

    private const string DeviceType = "generic-amd64";
    private static readonly string[] Services = ["lamp", "foghorn"];
    private static readonly string[] Versions = ["1.0.0", "1.1.0", "2.0.0"];

    /// <summary>
    /// Periods of a demo device: a tenth of a real one's, so that a person sees something happen. The server has to grant
    /// more than the jitter (<see cref="TimeoutMargin"/>).
    /// </summary>
    public static readonly SupervisorTimings Timings = SupervisorTimings.Stock.Scaled(10) with { PollInterval = 5_000, Apply = 4_000 };

    public static readonly TimeSpan TimeoutMargin = TimeSpan.FromMilliseconds(Timings.PollJitter + 1_500);

    public static readonly TimeSpan OfflineAfter = TimeSpan.FromSeconds(3);

    /// <summary>Finds the fleet or makes it.</summary>
    /// <param name="organization">Handle of an organization in which the operator may make fleets.</param>
    /// <exception cref="OperatorException">The server refused a step.</exception>
    public static async Task<(FleetRecord Fleet, bool IsNew)> EnsureAsync(Operator @operator, string organization, CancellationToken cancellation)
    {
        var slug = $"{organization}/{Name}";
        if (await @operator.TryFleetAsync(slug, cancellation) is { } there)
            return (there, false);
        var owner = await IdAsync(@operator, $"/v7/organization?$select=id&$filter=handle%20eq%20'{organization}'", cancellation);
        var type = await IdAsync(@operator, $"/v7/device_type?$select=id&$filter=slug%20eq%20'{DeviceType}'", cancellation);
        var fleet = await CreateAsync(@operator, "application", Line($"{{\"app_name\":\"{Name}\",\"organization\":{owner},\"is_for__device_type\":{type}}}"), cancellation);
        await CreateAsync(@operator, "application_config_variable", Line($"{{\"application\":{fleet},\"name\":\"BALENA_SUPERVISOR_POLL_INTERVAL\",\"value\":\"{Timings.PollInterval}\"}}"), cancellation);
        var services = new List<long>();
        foreach (var service in Services)
            services.Add(await CreateAsync(@operator, "service", Line($"{{\"application\":{fleet},\"service_name\":\"{service}\"}}"), cancellation));
        foreach (var version in Versions)
            await ReleaseAsync(@operator, fleet, services, version, cancellation);
        return (await @operator.FleetAsync(slug, cancellation), true);
    }

    private static async Task ReleaseAsync(Operator @operator, long fleet, List<long> services, string version, CancellationToken cancellation)
    {
        var composition = $"{{\"version\":\"2.1\",\"services\":{{{string.Join(',', Services.Select(s => $"\"{s}\":{{\"image\":\"{s}\",\"restart\":\"always\"}}"))}}}}}";
        // A commit of digits alone would trip a real supervisor.
        var commit = "c0ffee" + RandomNumberGenerator.GetHexString(34, lowercase: true);
        var release = await CreateAsync(@operator, "release", Line(
            $"{{\"belongs_to__application\":{fleet},\"commit\":\"{commit}\",\"semver\":\"{version}\",\"status\":\"running\",\"source\":\"local\",\"is_final\":true,\"composition\":{composition},\"start_timestamp\":{Now()}}}"), cancellation);
        foreach (var service in services)
        {
            var image = await CreateAsync(@operator, "image", Line($"{{\"is_a_build_of__service\":{service},\"status\":\"running\",\"start_timestamp\":{Now()}}}"), cancellation);
            await CreateAsync(@operator, "image__is_part_of__release", Line($"{{\"image\":{image},\"is_part_of__release\":{release}}}"), cancellation);
            await @operator.SendAsync("PATCH", Line($"/v7/image({image})"),
                Line($"{{\"status\":\"success\",\"content_hash\":\"sha256:{RandomNumberGenerator.GetHexString(64, lowercase: true)}\",\"image_size\":48000000,\"push_timestamp\":{Now()},\"end_timestamp\":{Now()}}}"), cancellation);
        }

        await @operator.SendAsync("PATCH", Line($"/v7/release({release})"), Line($"{{\"status\":\"success\",\"end_timestamp\":{Now()}}}"), cancellation);
    }

    private static async Task<long> CreateAsync(Operator @operator, string resource, string body, CancellationToken cancellation)
    {
        using var made = JsonDocument.Parse(await @operator.SendAsync("POST", $"/v7/{resource}", body, cancellation));
        return made.RootElement.GetProperty("id").GetInt64();
    }

    private static async Task<long> IdAsync(Operator @operator, string path, CancellationToken cancellation)
    {
        using var document = JsonDocument.Parse(await @operator.GetAsync(path, cancellation));
        foreach (var row in document.RootElement.GetProperty("d").EnumerateArray())
            return row.GetProperty("id").GetInt64();
        throw new OperatorException($"GET {path}: there is none");
    }

    private static string Now() => $"\"{TimeProvider.System.GetUtcNow().UtcDateTime:yyyy-MM-ddTHH:mm:ss.fffZ}\"";

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
