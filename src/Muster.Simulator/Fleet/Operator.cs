using System.Globalization;
using System.Text.Json;
using Muster.Simulator.Devices;

namespace Muster.Simulator.Fleet;

/// <summary>The fleet as the server knows it.</summary>
public sealed record FleetRecord(long Id, string Uuid, string DeviceType);

/// <summary>What a person does beside the devices: looks the fleet up, points it to releases, reads statuses.</summary>
public sealed class Operator(ServerClient client, string token)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <exception cref="OperatorException">The server refused, or did not answer.</exception>
    public static async Task<Operator> LogInAsync(ServerClient client, string email, string password, CancellationToken cancellation)
    {
        var body = $"{{\"username\":{Quoted(email)},\"password\":{Quoted(password)}}}";
        var answer = await client.SendAsync(new(RequestKind.LookUp, "POST", "/login_", "", 0) { Body = body }, Limit, cancellation);
        return answer is { IsSuccess: true } token ? new(client, token.Body.Trim('"')) : throw Refused("logging in", answer);
    }

    /// <summary>The body of a successful GET.</summary>
    /// <exception cref="OperatorException">The server refused, or did not answer.</exception>
    public async Task<string> GetAsync(string path, CancellationToken cancellation)
    {
        var answer = await client.SendAsync(new(RequestKind.LookUp, "GET", path, token, 0), Limit, cancellation);
        return answer is { Status: 200 } ok ? ok.Body : throw Refused($"GET {path}", answer);
    }

    /// <exception cref="OperatorException">The server refused, or did not answer.</exception>
    public async Task<string> SendAsync(string method, string path, string body, CancellationToken cancellation)
    {
        var answer = await client.SendAsync(new(RequestKind.LookUp, method, path, token, 0) { Body = body }, Limit, cancellation);
        return answer is { IsSuccess: true } ok ? ok.Body : throw Refused($"{method} {path}", answer);
    }

    /// <param name="slug">organization/fleet.</param>
    /// <exception cref="OperatorException">There is no such fleet for this caller.</exception>
    public async Task<FleetRecord> FleetAsync(string slug, CancellationToken cancellation) =>
        await TryFleetAsync(slug, cancellation) ?? throw new OperatorException($"The server knows no fleet \"{slug}\", or does not show it to this caller.");

    /// <summary>Null when there is no such fleet for this caller.</summary>
    public async Task<FleetRecord?> TryFleetAsync(string slug, CancellationToken cancellation)
    {
        var path = $"/v7/application?$select=id,uuid&$expand=is_for__device_type($select=slug)&$filter=slug%20eq%20'{Uri.EscapeDataString(slug.Replace("'", "''", StringComparison.Ordinal))}'";
        using var document = JsonDocument.Parse(await GetAsync(path, cancellation));
        foreach (var row in document.RootElement.GetProperty("d").EnumerateArray())
            return new(row.GetProperty("id").GetInt64(), row.GetProperty("uuid").GetString() ?? "", row.GetProperty("is_for__device_type")[0].GetProperty("slug").GetString() ?? "");
        return null;
    }

    public async Task<string> ProvisioningKeyAsync(long fleetId, CancellationToken cancellation) =>
        (await SendAsync("POST", string.Create(CultureInfo.InvariantCulture, $"/api-key/application/{fleetId}/provisioning"), "{}", cancellation)).Trim('"');

    /// <summary>Points the fleet to the release after the one it should run; from the newest back to the oldest. Null when it has fewer than two.</summary>
    public async Task<string?> NextReleaseAsync(long fleetId, CancellationToken cancellation)
    {
        using var releases = JsonDocument.Parse(await GetAsync(string.Create(CultureInfo.InvariantCulture, $"/v7/release?$select=id,commit&$orderby=id%20asc&$filter=belongs_to__application%20eq%20{fleetId}%20and%20status%20eq%20'success'"), cancellation));
        using var fleet = JsonDocument.Parse(await GetAsync(string.Create(CultureInfo.InvariantCulture, $"/v7/application({fleetId})?$select=should_be_running__release"), cancellation));
        var all = releases.RootElement.GetProperty("d").EnumerateArray().Select(r => (Id: r.GetProperty("id").GetInt64(), Commit: r.GetProperty("commit").GetString())).ToArray();
        if (all.Length < 2)
            return null;
        var now = fleet.RootElement.GetProperty("d")[0].GetProperty("should_be_running__release") is { ValueKind: JsonValueKind.Object } target ? target.GetProperty("__id").GetInt64() : 0;
        var next = all[(Array.FindIndex(all, r => r.Id == now) + 1) % all.Length];
        await SendAsync("PATCH", string.Create(CultureInfo.InvariantCulture, $"/v7/application({fleetId})"), string.Create(CultureInfo.InvariantCulture, $"{{\"should_be_running__release\":{next.Id},\"should_track_latest_release\":false}}"), cancellation);
        return next.Commit;
    }

    private static string Quoted(string text) => $"\"{JsonEncodedText.Encode(text)}\"";

    private static OperatorException Refused(string what, DeviceAnswer? answer) =>
        new(answer is { } given ? string.Create(CultureInfo.InvariantCulture, $"{what}: HTTP {given.Status} {given.Body[..Math.Min(200, given.Body.Length)]}") : $"{what}: no answer");
}

public sealed class OperatorException(string message) : Exception(message);
