using System.Text.Json;
using Muster.Simulator.Devices;

namespace Muster.Tests.Simulator;

/// <summary>A device against a small cloud of the test's own; time is passed in, nothing waits.</summary>
public sealed class SimulatedDeviceTests
{
    private static readonly SupervisorTimings Timings = SupervisorTimings.Stock with { PollJitter = 0, PollInterval = 60_000 };
    private readonly SimulatedDevice device = new("seed", 7, new DeviceSettings(12, "provisioning", Platform.Default, Timings));
    private readonly List<(long At, DeviceRequest Request)> sent = [];
    private readonly List<(long At, bool Up)> tunnel = [];
    private string target = "one";
    private bool registered;
    private Func<DeviceRequest, DeviceAnswer?>? instead;

    [Fact]
    public void A_new_device_registers_says_its_configuration_polls_and_reports_everything()
    {
        Run(0, 5_000);
        Assert.Equal([RequestKind.Register, RequestKind.InitialConfig, RequestKind.Poll, RequestKind.Report], sent.Select(s => s.Request.Kind).Take(4));
        using var registration = JsonDocument.Parse(sent[0].Request.Body!);
        Assert.Equal((12, device.Identity.Uuid, device.Identity.Key, "provisioning"),
            (registration.RootElement.GetProperty("application").GetInt32(), registration.RootElement.GetProperty("uuid").GetString(), registration.RootElement.GetProperty("api_key").GetString(), sent[0].Request.Key));
        var state = Reported(sent[3].Request);
        Assert.Equal("Idle", state.GetProperty("status").GetString());
        Assert.Equal(JsonValueKind.Null, state.GetProperty("provisioning_progress").ValueKind);
        Assert.Equal(48484, state.GetProperty("api_port").GetInt32());
        Assert.True(state.TryGetProperty("apps", out _));
    }

    [Fact]
    public void The_etag_is_sent_back_and_reports_follow_an_update_ten_seconds_apart_until_it_is_done()
    {
        Run(0, 200_000);
        Assert.Equal("etag-one", sent.Last(s => s.Request.Kind == RequestKind.Poll).Request.IfNoneMatch);
        var reports = sent.Where(s => s.Request.Kind == RequestKind.Report).ToArray();
        Assert.All(reports.Zip(reports.Skip(1)), pair => Assert.True(pair.Second.At - pair.First.At >= 10_000));
        Assert.Equal("done", reports[^1].Request.Claim!.UpdateStatus);
        Assert.Equal("one", reports[^1].Request.Claim!.RunningRelease);

        target = "two";
        Run(200_000, 400_000);
        var statuses = sent.Where(s => s.At >= 200_000 && s.Request.Kind == RequestKind.Report && Reported(s.Request).TryGetProperty("apps", out _)).Select(s => s.Request.Claim!.UpdateStatus!).ToArray();
        Assert.Equal("downloading", statuses[0]);
        Assert.Equal("done", statuses[^1]);
        Assert.Equal("two", device.Claim.RunningRelease);
    }

    [Fact]
    public void A_reboot_reports_everything_again_and_a_restart_of_the_supervisor_does_not()
    {
        Run(0, 200_000);
        device.RestartSupervisor(200_000);
        Run(200_000, 230_000);
        Assert.Null(sent.First(s => s.At >= 200_000 && s.Request.Kind == RequestKind.Poll).Request.IfNoneMatch);
        Assert.DoesNotContain(sent, s => s.At >= 200_000 && s.Request.Kind == RequestKind.Report && Reported(s.Request).TryGetProperty("api_port", out _));
        device.Reboot(300_000);
        Run(300_000, 400_000);
        var first = sent.First(s => s.At >= 300_000);
        Assert.Equal((320_000, RequestKind.Poll), (first.At, first.Request.Kind));
        Assert.Contains(sent, s => s.At >= 320_000 && s.Request.Kind == RequestKind.Report && Reported(s.Request).TryGetProperty("api_port", out _));
    }

    [Fact]
    public void Without_power_nothing_is_sent_and_the_tunnel_ends_after_its_silence()
    {
        Run(0, 100_000);
        Assert.Equal((true, 1), (device.Tunnel.IsUp, tunnel.Count));
        device.Suffer(DeviceCondition.Healthy with { Powered = false }, 100_000);
        Run(100_000, 300_000);
        Assert.DoesNotContain(sent, s => s.At >= 100_000);
        Assert.Equal((219_000, false), tunnel[^1]);
        device.Suffer(DeviceCondition.Healthy, 300_000);
        Run(300_000, 400_000);
        Assert.Equal(320_000, sent.First(s => s.At >= 300_000).At);
        Assert.Equal((323_000, true), tunnel[^1]);
    }

    [Fact]
    public void A_closed_way_ends_the_tunnel_at_once_and_leaves_the_heartbeat_alone()
    {
        Run(0, 100_000);
        device.Suffer(DeviceCondition.Healthy with { TunnelOpen = false }, 100_000);
        Run(100_000, 300_000);
        Assert.Equal((100_000, false), tunnel[^1]);
        Assert.True(sent.Count(s => s.At >= 100_000 && s.Request.Kind == RequestKind.Poll) >= 3);
    }

    [Fact]
    public void A_report_only_device_reports_and_does_not_poll()
    {
        Run(0, 100_000);
        device.Suffer(DeviceCondition.Healthy with { PollsStopped = true }, 100_000);
        target = "two";
        Run(100_000, 2_000_000);
        Assert.DoesNotContain(sent, s => s.At >= 100_000 && s.Request.Kind == RequestKind.Poll);
        Assert.Contains(sent, s => s.At >= 100_000 && s.Request.Kind == RequestKind.Report);
    }

    [Fact]
    public void An_os_update_speaks_through_the_os_own_tool_and_ends_with_a_reboot()
    {
        Run(0, 100_000);
        device.Suffer(DeviceCondition.Healthy with { OsUpdate = true }, 100_000);
        Run(100_000, 200_000);
        var during = sent.Where(s => s.At >= 100_000).Select(s => s.Request).ToArray();
        Assert.All(during, r => Assert.Equal(RequestKind.OsProgress, r.Kind));
        Assert.Equal("provisioning_progress=5&provisioning_state=Preparing%20OS%20update&status=configuring", during[0].Body);
        Assert.Equal($"/v6/device(uuid='{device.Identity.Uuid}')", during[0].Path);
        Assert.Equal(100, during[^1].Claim!.OsProgress);
        device.Suffer(DeviceCondition.Healthy, 200_000);
        Run(200_000, 300_000);
        var first = sent.First(s => s.At >= 200_000 && s.Request.Kind == RequestKind.Report).Request;
        Assert.Null(first.Claim!.OsProgress);
        Assert.EndsWith("+rev1", Reported(first).GetProperty("os_version").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_known_uuid_leads_to_the_key_exchange()
    {
        registered = true;
        var uuid = device.Identity.Uuid;
        var lookUps = 0;
        instead = request => request.Kind == RequestKind.LookUp && lookUps++ == 0 ? new DeviceAnswer(401, null, "") : null;
        Run(0, 5_000);
        Assert.Equal([RequestKind.Register, RequestKind.LookUp, RequestKind.LookUp, RequestKind.ExchangeKey], sent.Select(s => s.Request.Kind).Take(4));
        Assert.Equal([device.Identity.Key, "provisioning"], sent.Where(s => s.Request.Kind == RequestKind.LookUp).Select(s => s.Request.Key));
        Assert.Equal(uuid, device.Identity.Uuid);
        Assert.True(device.IsRegistered);
    }

    [Fact]
    public void A_key_exchange_that_fails_makes_a_new_device()
    {
        registered = true;
        var uuid = device.Identity.Uuid;
        instead = request => request.Kind == RequestKind.LookUp ? new DeviceAnswer(200, null, """{"d":[]}""") : null;
        Run(0, 29_000);
        Assert.NotEqual(uuid, device.Identity.Uuid);
        registered = false;
        instead = null;
        Run(29_000, 40_000);
        Assert.Equal(30_000, sent.Last(s => s.Request.Kind == RequestKind.Register).At);
        Assert.True(device.IsRegistered);
    }

    [Theory]
    [InlineData(200)]
    [InlineData(401)]
    [InlineData(503)]
    public void A_registration_that_is_not_answered_201_is_tried_again_every_30_s(int status)
    {
        instead = request => request.Kind == RequestKind.Register ? new DeviceAnswer(status, null, """{"id":3}""") : null;
        Run(0, 100_000);
        Assert.Equal([0, 30_000, 60_000, 90_000], sent.Select(s => s.At));
    }

    [Fact]
    public void The_device_takes_its_poll_interval_from_the_configuration()
    {
        Run(0, 100_000);
        Assert.Equal(20_000, device.PollInterval);
        var polls = sent.Where(s => s.Request.Kind == RequestKind.Poll).Select(s => s.At).ToArray();
        Assert.Equal([0, 60_000, 80_000], polls.Take(3));
    }

    [Fact]
    public void The_same_seed_makes_the_same_device()
    {
        var settings = new DeviceSettings(1, "", Platform.Default, Timings);
        Assert.Equal(new SimulatedDevice("a", 3, settings).Identity, new SimulatedDevice("a", 3, settings).Identity);
        Assert.NotEqual(new SimulatedDevice("a", 3, settings).Identity, new SimulatedDevice("b", 3, settings).Identity);
        Assert.Matches("^[0-9a-f]{32}$", device.Identity.Uuid);
    }

    private void Run(long from, long until)
    {
        if (from == 0)
            device.SwitchOn(0);
        var now = from;
        while (true)
        {
            while (device.Take(now) is { } request)
            {
                sent.Add((now, request));
                device.Answered(request, instead?.Invoke(request) ?? Answer(request), now);
            }

            if (device.Tunnel.Take(now) is { } up)
                tunnel.Add((now, up));
            if (device.NextDue >= until)
                return;
            now = Math.Max(now, device.NextDue);
        }
    }

    private DeviceAnswer Answer(DeviceRequest request) => request.Kind switch
    {
        RequestKind.Register => registered ? new(409, null, "\"uuid must be unique\"") : new(201, null, """{"id":3}"""),
        RequestKind.LookUp => new(200, null, """{"d":[{"id":3}]}"""),
        RequestKind.Poll when request.IfNoneMatch == $"etag-{target}" => new(304, request.IfNoneMatch, ""),
        RequestKind.Poll => new(200, $"etag-{target}", Target()),
        _ => new(200, null, "OK"),
    };

    private string Target() =>
        """
        {"UUID":{"name":"x","config":{"RESIN_SUPERVISOR_POLL_INTERVAL":"20000"},"apps":{"app":{"id":1,"name":"f","class":"fleet","releases":{"COMMIT":{"id":1,
        "services":{"main":{"id":1,"image_id":1,"image":"registry/v2/COMMIT@sha256:0","environment":{},"labels":{}}},"volumes":{},"networks":{}}}}}}}
        """.Replace("UUID", device.Identity.Uuid, StringComparison.Ordinal).Replace("COMMIT", target, StringComparison.Ordinal);

    private JsonElement Reported(DeviceRequest request) => JsonDocument.Parse(request.Body!).RootElement.GetProperty(device.Identity.Uuid);
}
