using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Muster.Core.Access;
using Muster.Server.Presence;
using Muster.Tests.Cloudlink;
using Muster.Tests.Storage;

namespace Muster.Tests.Resources;

/// <summary>A started server with a fleet whose devices it knows, written past its API.</summary>
public sealed class ServerWithFleet : IAsyncDisposable
{
    private const string Password = "a long enough one";
    private static int people;

    private ServerWithFleet(StartedServer server, FleetFixture fixture, FixtureFleet fleet, string admin) =>
        (Server, Fixture, Fleet, Admin) = (server, fixture, fleet, admin);

    public StartedServer Server { get; }

    public FleetFixture Fixture { get; }

    public FixtureFleet Fleet { get; }

    /// <summary>Token of the server's administrator.</summary>
    public string Admin { get; }

    internal FleetPresence Presence => Server.Services.GetRequiredService<FleetPresence>();

    public static async Task<ServerWithFleet> StartAsync(string kind = TestDatabases.Sqlite, Action<WebApplicationBuilder>? configure = null)
    {
        var server = await StartedServer.StartAsync(kind, configure);
        var fixture = new FleetFixture(server.Database);
        return new(server, fixture, await fixture.AddFleetAsync(), await server.LogInAsync());
    }

    /// <summary>A server that reaches its devices through this proxy.</summary>
    internal static Task<ServerWithFleet> StartAsync(TunnelServer tunnel, string kind = TestDatabases.Sqlite) =>
        StartAsync(kind, builder => builder.Configuration["Cloudlink:ProxyPort"] = tunnel.Port.ToString(CultureInfo.InvariantCulture));

    public Task<FixtureDevice> AddDeviceAsync() => AddDeviceAsync(Fleet);

    public async Task<FixtureDevice> AddDeviceAsync(FixtureFleet fleet)
    {
        var device = await Fixture.AddDeviceAsync(fleet);
        await Presence.ChangedAsync(new InputChange("registration") { Added = [device.Id] });
        return device;
    }

    /// <summary>A device with a cloudlink, whose supervisor's key is "supsecret".</summary>
    public async Task<FixtureDevice> AddConnectedDeviceAsync()
    {
        var device = await AddDeviceAsync();
        var instance = await Fixture.AddServiceInstanceAsync();
        await Presence.CloudlinkAsync(instance, [device.Uuid], connected: true, epoch: 0, CancellationToken.None);
        await Fixture.DoAsync("UPDATE device SET api_port = 48484, api_secret = 'supsecret' WHERE id = @p0", device.Id);
        return device;
    }

    /// <summary>Token of somebody who has this role in the fleet's organization and in no other.</summary>
    public async Task<string> LogInAsAsync(Role role, FixtureFleet? fleet = null)
    {
        var name = $"person{Interlocked.Increment(ref people)}";
        await Server.People.CreateUserAsync($"{name}@muster.test", Password);
        var handle = await Fixture.ReadAsync("SELECT handle FROM organization WHERE id = @p0", (fleet ?? Fleet).OrganizationId);
        await Server.People.JoinAsync(name, (string)handle!, role);
        return await Server.LogInAsync(name, Password);
    }

    public async Task PollAsync(FixtureDevice device)
    {
        Assert.Equal(DeviceAuth.Ok, Presence.Authenticate(device.Uuid, device.Key, out var slot));
        await Presence.PolledAsync(slot);
    }

    public Task<Answer> GetAsync(string path, string? token) => Server.SendAsync("GET", path, token);

    public Task<Answer> PostAsync(string path, string? token, JsonNode? body) => Server.SendAsync("POST", path, token, body);

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}
