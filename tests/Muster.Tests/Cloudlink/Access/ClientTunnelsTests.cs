using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Muster.Core.Access;
using Muster.Server;
using Muster.Server.Cloudlink.Access;
using Muster.Tests.Resources;
using Muster.Tests.Storage;

namespace Muster.Tests.Cloudlink.Access;

/// <summary>TCP tunnels as <c>balena device tunnel</c> opens them (docs/device-protocol.md, "Tunnels").</summary>
public sealed class ClientTunnelsTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Bytes_go_both_ways_through_a_tunnel_and_the_audit_log_knows_of_it(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        using var device = await TunnelledTestDevice.ConnectAsync(server);
        device.ListenEcho(22222);
        using (var tunnel = await ClientAsync(server, $"{device.Uuid}.balena:22222", server.Admin))
        {
            Assert.Equal("HTTP/1.0 200 Connection Established", tunnel.StatusLine);
            await tunnel.SayAsync("hello");
            Assert.Equal("hello", await tunnel.HearAsync(5));
            Assert.Equal("tunnel.open|port 22222|127.0.0.1|", await AuditAsync(server));
        }

        await UntilAsync(async () => !(await AuditAsync(server)).EndsWith('|'));
        Assert.StartsWith("tunnel.open|port 22222|127.0.0.1|5 bytes to the device, 5 from it, ", await AuditAsync(server), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_megabyte_arrives_whole_and_the_answer_after_the_clients_last_word_too()
    {
        await using var server = await ServerWithFleet.StartAsync();
        using var device = await TunnelledTestDevice.ConnectAsync(server);
        device.Listen(80, async stream =>
        {
            using var all = new MemoryStream();
            await stream.CopyToAsync(all);
            await stream.WriteAsync(all.ToArray());
        });
        using var tunnel = await ClientAsync(server, $"{device.Uuid}.balena", server.Admin);
        var sent = new byte[1024 * 1024];
        new Random(4).NextBytes(sent);
        await tunnel.Stream.WriteAsync(sent);
        tunnel.Socket.Shutdown(SocketShutdown.Send);
        using var received = new MemoryStream();
        await tunnel.Stream.CopyToAsync(received).WaitAsync(Limit);
        Assert.Equal(sent, received.ToArray());
    }

    [Fact]
    public async Task What_the_client_says_before_the_answer_reaches_the_device()
    {
        await using var server = await ServerWithFleet.StartAsync();
        using var device = await TunnelledTestDevice.ConnectAsync(server);
        device.ListenEcho(7);
        using var tunnel = await ClientAsync(server, $"{device.Uuid}.balena:7", server.Admin, more: "eager");
        Assert.Equal("eager", await tunnel.HearAsync(5));
    }

    [Fact]
    public async Task Who_may_not_reach_the_device_learns_nothing_of_it()
    {
        await using var server = await ServerWithFleet.StartAsync();
        using var device = await TunnelledTestDevice.ConnectAsync(server);
        device.ListenEcho(7);
        var target = $"{device.Uuid}.balena:7";
        var other = await server.AddDeviceAsync();
        var service = await server.Server.People.CreateServiceKeyAsync("tunnel");
        var stranger = await server.LogInAsAsync(Role.Administrator, await server.Fixture.AddFleetAsync());
        async Task<string> Answer(string? secret, string of) => await (await ClientAsync(server, of, secret)).WholeAnswerAsync();

        foreach (var secret in (string?[])[null, "nonsense", await server.LogInAsAsync(Role.Observer), stranger, other.Key])
        {
            var refused = await Answer(secret, target);
            Assert.StartsWith("HTTP/1.0 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"Muster\"\r\n", refused, StringComparison.Ordinal);
            Assert.Equal(refused, await Answer(secret, "00000000000000000000000000000000.balena:7"));
        }

        foreach (var secret in (string[])[await server.LogInAsAsync(Role.Operator), device.Device.Key, service])
            Assert.StartsWith("HTTP/1.0 200 ", (await ClientAsync(server, target, secret)).StatusLine, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_reason_for_no_tunnel_has_its_status()
    {
        await using var server = await ServerWithFleet.StartAsync();
        using var device = await TunnelledTestDevice.ConnectAsync(server);
        Assert.StartsWith("HTTP/1.0 403 ", (await ClientAsync(server, "example.com:443", server.Admin)).StatusLine, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.0 502 ", (await ClientAsync(server, $"{device.Uuid}.balena:9", server.Admin)).StatusLine, StringComparison.Ordinal);
        await UntilAsync(async () => (await AuditAsync(server)).EndsWith("|not reached", StringComparison.Ordinal));
        await device.DisconnectAsync();
        Assert.StartsWith("HTTP/1.0 503 ", (await ClientAsync(server, $"{device.Uuid}.balena:9", server.Admin)).StatusLine, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.0 400 ", (await ClientAsync(server, $"{device.Uuid}.balena:9", new string('x', 9000))).StatusLine, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tunnels_are_bounded_and_an_idle_one_ends()
    {
        await using var server = await ServerWithFleet.StartAsync(configure: builder =>
        {
            builder.Configuration["Cloudlink:Tunnel:MaxPerCaller"] = "2";
            builder.Configuration["Cloudlink:Tunnel:IdleTimeout"] = "00:00:02";
        });
        using var device = await TunnelledTestDevice.ConnectAsync(server);
        device.ListenEcho(7);
        var target = $"{device.Uuid}.balena:7";
        using var one = await ClientAsync(server, target, server.Admin);
        using var two = await ClientAsync(server, target, server.Admin);
        Assert.StartsWith("HTTP/1.0 503 ", (await ClientAsync(server, target, server.Admin)).StatusLine, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.0 200 ", (await ClientAsync(server, target, device.Device.Key)).StatusLine, StringComparison.Ordinal);

        Assert.Equal("", await one.HearAsync(1));
        await UntilAsync(() => Task.FromResult(server.Server.Services.GetRequiredService<ClientTunnels>().Count == 0));
        Assert.StartsWith("HTTP/1.0 200 ", (await ClientAsync(server, target, server.Admin)).StatusLine, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stopping_server_ends_its_tunnels_at_once()
    {
        await using var server = await ServerWithFleet.StartAsync();
        using var device = await TunnelledTestDevice.ConnectAsync(server);
        device.ListenEcho(7);
        using var tunnel = await ClientAsync(server, $"{device.Uuid}.balena:7", server.Admin);
        server.Server.Services.GetRequiredService<Microsoft.Extensions.Hosting.IHostApplicationLifetime>().StopApplication();
        Assert.Equal("", await tunnel.HearAsync(1));
    }

    [Fact]
    public async Task Where_tunnels_are_switched_off_CONNECT_is_no_request()
    {
        await using var server = await ServerWithFleet.StartAsync(configure: builder => builder.Configuration["Cloudlink:Tunnel:Enabled"] = "false");
        using var device = await TunnelledTestDevice.ConnectAsync(server);
        device.ListenEcho(7);
        var client = await ClientAsync(server, $"{device.Uuid}.balena:7", server.Admin);
        Assert.Contains(" 405 ", client.StatusLine, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", " 200 OK")]
    [InlineData("COPY /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", " 405 ")]
    [InlineData("CONNECTED /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", " 405 ")]
    public async Task Everything_else_goes_to_HTTP_however_it_is_cut_into_pieces(string request, string answer)
    {
        await using var server = await StartedServer.StartAsync();
        using var client = new Client(server.Address);
        foreach (var piece in request.Select(c => c.ToString()))
            await client.SayAsync(piece);
        await client.AnswerAsync();
        Assert.Contains(answer, client.StatusLine, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_https_address_serves_tunnels_HTTP_1_and_HTTP_2_and_an_http_address_beside_it_too()
    {
        var (_, directory) = await TestDatabases.LocationAsync(TestDatabases.Sqlite);
        await using var app = ServerHost.Build(["--urls", "http://127.0.0.1:0;https://127.0.0.1:0;http://127.0.0.1:0", "--data", directory, "--Logging:LogLevel:Default", "Warning"]);
        await app.StartAsync();
        var addresses = app.Urls.Select(url => new Uri(url)).ToList();
        Assert.Equal(["http", "https", "http"], addresses.Select(a => a.Scheme));
        foreach (var address in addresses)
        {
            using var client = new Client(address);
            await client.SayAsync("CONNECT 00000000000000000000000000000000.balena:80 HTTP/1.0\r\n\r\n");
            await client.AnswerAsync();
            Assert.StartsWith("HTTP/1.0 407 ", client.StatusLine, StringComparison.Ordinal);
        }

        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, certificate, _, _) => certificate is not null };
        using var http = new HttpClient(handler);
        foreach (var version in (Version[])[System.Net.HttpVersion.Version11, System.Net.HttpVersion.Version20])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(addresses[1], "/healthz")) { Version = version, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            using var answer = await http.SendAsync(request);
            Assert.Equal((200, version), ((int)answer.StatusCode, answer.Version));
        }

        await app.StopAsync();
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task A_tunnel_server_is_told_whom_it_and_others_may_reach(string kind)
    {
        await using var server = await ServerWithFleet.StartAsync(kind);
        var device = await server.AddDeviceAsync();
        async Task<int> CanAccess(string? key) => (await server.PostAsync($"/v7/device(uuid=@uuid)/canAccess?@uuid='{device.Uuid}'", key,
            new JsonObject { ["action"] = new JsonObject { ["or"] = new JsonArray("tunnel-any", "tunnel-22222") } })).Status;

        Assert.Equal(200, await CanAccess(await server.Server.People.CreateServiceKeyAsync("tunnel")));
        Assert.Equal(200, await CanAccess(await server.LogInAsAsync(Role.Operator)));
        Assert.Equal(200, await CanAccess(device.Key));
        Assert.Equal(401, await CanAccess(await server.LogInAsAsync(Role.Observer)));
        Assert.Equal(401, await CanAccess((await server.AddDeviceAsync()).Key));
        Assert.Equal(401, await CanAccess(null));
    }

    private static async Task<Client> ClientAsync(ServerWithFleet server, string target, string? secret, string more = "")
    {
        var client = new Client(server.Server.Address);
        var credentials = secret is null ? "" : $"Proxy-Authorization: Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes("somebody:" + secret))}\r\n";
        await client.SayAsync($"CONNECT {target} HTTP/1.0\r\n{credentials}\r\n{more}");
        await client.AnswerAsync();
        return client;
    }

    /// <summary>The newest entry.</summary>
    private static Task<string> AuditAsync(ServerWithFleet server) => server.Server.ScalarAsync<string>(
        "SELECT what || '|' || detail || '|' || from_address || '|' || COALESCE(outcome, '') FROM audit ORDER BY id DESC LIMIT 1");

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (!await condition())
            await Task.Delay(20, limit.Token);
    }

    /// <summary>A client that speaks bytes.</summary>
    private sealed class Client : IDisposable
    {
        private readonly TcpClient tcp;

        public Client(Uri server)
        {
            tcp = new(server.Host, server.Port);
            Stream = tcp.GetStream();
            if (server.Scheme != "https")
                return;
            var tls = new SslStream(Stream, leaveInnerStreamOpen: false, (_, certificate, _, _) => certificate is not null);
            tls.AuthenticateAsClient(server.Host);
            Stream = tls;
        }

        public Stream Stream { get; }

        public Socket Socket => tcp.Client;

        public string Head { get; private set; } = "";

        public string StatusLine => Head.Split("\r\n")[0];

        public Task SayAsync(string text) => Stream.WriteAsync(Encoding.ASCII.GetBytes(text)).AsTask();

        /// <summary>As many bytes as said, or what there is before the end.</summary>
        public async Task<string> HearAsync(int bytes)
        {
            var heard = new byte[bytes];
            var length = await Stream.ReadAtLeastAsync(heard, bytes, throwOnEndOfStream: false).AsTask().WaitAsync(Limit);
            return Encoding.ASCII.GetString(heard, 0, length);
        }

        /// <summary>Reads the head of the answer.</summary>
        public async Task AnswerAsync()
        {
            while (!Head.EndsWith("\r\n\r\n", StringComparison.Ordinal) && await HearAsync(1) is { Length: 1 } next)
                Head += next;
        }

        public async Task<string> WholeAnswerAsync() => Head + await new StreamReader(Stream).ReadToEndAsync().WaitAsync(Limit);

        public void Dispose() => tcp.Dispose();
    }
}
