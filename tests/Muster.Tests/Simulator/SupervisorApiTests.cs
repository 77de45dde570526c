using System.Text.Json;
using Muster.Simulator.Devices;
using Muster.Simulator.Fleet;
using Muster.Simulator.Scenarios;

namespace Muster.Tests.Simulator;

/// <summary>A simulated device's answers to what a cloud calls on its supervisor.</summary>
public sealed class SupervisorApiTests
{
    private const long Fleet = 12;
    private static readonly SupervisorTimings Timings = SupervisorTimings.Stock with { PollJitter = 0, PollInterval = 60_000 };
    private readonly SimulatedDevice device = new("seed", 7, new DeviceSettings(Fleet, "provisioning", Platform.Default, Timings));
    private readonly List<DeviceRequest> sent = [];
    private long now;

    public SupervisorApiTests()
    {
        device.SwitchOn(0);
        Run(until: 120_000);
        Assert.Equal("done", device.Claim.UpdateStatus);
    }

    [Theory]
    [InlineData("GET", "/ping", 200)]
    [InlineData("GET", "/v1/healthy", 200)]
    [InlineData("POST", "/v1/blink", 401)]
    [InlineData("POST", "/v1/reboot", 401)]
    [InlineData("GET", "/v2/state/status", 401)]
    public void Only_the_signs_of_life_need_no_key(string method, string path, int status) =>
        Assert.Equal(status, SupervisorApi.Answer(device, new(method, path, null, ""), now).Status);

    [Theory]
    [InlineData("POST", "/v1/blink", "", 200, null)]
    [InlineData("POST", "/v1/update", "", 204, null)]
    [InlineData("POST", "/v1/reboot", "{\"force\":false}", 202, TroubleKind.Reboot)]
    [InlineData("POST", "/v1/shutdown", "", 202, TroubleKind.Shutdown)]
    [InlineData("POST", "/v1/restart", "{\"appId\":12}", 200, null)]
    [InlineData("POST", "/v1/restart", "{\"appId\":13}", 404, null)]
    [InlineData("POST", "/v1/purge", "{\"appId\":12}", 200, null)]
    [InlineData("POST", "/v2/applications/12/restart-service", "{\"imageId\":5}", 200, null)]
    [InlineData("POST", "/v2/applications/12/stop-service", "{\"serviceName\":\"main\"}", 200, null)]
    [InlineData("POST", "/v2/applications/12/stop-service", "{\"imageId\":6}", 404, null)]
    [InlineData("POST", "/v1/blink", "no json", 400, null)]
    [InlineData("GET", "/v1/device", "", 200, null)]
    [InlineData("GET", "/v1/nothing", "", 404, null)]
    public void Calls_are_answered_as_a_supervisor_answers_them(string method, string path, string body, int status, TroubleKind? then)
    {
        var reply = Call(method, path, body);
        Assert.Equal((status, then), (reply.Status, reply.Then));
    }

    [Fact]
    public void An_update_lock_refuses_what_would_stop_services_unless_it_is_forced()
    {
        device.Suffer(DeviceCondition.Healthy with { LockHeld = true }, now);
        Assert.Equal(423, Call("POST", "/v1/reboot", "{\"force\":false}").Status);
        Assert.Equal(423, Call("POST", "/v1/restart", "{\"appId\":12}").Status);
        Assert.Equal(200, Call("POST", "/v1/blink", "").Status);
        Assert.Equal((202, TroubleKind.Reboot), (Call("POST", "/v1/reboot", "{\"force\":true}").Status, Call("POST", "/v1/reboot", "{\"force\":true}").Then));
    }

    [Fact]
    public void Update_polls_at_once()
    {
        Run(until: now + 5_000);
        sent.Clear();
        Call("POST", "/v1/update", "");
        Run(until: now + 1);
        Assert.Equal(RequestKind.Poll, Assert.Single(sent).Kind);
    }

    [Fact]
    public void A_stopped_service_is_reported_as_exited_until_it_is_started()
    {
        Call("POST", "/v2/applications/12/stop-service", "{\"imageId\":5}");
        Assert.Equal("exited", Container());
        Run(until: now + 20_000);
        Assert.Contains("\"exited\"", sent.Last(r => r.Kind == RequestKind.Report).Body, StringComparison.Ordinal);
        Call("POST", "/v2/applications/12/start-service", "{\"imageId\":5}");
        Assert.Equal("Running", Container());
    }

    [Fact]
    public void A_restart_is_applied_and_done_again()
    {
        Call("POST", "/v1/restart", "{\"appId\":12}");
        Assert.Equal("applying changes", device.Claim.UpdateStatus);
        Run(until: now + 20_000);
        Assert.Equal("done", device.Claim.UpdateStatus);
    }

    [Fact]
    public void A_device_that_was_shut_down_is_switched_on_again_after_ten_minutes()
    {
        Run(until: now + 5_000);
        device.Shutdown(now);
        var off = now;
        sent.Clear();
        Run(until: off + 600_000);
        Assert.Empty(sent);
        Assert.Equal(("off", false), (device.Word, device.Tunnel.IsUp));
        Run(until: off + 660_000);
        Assert.NotEmpty(sent);
        Assert.True(device.Tunnel.IsUp);
    }

    private SupervisorReply Call(string method, string path, string body) => SupervisorApi.Answer(device, new(method, path, device.ApiSecret, body), now);

    private string? Container()
    {
        using var state = JsonDocument.Parse(Call("GET", "/v2/state/status", "").Body);
        return state.RootElement.GetProperty("containers")[0].GetProperty("status").GetString();
    }

    private void Run(long until)
    {
        for (; now <= until; now = Math.Max(now + 1, Math.Min(device.NextDue, until + 1)))
        {
            while (device.Take(now) is { } request)
            {
                sent.Add(request);
                device.Answered(request, Answer(request), now);
            }

            device.Tunnel.Take(now);
        }

        now = until;
    }

    private DeviceAnswer Answer(DeviceRequest request) => request.Kind switch
    {
        RequestKind.Register => new(201, null, "{\"id\":1}"),
        RequestKind.Poll when request.IfNoneMatch == "one" => new(304, null, ""),
        RequestKind.Poll => new(200, "one", """
            {"UUID":{"name":"d","config":{},"apps":{"app":{"id":12,"name":"a","is_host":false,"class":"fleet","releases":{"one":{"id":2,
            "services":{"main":{"id":3,"image_id":5,"image":"main","environment":{},"labels":{},"composition":{}}},"volumes":{},"networks":{}}}}}}}
            """.Replace("UUID", device.Identity.Uuid, StringComparison.Ordinal)),
        _ => new(201, null, "{\"id\":1}"),
    };
}
