using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using static Muster.Tests.Resources.World;

namespace Muster.Tests.Resources;

/// <summary>
/// The reference server's exchanges (tests/recordings), replayed with ids mapped: the same status, and the same sentence
/// where there is one. Named apart: where Muster differs on purpose (docs/device-protocol.md).
/// </summary>
public sealed partial class RecordedWritesTests
{
    /// <summary>A server error or a write of what partitions own, on the reference; 400 here.</summary>
    private static readonly string[] Refused =
    [
        "POST device missing required", "PATCH read-only computed overall_status", "PATCH api_heartbeat_state by a user",
        "PATCH is_connected_to_vpn by a user (sets is_online, last_vpn_event, last_connectivity_event)", "PATCH invalid enum", "PATCH invalid update_status",
        "PATCH wrong type", "v7 PATCH should_be_running__release (computed)", "PATCH move amd64 device to an aarch64 fleet (accepted, no architecture check; pin is cleared)",
    ];

    [Fact]
    public async Task Writes_of_the_resource_api_are_answered_as_recorded()
    {
        await using var world = await World.StartAsync();
        var fleet = await world.FleetAsync("fleet-amd64", "generic-amd64");
        var other = await world.FleetAsync("fleet-aarch64");
        var (release, foreign) = (await world.ReleaseAsync(fleet), await world.ReleaseAsync(other));
        var (a, b) = (await world.DeviceAsync(fleet), await world.DeviceAsync(fleet));
        var key = await world.KeyAsync("device", a, "device-api-key");
        var (uuidA, uuidB) = (a["uuid"]!.GetValue<string>(), b["uuid"]!.GetValue<string>());
        string Map(string text) => DeviceIds().Replace(text, m => m.Value == "14512" ? $"{Id(a)}" : $"{Id(b)}")
            .Replace("0619f57600936a0dd8d9441cadcfec06", uuidA, StringComparison.Ordinal).Replace("4a79ed1cc537eb32b24d8b877a79a50d", uuidB, StringComparison.Ordinal);

        var replayed = 0;
        foreach (var capture in JsonNode.Parse(await File.ReadAllTextAsync(Recording("odata.json")))!["captures"]!.AsArray())
        {
            if (capture!["request"] is not { } request || request["method"]!.GetValue<string>() is "GET" or "OPTIONS")
                continue;
            var name = capture["name"]!.GetValue<string>();
            var body = request["body"]?.DeepClone();
            if (body is JsonObject fields)
            {
                foreach (var (field, value) in ((string, long)[])[("is_of__device_type", fleet["is_for__device_type"]!["__id"]!.GetValue<long>()), ("is_for__device_type", fleet["is_for__device_type"]!["__id"]!.GetValue<long>()),
                    ("organization", fleet["organization"]!["__id"]!.GetValue<long>()), ("is_pinned_on__release", Id(foreign)), ("should_be_running__release", Id(release)), ("device", Id(a))])
                {
                    if (fields.ContainsKey(field))
                        fields[field] = value;
                }

                if (fields["belongs_to__application"] is { } application)
                    fields["belongs_to__application"] = application.GetValue<int>() == 1 ? Id(fleet) : Id(other);
                if (fields["uuid"] is not null)
                    fields["uuid"] = uuidA;
            }

            var authorization = request["headers"]?["Authorization"]?.GetValue<string>() ?? "";
            var token = authorization.StartsWith("Bearer eyJ", StringComparison.Ordinal) ? world.Admin : authorization.Length > 0 ? key : null;
            var answer = await world.Server.SendAsync(request["method"]!.GetValue<string>(), Map(request["path"]!.GetValue<string>()), token, body);
            var expected = Refused.Contains(name) ? 400 : capture["response"]!["status"]!.GetValue<int>();
            Assert.True(expected == answer.Status, $"{name}: {answer.Status} {answer.Text}, recorded {expected}");
            if (!Refused.Contains(name) && capture["response"]!["body"] is JsonValue sentence)
                Assert.Equal((name, sentence.GetValue<string>()), (name, answer.Sentence));
            replayed++;
        }

        Assert.True(replayed > 30, $"{replayed} exchanges replayed");
    }

    [Fact]
    public async Task Log_in_whoami_and_keys_are_answered_as_recorded()
    {
        await using var world = await World.StartAsync();
        var fleet = await world.FleetAsync("fleet-amd64", "generic-amd64");
        var device = await world.DeviceAsync(fleet);
        var account = (await world.GetAsync("/user/v1/whoami")).Json["id"]!.GetValue<long>();
        var keys = new Dictionary<string, string>
        {
            ["e5iWMnI9BAZDMNm3Qs1fmnjXZEx0siCr"] = (await world.PostAsync("/api-key/user/full", new JsonObject { ["name"] = "k" })).Json.GetValue<string>(),
            ["c3e85a7af905481ec89322324e153473"] = await world.KeyAsync("device", device, "device-api-key"),
            ["3g55zn7FgeYWKmoa7BwoL8AVVpTmpwtG"] = await world.KeyAsync("application", fleet, "provisioning-api-key"),
            ["reference_vpn_service_api_key"] = await world.Server.People.CreateServiceKeyAsync("tunnel"),
        };
        var replayed = 0;
        foreach (var capture in JsonNode.Parse(await File.ReadAllTextAsync(Recording("auth.json")))!["captures"]!.AsArray())
        {
            var name = capture!["name"]!.GetValue<string>();
            // Keys that an earlier exchange of the recording made, and the devices' own endpoints, which have their own tests.
            if (name.StartsWith("device key", StringComparison.Ordinal) || name is "second device key also works" or "list api keys" or "delete api key" or "revoked key")
                continue;
            var request = capture["request"]!;
            var body = request["body"]?.DeepClone();
            if (body is JsonObject fields)
            {
                if (fields["password"]?.GetValue<string>() == "OraclePassword01")
                    (fields["username"], fields["password"]) = (fields["username"]!.GetValue<string>().Replace("reference", "muster", StringComparison.Ordinal), StartedServer.Password);
                if (fields["actorType"] is { } type)
                    fields["actorTypeId"] = type.GetValue<string>() switch { "user" => account, "device" => Id(device), _ => Id(fleet) };
            }

            var authorization = request["headers"]?["Authorization"]?.GetValue<string>();
            var token = authorization?["Bearer ".Length..];
            if (token is not null)
                token = name.Contains("tampered", StringComparison.Ordinal) ? token : token.StartsWith("eyJ", StringComparison.Ordinal) ? world.Admin : keys.GetValueOrDefault(token, token);
            var path = keys.Aggregate(request["path"]!.GetValue<string>(), (text, key) => text.Replace(key.Key, key.Value, StringComparison.Ordinal)).Replace("/application/1/", $"/application/{Id(fleet)}/", StringComparison.Ordinal);
            var answer = await world.Server.SendAsync(request["method"]!.GetValue<string>(), path, token, body);
            var response = capture["response"]!;
            Assert.True(response["status"]!.GetValue<int>() == answer.Status, $"{name}: {answer.Status} {answer.Text}, recorded {response["status"]}");
            if (response["body"] is JsonObject document)
                Assert.Equal((name, string.Join(',', document.Select(p => p.Key))), (name, string.Join(',', answer.Json.AsObject().Select(p => p.Key))));
            else if (response["body"] is JsonValue text)
                Assert.True(answer.Status == 200 ? answer.Sentence!.Length == 32 : answer.Sentence == text.GetValue<string>(), $"{name}: {answer.Text}");
            if (answer.Status >= 400 && response["body_text"] is { } plain)
                Assert.Equal((name, plain.GetValue<string>()), (name, answer.Text));
            replayed++;
        }

        Assert.True(replayed > 30, $"{replayed} exchanges replayed");
    }

    private static string Recording(string file)
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "Muster.slnx")))
            directory = directory.Parent;
        return Path.Combine(directory.FullName, "tests", "recordings", file);
    }

    [GeneratedRegex("1451[23]")]
    private static partial Regex DeviceIds();
}
