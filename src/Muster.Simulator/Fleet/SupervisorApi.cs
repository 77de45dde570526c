using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Muster.Simulator.Devices;
using Muster.Simulator.Scenarios;

namespace Muster.Simulator.Fleet;

/// <param name="Path">Without the query.</param>
/// <param name="Key">The key shown, or null.</param>
public sealed record SupervisorCall(string Method, string Path, string? Key, string Body);

/// <param name="Then">What the device goes through because of the call.</param>
public sealed record SupervisorReply(int Status, string ContentType, string Body, TroubleKind? Then = null);

/// <summary>The supervisor's own API, as far as a cloud calls it (docs/device-protocol.md, "The supervisor's API").</summary>
public static class SupervisorApi
{
    private static readonly SupervisorReply Ok = new(200, "text/plain", "OK");
    private static readonly SupervisorReply NoSuchApp = new(404, "text/plain", "App not found");
    private static readonly SupervisorReply NoSuchService = new(404, "text/plain", "Service not found");

    /// <summary>Acts on the device, but for <see cref="SupervisorReply.Then"/>, which is the caller's to do.</summary>
    public static SupervisorReply Answer(SimulatedDevice device, SupervisorCall call, long now)
    {
        switch (call.Method, call.Path)
        {
            case ("GET", "/ping"):
                return Ok;
            case ("GET", "/v1/healthy"):
                return device.IsHealthy(now) ? Ok : new(500, "text/plain", "Unhealthy");
        }

        if (call.Key != device.ApiSecret)
            return new(401, "text/plain", "Unauthorized");
        if (!TryArguments(call.Body, out var arguments))
            return new(400, "text/plain", "Bad Request");
        var force = arguments["force"] is JsonValue value && value.TryGetValue(out bool forced) && forced;
        return (call.Method, call.Path) switch
        {
            ("POST", "/v1/blink") => Ok,
            ("POST", "/v1/update") => Update(device, force, arguments, now),
            ("POST", "/v1/reboot") => Unlocked(device, force, () => new(202, "application/json", """{"Data":"OK","Error":null}""", TroubleKind.Reboot)),
            ("POST", "/v1/shutdown") => Unlocked(device, force, () => new(202, "application/json", """{"Data":"OK","Error":null}""", TroubleKind.Shutdown)),
            ("POST", "/v1/restart") => OfApp(device, arguments["appId"]?.ToString(), () => Unlocked(device, force, () => Restarted(device, null, Ok, now))),
            ("POST", "/v1/purge") => OfApp(device, arguments["appId"]?.ToString(), () => Unlocked(device, force, () => Restarted(device, null, new(200, "application/json", """{"Data":"OK","Error":""}"""), now))),
            ("GET", "/v1/device") => Json(State(device)),
            ("GET", "/v2/state/status") => Json(Status(device)),
            ("POST", _) when call.Path.Split('/') is ["", "v2", "applications", var app, "restart-service" or "start-service" or "stop-service"] =>
                OfApp(device, app, () => OfService(device, call.Path.Split('/')[^1], arguments, force, now)),
            _ => new(404, "text/plain", "Not Found"),
        };
    }

    private static bool TryArguments(string body, out JsonObject arguments)
    {
        arguments = [];
        if (string.IsNullOrWhiteSpace(body))
            return true;
        try
        {
            if (JsonNode.Parse(body) is not JsonObject given)
                return false;
            arguments = given;
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static SupervisorReply Update(SimulatedDevice device, bool force, JsonObject arguments, long now)
    {
        if (!force && !device.TakesInstantUpdates)
            return new(202, "text/plain", "");
        var cancel = arguments["cancel"] is JsonValue value && value.TryGetValue(out bool cancelled) && cancelled;
        device.PollNow(force, cancel, now);
        return new(204, "text/plain", "");
    }

    private static SupervisorReply Unlocked(SimulatedDevice device, bool force, Func<SupervisorReply> then) =>
        device.Condition.LockHeld && !force
            ? new(423, "application/json", """{"Data":"","Error":"Updates are locked: a lockfile exists on the device"}""")
            : then();

    private static SupervisorReply OfApp(SimulatedDevice device, string? app, Func<SupervisorReply> then) =>
        app == device.FleetId.ToString(CultureInfo.InvariantCulture) ? then() : NoSuchApp;

    private static SupervisorReply OfService(SimulatedDevice device, string verb, JsonObject arguments, bool force, long now)
    {
        var (name, image) = (arguments["serviceName"]?.ToString(), arguments["imageId"]?.ToString());
        var service = device.Services.FirstOrDefault(s => name is not null ? s.Name == name : image is not null && s.ImageId?.ToString(CultureInfo.InvariantCulture) == image);
        if (service is null)
            return NoSuchService;
        switch (verb)
        {
            case "start-service":
                device.SetService(service.Name, isStopped: false, now);
                return Ok;
            case "stop-service":
                return Unlocked(device, force, () =>
                {
                    device.SetService(service.Name, isStopped: true, now);
                    return Ok;
                });
            default:
                return Unlocked(device, force, () => Restarted(device, service.Name, Ok, now));
        }
    }

    private static SupervisorReply Restarted(SimulatedDevice device, string? service, SupervisorReply done, long now) =>
        device.RestartServices(service, now) ? done : new(503, "text/plain", "An update is being applied");

    private static JsonObject State(SimulatedDevice device) => new()
    {
        ["api_port"] = 48484,
        ["ip_address"] = device.Identity.Address,
        ["mac_address"] = device.Identity.MacAddress,
        ["commit"] = device.Claim.RunningRelease,
        ["status"] = "Idle",
        ["download_progress"] = null,
        ["os_version"] = device.OsVersion,
        ["supervisor_version"] = device.SupervisorVersion,
        ["update_pending"] = device.Claim.UpdateStatus is not (null or "done"),
        ["update_downloaded"] = device.Claim.UpdateStatus is "downloaded" or "applying changes",
        ["update_failed"] = device.Claim.UpdateStatus is "rejected",
    };

    private static JsonObject Status(SimulatedDevice device)
    {
        JsonObject Service(TargetService service, string status) => new()
        {
            ["status"] = status,
            ["serviceName"] = service.Name,
            ["appId"] = device.FleetId,
            ["imageId"] = service.ImageId,
            ["serviceId"] = service.ServiceId,
        };
        return new()
        {
            ["status"] = "success",
            ["appState"] = device.Claim.UpdateStatus is null or "done" ? "applied" : "applying",
            ["overallDownloadProgress"] = null,
            ["containers"] = new JsonArray([.. device.Services.Select(s => (JsonNode)Service(s, device.IsStopped(s.Name) ? "exited" : "Running"))]),
            ["images"] = new JsonArray([.. device.Services.Select(s => (JsonNode)Service(s, "Downloaded"))]),
            ["release"] = device.Claim.RunningRelease,
        };
    }

    private static SupervisorReply Json(JsonObject body) => new(200, "application/json", body.ToJsonString());
}
