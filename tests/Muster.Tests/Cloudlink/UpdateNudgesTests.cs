using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Muster.Server.Presence;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink;

/// <summary>A change of what devices should run reaches those that are connected at once, each once, and no slow one holds up another.</summary>
public sealed class UpdateNudgesTests
{
    [Fact]
    public async Task A_changed_input_of_the_target_state_makes_connected_devices_look_at_it()
    {
        var calls = Channel.CreateUnbounded<SupervisorCall>();
        using var tunnel = new TunnelServer(call =>
        {
            calls.Writer.TryWrite(call);
            return TunnelServer.Http(204, null, "");
        });
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var device = await server.AddConnectedDeviceAsync();
        await server.Presence.ChangedAsync(new InputChange("release") { Fleets = [server.Fleet.Id] });
        Assert.Equal(new($"{device.Uuid}.balena:48484", "POST", "/v1/update?apikey=supsecret", ""), await calls.Reader.ReadAsync());
        await server.Presence.ChangedAsync(new InputChange("pin") { Devices = [device.Id] });
        Assert.Equal("/v1/update?apikey=supsecret", (await calls.Reader.ReadAsync()).Url);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Whatever_of_the_target_state_people_change_the_devices_concerned_look_at_it(string kind)
    {
        var calls = Channel.CreateUnbounded<string>();
        using var tunnel = Heard(calls);
        await using var server = await ServerWithFleet.StartAsync(tunnel, kind);
        var (device, other) = (await server.AddConnectedDeviceAsync(), await server.AddConnectedDeviceAsync());
        var release = await server.Fixture.AddReleaseAsync(server.Fleet, "main");
        await server.Presence.ChangedAsync(new InputChange("release") { Fleets = [server.Fleet.Id] });
        await HearAsync(calls, device, other);

        async Task Write(string method, string path, JsonObject body, params FixtureDevice[] concerned)
        {
            var answer = await server.Server.SendAsync(method, path, server.Admin, body);
            Assert.True(answer.Status is 200 or 201, $"{path}: {answer.Status} {answer.Text}");
            await HearAsync(calls, concerned);
        }

        await Write("PATCH", $"/v7/device({device.Id})", new() { ["is_pinned_on__release"] = release.Id }, device);
        await Write("POST", "/v7/device_environment_variable", new() { ["device"] = device.Id, ["name"] = "A", ["value"] = "1" }, device);
        await Write("POST", "/v7/device_config_variable", new() { ["device"] = device.Id, ["name"] = "BALENA_HOST_CONFIG_gpu_mem", ["value"] = "16" }, device);
        await Write("POST", "/v7/application_environment_variable", new() { ["application"] = server.Fleet.Id, ["name"] = "A", ["value"] = "1" }, device, other);
        var service = (long)(await server.Fixture.ReadAsync("SELECT id FROM service WHERE fleet_id = @p0", server.Fleet.Id))!;
        await Write("POST", "/v7/service_environment_variable", new() { ["service"] = service, ["name"] = "B", ["value"] = "1" }, device, other);
        await Write("PATCH", $"/v7/application({server.Fleet.Id})", new() { ["should_be_running__release"] = release.Id, ["should_track_latest_release"] = false }, device, other);
        Assert.False(calls.Reader.TryRead(out _));
    }

    [Fact]
    public async Task A_hundred_changes_at_once_are_one_look()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        var calls = Channel.CreateUnbounded<string>();
        using var tunnel = Heard(calls);
        await using var server = await ServerWithFleet.StartAsync(configure: builder =>
        {
            builder.Configuration["Cloudlink:ProxyPort"] = tunnel.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
            builder.Services.AddSingleton<TimeProvider>(time);
        });
        var device = await server.AddConnectedDeviceAsync();
        for (var i = 0; i < 100; i++)
            await server.Presence.ChangedAsync(new InputChange("variable") { Devices = [device.Id] });
        await Eventually.HoldsAsync(() =>
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            return calls.Reader.Count > 0;
        });
        for (var i = 0; i < 20; i++)
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(5);
        }

        Assert.Equal(1, calls.Reader.Count);
    }

    [Fact]
    public async Task Of_a_whole_fleet_each_device_is_asked_once_and_a_slow_one_holds_up_nobody()
    {
        const int devices = 200;
        var asked = new ConcurrentDictionary<string, int>();
        var ever = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var tunnel = TunnelServer.Slow(async call =>
        {
            if (asked.AddOrUpdate(call.Target, 1, (_, times) => times + 1) == 1 && asked.Count <= 5)
                await ever.Task;
            return TunnelServer.Http(204, null, "");
        });
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var instance = await server.Fixture.AddServiceInstanceAsync();
        List<FixtureDevice> fleet = [];
        for (var i = 0; i < devices; i++)
            fleet.Add(await server.Fixture.AddDeviceAsync(server.Fleet));
        await server.Presence.ChangedAsync(new InputChange("registration") { Added = [.. fleet.Select(d => d.Id)] });
        await server.Presence.CloudlinkAsync(instance, [.. fleet.Select(d => d.Uuid)], connected: true, epoch: 0, CancellationToken.None);
        await server.Presence.ChangedAsync(new InputChange("release") { Fleets = [server.Fleet.Id] });
        await Eventually.HoldsAsync(() => asked.Count == devices);
        ever.SetResult();
        Assert.All(asked, target => Assert.Equal(1, target.Value));
    }

    private static TunnelServer Heard(Channel<string> calls) => new(call =>
    {
        calls.Writer.TryWrite($"{call.Target} {call.Url}");
        return TunnelServer.Http(204, null, "");
    });

    private static async Task HearAsync(Channel<string> calls, params FixtureDevice[] devices)
    {
        HashSet<string> heard = [];
        for (var i = 0; i < devices.Length; i++)
            heard.Add(await calls.Reader.ReadAsync());
        Assert.Equal([.. devices.Select(d => $"{d.Uuid}.balena:48484 /v1/update?apikey=supsecret").Order()], heard.Order());
    }
}
