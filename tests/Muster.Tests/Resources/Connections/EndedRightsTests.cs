using System.Globalization;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Muster.Core.Access;
using Muster.Protocol.Cloudlink;
using Muster.Server.Dashboard.Actions;
using Muster.Server.Presence;
using Muster.Server.Resources.Connections;
using Muster.Tests.Cloudlink;
using Muster.Tests.Cloudlink.Access;
using Muster.Tests.Cloudlink.WebSockets;
using Muster.Tests.Storage;

namespace Muster.Tests.Resources.Connections;

/// <summary>What is open ends when its right ends, whatever it is and however the right ended.</summary>
public sealed class EndedRightsTests
{
    /// <summary>What clients hold open: closed before the server stops, which would wait for it.</summary>
    private readonly List<IDisposable> clients = [];

    private const string Domain = "devices.test";

    /// <summary>Ten seconds are promised; a machine at its limit may need longer, and only a failure waits so long.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    private static readonly string[] OfPerson = ["sign-out", "password", "account removed", "membership removed", "role lowered", "key revoked", "key expired"];

    public static TheoryData<string> Endings => [.. OfPerson, "device moved away", "device deleted", "fleet deleted"];

    [Theory, MemberData(nameof(Endings))]
    public async Task Streams_and_tunnels_end_with_the_right_to_them(string ending)
    {
        await using var server = await ServerWithFleet.StartAsync();
        using var device = await TunnelledTestDevice.ConnectAsync(server);
        device.ListenEcho(7);
        var person = await PersonAsync(server);
        var credential = ending.StartsWith("key", StringComparison.Ordinal)
            ? (await server.PostAsync("/api-key/user/full", person.Token, new JsonObject { ["name"] = "theirs" })).Json.GetValue<string>()
            : person.Token;
        var theirs = await OpenAllAsync(server, device, credential);
        var others = await OpenAllAsync(server, device, await server.LogInAsAsync(Role.Administrator));
        var registry = server.Server.Services.GetRequiredService<OpenConnections>();
        await Eventually.HoldsAsync(() => registry.List().Count(c => c.What is "tunnel" || c.What.StartsWith('/')) == 10);

        await EndAsync(server, ending, person, device.Device);

        string[] expected = ending switch
        {
            "device moved away" or "device deleted" => ["events of the device", "log", "tunnel"],
            "fleet deleted" => ["events of the device", "events of the fleet", "log", "tunnel"],
            _ => [.. theirs.Keys],
        };
        foreach (var kind in expected)
            await EndsAsync(kind, theirs[kind]);
        if (OfPerson.Contains(ending))
            Assert.Empty(others.Where(o => o.Value.IsCompleted).Select(o => o.Key));
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task The_stream_of_a_fleet_that_its_reader_does_not_see_tells_nothing_of_the_fleets_end()
    {
        await using var server = await ServerWithFleet.StartAsync();
        await server.AddDeviceAsync();
        var elsewhere = await server.Fixture.AddFleetAsync();
        var query = $"?fleet={server.Fleet.Id}";
        var strangers = await EventsAsync(server, await server.LogInAsAsync(Role.Administrator, elsewhere), query);
        var members = await EventsAsync(server, await server.LogInAsAsync(Role.Observer), query);
        Assert.Equal(200, (await server.Server.SendAsync("DELETE", $"/v7/application({server.Fleet.Id})", server.Admin)).Status);
        await EndsAsync("events of the fleet", members);
        // Both are looked at in one round; what is to end has ended.
        await Task.Delay(TimeSpan.FromSeconds(1));
        Assert.False(strangers.IsCompleted);
        clients.ForEach(client => client.Dispose());
    }

    [Theory, InlineData("key revoked"), InlineData("key expired"), InlineData("device deleted")]
    public async Task What_a_device_holds_open_ends_with_its_key(string ending)
    {
        await using var server = await ServerWithFleet.StartAsync();
        var (device, other) = (await server.AddDeviceAsync(), await server.AddDeviceAsync());
        var service = await server.Server.People.CreateServiceKeyAsync("tunnel");
        var instance = await server.Fixture.AddServiceInstanceAsync();
        foreach (var outside in (FixtureDevice[])[device, other])
        {
            Assert.Equal(200, (await server.GetAsync($"/services/vpn/auth/{outside.Uuid}", outside.Key)).Status);
            Assert.Equal(200, (await server.PostAsync("/services/vpn/client-connect", service, new JsonObject { ["serviceId"] = instance, ["uuids"] = new JsonArray(outside.Uuid) })).Status);
        }

        using var link = await RawLink.OpenAsync(server, device);
        await link.WelcomeAsync();
        using var otherLink = await RawLink.OpenAsync(server, other);
        await otherLink.WelcomeAsync();
        using var upload = new PipedContent();
        _ = UploadAsync(server, device, upload);
        await upload.WriteAsync("{\"message\":\"first\",\"timestamp\":1}\n");
        // The client's end waits for its own body: what counts is that the server reads no more of it.
        var registry = server.Server.Services.GetRequiredService<OpenConnections>();
        await Eventually.HoldsAsync(() => registry.List().Any(c => c.What == "device log"));
        var events = await EventsAsync(server, device.Key, "");

        await EndDeviceAsync(server, ending, device);

        await EndsAsync("cloudlink", LinkEndsAsync(link));
        await Eventually.HoldsAsync(() => registry.List().All(c => c.What != "device log"));
        await EndsAsync("events", events);
        if (ending != "device deleted")
            await Eventually.HoldsAsync(async () => await ConnectedAsync(server, device) == 0);
        Assert.Equal(1, await ConnectedAsync(server, other));
        Assert.Equal(401, (await server.GetAsync($"/services/vpn/auth/{device.Uuid}", device.Key)).Status);
    }

    [Fact]
    public async Task The_sessions_of_a_tunnel_server_end_with_its_key()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        var (service, stays) = (await server.Server.People.CreateServiceKeyAsync("ends"), await server.Server.People.CreateServiceKeyAsync("stays"));
        var (instance, second) = (await server.Fixture.AddServiceInstanceAsync(), await server.Fixture.AddServiceInstanceAsync());
        var other = await server.AddDeviceAsync();
        await server.PostAsync("/services/vpn/client-connect", service, new JsonObject { ["serviceId"] = instance, ["uuids"] = new JsonArray(device.Uuid) });
        await server.PostAsync("/services/vpn/client-connect", stays, new JsonObject { ["serviceId"] = second, ["uuids"] = new JsonArray(other.Uuid) });
        Assert.Equal(1, await ConnectedAsync(server, device));

        await server.Fixture.DoAsync("DELETE FROM api_key WHERE name = 'ends'");

        await Eventually.HoldsAsync(async () => await ConnectedAsync(server, device) == 0);
        Assert.Equal(1, await ConnectedAsync(server, other));
    }

    [Theory, InlineData("switched off"), InlineData("device deleted")]
    public async Task A_request_to_a_devices_public_address_ends_with_the_address(string ending)
    {
        await using var server = await ServerWithFleet.StartAsync(configure: builder => builder.Configuration["Cloudlink:DeviceUrls:Domain"] = Domain);
        using var device = await TunnelledTestDevice.ConnectAsync(server);
        await server.Fixture.DoAsync("UPDATE device SET is_web_accessible = 1 WHERE id = @p0", device.Device.Id);
        device.Listen(80, async stream =>
        {
            _ = await stream.ReadAtLeastAsync(new byte[4096], 1);
            await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nfirst"u8.ToArray());
            await Task.Delay(Limit * 2);
        });
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Server.Address, "/")) { Headers = { Host = $"{device.Uuid}.{Domain}" } };
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        var end = ToEndAsync(await response.Content.ReadAsStreamAsync());

        var path = $"/v7/device(uuid='{device.Uuid}')";
        Assert.Equal(200, ending == "switched off"
            ? (await server.Server.SendAsync("PATCH", path, server.Admin, new JsonObject { ["is_web_accessible"] = false })).Status
            : (await server.Server.SendAsync("DELETE", path, server.Admin)).Status);

        await EndsAsync("device URL", end);
    }

    [Theory, InlineData("sign-out"), InlineData("signed out by the API"), InlineData("password"), InlineData("account removed")]
    public async Task Pages_end_with_their_session_and_the_cookie_is_worth_nothing_then(string ending)
    {
        await using var server = await ServerWithFleet.StartAsync();
        var device = await server.AddDeviceAsync();
        var person = await PersonAsync(server);
        using var browser = await PageSession.SignInAsync(server.Server, person.Name, Person.Password, "first");
        using var elsewhere = await PageSession.SignInAsync(server.Server, person.Name, Person.Password);
        var cookie = browser.Cookie;
        Assert.Equal(200, await browser.StatusAsync("/account"));
        var log = ToEndAsync(await browser.StreamAsync($"/dashboard/devices/{device.Uuid}/logs"));
        var circuit = SocketEndsAsync(await browser.CircuitAsync());
        var other = SocketEndsAsync(await elsewhere.CircuitAsync());

        switch (ending)
        {
            case "sign-out":
                Assert.Equal(302, await browser.StatusAsync("/logout"));
                break;
            case "signed out by the API":
                var session = await server.Server.ScalarAsync<long>("SELECT min(s.id) FROM account_session s JOIN account a ON a.id = s.account_id WHERE a.username = @p0 AND s.from_address IS NOT NULL AND s.client = 'first'", person.Name);
                await server.Server.Sessions.EndAsync(person.Id, session);
                break;
            default:
                await EndAsync(server, ending, person, device);
                break;
        }

        await EndsAsync("log", log);
        await EndsAsync("circuit", circuit);
        using var replay = PageSession.With(server.Server, cookie);
        Assert.Equal(302, await replay.StatusAsync("/account"));
        Assert.Equal(401, await replay.StatusAsync($"/dashboard/devices/{device.Uuid}/logs"));
        Assert.Equal(401, await replay.StatusAsync("/_blazor?id=x"));
        if (ending.StartsWith("sign", StringComparison.Ordinal))
        {
            Assert.False(other.IsCompleted);
            Assert.Equal(200, await elsewhere.StatusAsync("/account"));
        }
        else
        {
            await EndsAsync("the other circuit", other);
        }
    }

    [Fact]
    public async Task A_bulk_job_ends_with_the_session_that_began_it()
    {
        using var tunnel = new TunnelServer(_ => throw new InvalidOperationException("No device is asked."));
        await using var server = await ServerWithFleet.StartAsync(tunnel);
        var devices = new List<long>();
        for (var i = 0; i < 3; i++)
            devices.Add((await server.AddDeviceAsync()).Id);
        var person = await PersonAsync(server);
        var callers = server.Server.Callers;
        var caller = await callers.OfTokenAsync(person.Token, CancellationToken.None);
        var held = new TaskCompletionSource();
        var asked = 0;
        // The job is at its first devices while the session ends.
        async ValueTask<Caller> AgainAsync(CancellationToken cancellation)
        {
            if (Interlocked.Increment(ref asked) == 1)
                await held.Task;
            return await callers.OfTokenAsync(person.Token, CancellationToken.None);
        }

        var job = server.Server.Services.GetRequiredService<BulkJobs>().Begin(caller, AgainAsync, new(BulkAct.AddTag, "tag") { TagKey = "a", TagValue = "1" }, BulkSelection.Of([.. devices]));
        await Eventually.HoldsAsync(() => Volatile.Read(ref asked) > 0);
        await server.PostAsync("/user/v1/logout", person.Token, null);
        held.SetResult();
        await Eventually.HoldsAsync(() => !job.IsRunning);
        Assert.Equal(0, job.Done);
        Assert.Equal(0L, await server.Server.ScalarAsync<long>("SELECT count(*) FROM device_tag"));
    }

    [Fact]
    public async Task What_is_over_is_forgotten()
    {
        await using var server = await ServerWithFleet.StartAsync();
        var registry = server.Server.Services.GetRequiredService<OpenConnections>();
        for (var i = 0; i < 20; i++)
            Assert.Equal(200, (await server.GetAsync("/v7/device?$top=1", server.Admin)).Status);
        await Eventually.HoldsAsync(() => registry.Count == 0);
    }

    private static async Task<Person> PersonAsync(ServerWithFleet server)
    {
        var name = "p" + Guid.NewGuid().ToString("N")[..10];
        var id = await server.Server.People.CreateUserAsync($"{name}@muster.test", Person.Password, name);
        await server.Server.People.JoinAsync(name, (string)(await server.Fixture.ReadAsync("SELECT handle FROM organization WHERE id = @p0", server.Fleet.OrganizationId))!, Role.Operator);
        return new(id, name, await server.Server.LogInAsync(name, Person.Password));
    }

    private static async Task EndAsync(ServerWithFleet server, string ending, Person person, FixtureDevice device)
    {
        var membership = $"/v7/organization_membership?$filter=user eq {person.Id.ToString(CultureInfo.InvariantCulture)}";
        var status = ending switch
        {
            "sign-out" => (await server.PostAsync("/user/v1/logout", person.Token, null)).Status,
            "password" => await server.Server.People.SetPasswordAsync(person.Name, "quite another one") ? 200 : 404,
            "account removed" => await server.Server.People.RemoveAsync(person.Name) ? 200 : 404,
            "membership removed" => (await server.Server.SendAsync("DELETE", membership, server.Admin)).Status,
            "role lowered" => (await server.Server.SendAsync("PATCH", membership, server.Admin, new JsonObject { ["muster_role"] = "observer" })).Status,
            "key revoked" => (await server.Server.SendAsync("DELETE", "/v7/api_key?$filter=name eq 'theirs'", person.Token)).Status,
            "key expired" => (await server.Server.SendAsync("PATCH", "/v7/api_key?$filter=name eq 'theirs'", person.Token, new JsonObject { ["expiry_date"] = "2020-01-01T00:00:00Z" })).Status,
            "device moved away" => await MoveAwayAsync(server, device),
            "device deleted" => (await server.Server.SendAsync("DELETE", $"/v7/device({device.Id})", server.Admin)).Status,
            "fleet deleted" => (await server.Server.SendAsync("DELETE", $"/v7/application({device.FleetId})", server.Admin)).Status,
            _ => throw new ArgumentOutOfRangeException(nameof(ending)),
        };
        Assert.Equal(200, status);
    }

    /// <summary>To a fleet of an organization in which nobody is but the server's administrator.</summary>
    private static async Task<int> MoveAwayAsync(ServerWithFleet server, FixtureDevice device)
    {
        var elsewhere = await server.Fixture.AddFleetAsync();
        await server.Presence.ChangedAsync(new InputChange("fleet") { Fleets = [elsewhere.Id] });
        return (await server.Server.SendAsync("PATCH", $"/v7/device({device.Id})", server.Admin, new JsonObject { ["belongs_to__application"] = elsewhere.Id })).Status;
    }

    private static async Task EndDeviceAsync(ServerWithFleet server, string ending, FixtureDevice device)
    {
        var keys = $"/v7/api_key?$filter=is_of__actor/any(a:a/is_of__device/any(d:d/uuid eq '{device.Uuid}'))";
        Assert.Equal(200, ending switch
        {
            "key revoked" => (await server.Server.SendAsync("DELETE", keys, server.Admin)).Status,
            "key expired" => (await server.Server.SendAsync("PATCH", keys, server.Admin, new JsonObject { ["expiry_date"] = "2020-01-01T00:00:00Z" })).Status,
            _ => (await server.Server.SendAsync("DELETE", $"/v7/device({device.Id})", server.Admin)).Status,
        });
    }

    /// <summary>Each completes when it ended.</summary>
    private async Task<Dictionary<string, Task>> OpenAllAsync(ServerWithFleet server, TunnelledTestDevice device, string credential) => new()
    {
        ["events"] = await EventsAsync(server, credential, ""),
        ["events of the device"] = await EventsAsync(server, credential, $"?device={device.Uuid}"),
        ["events of the fleet"] = await EventsAsync(server, credential, $"?fleet={device.Device.FleetId}"),
        ["log"] = await StreamAsync(server, credential, $"/device/v2/{device.Uuid}/logs?stream=1"),
        ["tunnel"] = await TunnelAsync(server, credential, $"{device.Uuid}.balena:7"),
    };

    private Task<Task> EventsAsync(ServerWithFleet server, string credential, string query) => StreamAsync(server, credential, "/muster/v1/events" + query);

    private async Task<Task> StreamAsync(ServerWithFleet server, string credential, string path)
    {
        var http = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
        clients.Add(http);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Server.Address, path)) { Headers = { Authorization = new("Bearer", credential) } };
        var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        clients.Add(response);
        Assert.Equal(200, (int)response.StatusCode);
        var stream = await response.Content.ReadAsStreamAsync();
        // It is being served: something has come.
        Assert.Equal(1, await stream.ReadAsync(new byte[1]));
        return ToEndAsync(stream);
    }

    private async Task<Task> TunnelAsync(ServerWithFleet server, string credential, string target)
    {
        var client = new TcpClient(server.Server.Address.Host, server.Server.Address.Port);
        clients.Add(client);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"CONNECT {target} HTTP/1.0\r\nProxy-Authorization: Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes("x:" + credential))}\r\n\r\n"));
        var head = new byte[12];
        await stream.ReadExactlyAsync(head);
        Assert.Equal("HTTP/1.0 200", Encoding.ASCII.GetString(head));
        return ToEndAsync(stream);
    }

    private static async Task UploadAsync(ServerWithFleet server, FixtureDevice device, PipedContent content)
    {
        using var http = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Server.Address, $"/device/v2/{device.Uuid}/log-stream")) { Content = content, Headers = { Authorization = new("Bearer", device.Key) } };
        try
        {
            using var response = await http.SendAsync(request);
        }
        catch (HttpRequestException)
        {
            // Cut off.
        }
    }

    private static async Task ToEndAsync(Stream stream)
    {
        try
        {
            await stream.CopyToAsync(Stream.Null);
        }
        catch (Exception e) when (e is IOException or HttpRequestException or ObjectDisposedException or OperationCanceledException)
        {
            // Cut off.
        }
    }

    private static async Task LinkEndsAsync(RawLink link)
    {
        try
        {
            while (true)
            {
                if (CloudlinkMessage.TryParse(Encoding.UTF8.GetBytes(await link.HearAsync()), out var message) && message.Type == CloudlinkMessage.Goodbye)
                    return;
            }
        }
        catch (WebSocketException)
        {
            // Cut off.
        }
    }

    private static async Task SocketEndsAsync(ClientWebSocket socket)
    {
        try
        {
            while ((await socket.ReceiveAsync(new byte[4096], CancellationToken.None)).MessageType != WebSocketMessageType.Close)
            {
            }
        }
        catch (WebSocketException)
        {
            // Cut off.
        }
    }

    private static async Task EndsAsync(string what, Task end)
    {
        await Task.WhenAny(end, Task.Delay(Limit));
        Assert.True(end.IsCompleted, $"{what} is open still.");
    }

    private static Task<long> ConnectedAsync(ServerWithFleet server, FixtureDevice device) =>
        server.Server.ScalarAsync<long>("SELECT cloudlink_connected FROM device WHERE id = @p0", device.Id);

    private sealed record Person(long Id, string Name, string Token)
    {
        public const string Password = "a long enough one";
    }
}
