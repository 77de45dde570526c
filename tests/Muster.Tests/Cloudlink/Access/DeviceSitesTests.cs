using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Muster.Tests.Resources;

namespace Muster.Tests.Cloudlink.Access;

/// <summary>Public addresses of devices: what comes for <c>{uuid}.{domain}</c> goes to port 80 of the device.</summary>
public sealed class DeviceSitesTests
{
    private const string Domain = "devices.test";

    [Fact]
    public async Task A_request_goes_to_the_device_and_nothing_of_Musters_session_with_it()
    {
        await using var server = await StartAsync();
        using var device = await OpenDeviceAsync(server);
        var asked = new TaskCompletionSource<string>();
        device.Listen(80, async stream =>
        {
            asked.TrySetResult(await HeadAsync(stream));
            await stream.WriteAsync("HTTP/1.1 201 Made\r\nContent-Length: 4\r\nX-Own: yes\r\nSet-Cookie: a=1; Domain=devices.test; Path=/\r\n\r\nlamp"u8.ToArray());
        });

        using var answer = await AskAsync(server, device.Uuid, "/lamp/1?on=true", ("Cookie", "own=1; muster-session=secret; other=2"), ("Authorization", $"Bearer {server.Admin}"), ("X-Forwarded-For", "6.6.6.6"));

        Assert.Equal((201, "lamp", "yes"), ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(), answer.Headers.GetValues("X-Own").Single()));
        Assert.Equal("a=1; Path=/", answer.Headers.GetValues("Set-Cookie").Single());
        var head = await asked.Task;
        Assert.StartsWith("GET /lamp/1?on=true HTTP/1.1\r\n", head, StringComparison.Ordinal);
        Assert.Contains($"Host: {device.Uuid}.{Domain}\r\n", head, StringComparison.Ordinal);
        Assert.Contains("Cookie: own=1; other=2\r\n", head, StringComparison.Ordinal);
        Assert.Contains("X-Forwarded-For: 127.0.0.1\r\n", head, StringComparison.Ordinal);
        Assert.DoesNotContain("Authorization", head, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credentials_of_the_devices_own_pass()
    {
        await using var server = await StartAsync();
        using var device = await OpenDeviceAsync(server);
        device.Listen(80, async stream =>
        {
            var head = await HeadAsync(stream);
            var line = head.Split("\r\n").First(l => l.StartsWith("Authorization", StringComparison.Ordinal));
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {line.Length}\r\n\r\n{line}"));
        });
        using var answer = await AskAsync(server, device.Uuid, "/", ("Authorization", "Basic bGFtcDpsYW1w"));
        Assert.Equal("Authorization: Basic bGFtcDpsYW1w", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_WebSocket_goes_through()
    {
        await using var server = await StartAsync();
        using var device = await OpenDeviceAsync(server);
        device.Listen(80, async stream =>
        {
            var key = (await HeadAsync(stream)).Split("\r\n").First(l => l.StartsWith("Sec-WebSocket-Key: ", StringComparison.Ordinal))[19..];
#pragma warning disable CA5350 // as RFC 6455 has it
            var accept = Convert.ToBase64String(System.Security.Cryptography.SHA1.HashData(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
#pragma warning restore CA5350
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"));
            using var socket = WebSocket.CreateFromStream(stream, new WebSocketCreationOptions { IsServer = true });
            var buffer = new byte[100];
            var heard = await socket.ReceiveAsync(buffer, CancellationToken.None);
            await socket.SendAsync(buffer.AsMemory(0, heard.Count), heard.MessageType, true, CancellationToken.None);
        });

        using var client = new ClientWebSocket();
        client.Options.SetRequestHeader("Host", $"{device.Uuid}.{Domain}");
        await client.ConnectAsync(new Uri($"ws://127.0.0.1:{server.Server.Address.Port}/live"), CancellationToken.None);
        await client.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
        var answer = new byte[100];
        var result = await client.ReceiveAsync(answer, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal("hello", Encoding.ASCII.GetString(answer, 0, result.Count));
    }

    [Fact]
    public async Task Each_reason_for_no_answer_has_its_page()
    {
        await using var server = await StartAsync();
        using var device = await OpenDeviceAsync(server);
        async Task<(int, string)> Ask(string name)
        {
            using var answer = await AskAsync(server, name, "/v7/device");
            var page = await answer.Content.ReadAsStringAsync();
            return ((int)answer.StatusCode, page[(page.IndexOf("<h1>", StringComparison.Ordinal) + 4)..page.IndexOf("</h1>", StringComparison.Ordinal)]);
        }

        Assert.Equal((502, "The device is connected, but nothing on its port 80 answered."), await Ask(device.Uuid));
        await device.DisconnectAsync();
        Assert.Equal((503, "The device is not connected now."), await Ask(device.Uuid));
        await SwitchAsync(server, device, on: false);
        Assert.Equal((403, "The public address of this device is switched off."), await Ask(device.Uuid));
        Assert.Equal((404, "There is no such device."), await Ask(new string('0', 32)));
        Assert.Equal((404, "There is no such device."), await Ask("1"));
    }

    [Fact]
    public async Task Where_no_domain_is_set_every_name_is_Musters_own()
    {
        await using var server = await ServerWithFleet.StartAsync();
        using var answer = await AskAsync(server, new string('0', 32), "/healthz");
        Assert.Equal(200, (int)answer.StatusCode);
        Assert.Equal("""{"deviceUrlsBase":""}""", (await server.GetAsync("/config", server.Admin)).Text);
    }

    [Fact]
    public async Task The_SDK_is_told_the_domain()
    {
        await using var server = await StartAsync();
        Assert.Equal("""{"deviceUrlsBase":"devices.test"}""", (await server.GetAsync("/config", server.Admin)).Text);
    }

    private static Task<ServerWithFleet> StartAsync() => ServerWithFleet.StartAsync(configure: builder => builder.Configuration["Cloudlink:DeviceUrls:Domain"] = Domain);

    /// <summary>A connected device with its public address switched on.</summary>
    private static async Task<TunnelledTestDevice> OpenDeviceAsync(ServerWithFleet server)
    {
        var device = await TunnelledTestDevice.ConnectAsync(server);
        await SwitchAsync(server, device, on: true);
        return device;
    }

    private static async Task SwitchAsync(ServerWithFleet server, TunnelledTestDevice device, bool on) =>
        Assert.Equal(200, (await server.Server.SendAsync("PATCH", $"/v7/device(uuid='{device.Uuid}')", server.Admin, new JsonObject { ["is_web_accessible"] = on })).Status);

    private static async Task<HttpResponseMessage> AskAsync(ServerWithFleet server, string name, string path, params (string Name, string Value)[] headers)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseCookies = false });
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Server.Address, path));
        request.Headers.Host = $"{name}.{Domain}";
        foreach (var (header, value) in headers)
            request.Headers.TryAddWithoutValidation(header, value);
        return await client.SendAsync(request);
    }

    private static async Task<string> HeadAsync(NetworkStream stream)
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(one) == 1)
            head.Append((char)one[0]);
        return head.ToString();
    }
}
